import { type Ran, runUntilOver } from "./run-command.ts";

/** A command of a person, from its first typing to its end for good. */
export interface Deed {
  readonly verb: "pause" | "resume" | "cancel" | "retry";
  readonly batch: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly code: number | null;
  /** what it printed */
  readonly said: string;
}

export interface People {
  readonly deeds: readonly Deed[];
  /** Whether a person holds the batch, or has cancelled it: nobody but that person lets it go on. */
  isHeld(batch: string): boolean;
  isCancelled(batch: string): boolean;
  /** Holds one of the batches under way, picked by `point` from 0 to 1; the returned call resumes it. Rejects where there is none. */
  pause(point: number): Promise<() => Promise<void>>;
  /** Cancels one for good. */
  cancel(point: number): Promise<void>;
  /** Asks failed rows of one that is complete again: the same retry, typed twice at once. */
  retry(point: number): Promise<void>;
  /** Lets go on what workers have paused. */
  resume(batch: string): Promise<void>;
}

/** What of a batch failed for its small budget is asked again with a larger one: always the same retry. */
export const retryArgs = ["--status", "truncated", "--set", "max_tokens=4000"] as const;

/** People at their terminals; `batches` are those of the run without retries, and what the store says of them. */
export function startPeople(
  env: { readonly [name: string]: string },
  batches: () => readonly { readonly name: string; readonly isDone: boolean }[],
): People {
  const deeds: Deed[] = [];
  const held = new Set<string>();
  const cancelled = new Set<string>();

  async function type(verb: Deed["verb"], batch: string, args: readonly string[] = []): Promise<Ran> {
    const fromMs = Date.now();
    const ran = await runUntilOver([verb, batch, ...args], env);
    deeds.push({ verb, batch, fromMs, untilMs: Date.now(), code: ran.code, said: ran.stdout.trim() });
    return ran;
  }

  function pick(point: number, isDone: boolean): string {
    const fit = batches().filter((batch) => batch.isDone === isDone && !held.has(batch.name));
    const picked = fit[Math.floor(point * fit.length)];
    if (picked === undefined) throw new Error(isDone ? "no batch is complete" : "no batch is under way");
    return picked.name;
  }

  async function hold(verb: "pause" | "cancel", point: number): Promise<string> {
    const batch = pick(point, false);
    held.add(batch);
    const { code, text } = await type(verb, batch);
    if (code === 0) return batch;
    // it may have become complete meanwhile
    held.delete(batch);
    throw new Error(text);
  }

  return {
    deeds,
    isHeld: (batch) => held.has(batch),
    isCancelled: (batch) => cancelled.has(batch),
    async pause(point) {
      const batch = await hold("pause", point);
      return async () => {
        await type("resume", batch);
        held.delete(batch);
      };
    },
    async cancel(point) {
      cancelled.add(await hold("cancel", point));
    },
    async retry(point) {
      const batch = pick(point, true);
      await Promise.all([type("retry", batch, retryArgs), type("retry", batch, retryArgs)]);
    },
    async resume(batch) {
      await type("resume", batch);
    },
  };
}
