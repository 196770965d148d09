/**
 * How workers find work. A job is the address of a chunk and nothing else; it is a hint: dropped, doubled or late
 * jobs do no harm, and ending a job without a shard is always legal. At-least-once; the commit in the
 * store makes the output exactly-once, so nothing here is a lock.
 *
 * Pull, not push: the worker takes a job when its engines have room for more rows, so no chunk waits inside a worker
 * while another worker is idle.
 *
 * No method ever rejects because the server is away for a while, except `add`, `missing`, `remove`, `virtualTime` and
 * `lastPriority`, which reject with AssayError E_REDIS_UNAVAILABLE so that `submit` can say so, or E_DENIED.
 */
export interface JobQueue {
  readonly name: string;

  /** Adds jobs. A job whose id is already in the queue stays as it is. Lower `priority` (>= 1) is taken first. */
  add(jobs: readonly (Job & { priority: number })[]): Promise<void>;

  /** Of these jobs those that are in no list of the queue: neither waiting, prioritised, delayed nor active. */
  missing(jobs: readonly Job[]): Promise<Job[]>;

  /** Takes jobs out of the queue, limbo ones included (their id is free again). Active ones with a live lease stay. */
  remove(jobs: readonly Job[]): Promise<void>;

  /**
   * The virtual time of fairness: priority of the job that would be taken next, 0 when nothing waits.
   * Jobs that were handed back or whose lease lapsed are older than the time and do not count.
   */
  virtualTime(): Promise<number>;
  /** Priority of the job that would be taken last, 0 when nothing waits: one added there is taken after all others. */
  lastPriority(): Promise<number>;

  /** The next job, or null when the signal aborts or nothing came within a few seconds. */
  take(signal: AbortSignal): Promise<LeasedJob | null>;

  /** Tells every process of this queue that a batch's control log has a new entry. May be lost. */
  nudge(batch: string): Promise<void>;
  /** Calls back on nudges; returns the way to stop. */
  onNudge(listener: (batch: string) => void): () => void;

  /** Calls back when the connection was lost and has come back: time to reconcile. Returns the way to stop. */
  onReconnect(listener: () => void): () => void;

  /** A courtesy, not a lock: true for one caller per `forMs`, true when the server is away. With 0 it is only asked for. */
  courtesy(task: string, forMs: number): Promise<boolean>;

  /**
   * Shows `text`, at most some 12 kB, to people who look into the queue, for `forMs` from now or until the next call;
   * null takes it away. One text per queue object. May be lost, and nothing that works ever reads it.
   */
  tell(text: string | null, forMs: number): Promise<void>;

  /** Gives up connections made here: nothing keeps the process alive then. Leases still held lapse, takes end. */
  close(): Promise<void>;
}

export interface Job {
  readonly batch: string;
  readonly chunk: number;
}

export interface LeasedJob {
  readonly job: Job;
  /** Calls back once when a server that answers refused to renew the lease: look into the store. */
  onRefused(listener: () => void): void;
  /** Ends the job, whether a shard came of it or not. Never rejects. */
  done(): Promise<void>;
  /** Gives the job back for anybody to take before all others; no attempt is charged. Never rejects. */
  handBack(): Promise<void>;
}
