/** Time and chance, handed in so that tests decide them. */
export interface Clock {
  /** epoch milliseconds */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls back every `ms`, the first time after `ms`; returns the way to stop. */
  every(ms: number, tell: () => void): () => void;
  /** 16 random hex digits */
  random(): string;
}
