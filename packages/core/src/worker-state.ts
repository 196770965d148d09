import { z } from "zod";

/**
 * What a worker says of itself, for people who ask why nothing moves: kept in Redis for less than a minute, and said again
 * while it works. It decides nothing: only `status` reads it, and a worker whose words are lost works as well. Names,
 * counts and the words of errors, never a row's text, never a reward.
 */
const workerStateSchema = z.object({
  /** host and process id */
  name: z.string(),
  /** the root's address, as this worker was given it */
  root: z.string(),
  model: z.string(),
  /** "waits-for-engine": none takes rows; "rests": nothing is left for it, or all of it is paused */
  does: z.enum(["scores", "rests", "drains", "waits-for-store", "waits-for-engine"]),
  /** ISO 8601, in UTC */
  since: z.string(),
  /** what it was told by whom it waits for */
  why: z.string().nullable(),
  /** batches that it has chunks of; of very many the first ones */
  batches: z.array(z.string()),
  /** batches that it leaves alone, and why; of very many the first ones */
  refused: z.array(z.object({ batch: z.string(), why: z.string() })),
  /** finished rows that the store does not have: on this host's disk, and in memory alone */
  rows_on_disk: z.int(),
  rows_in_memory: z.int(),
  /** it sends no row, since memory and disk take no more finished ones */
  is_full: z.boolean(),
});
export type WorkerState = z.infer<typeof workerStateSchema>;

const mostNames = 20;
const mostWords = 300;

/** At most some 12 kB, whatever the state. */
export function encodeWorkerState(state: WorkerState): string {
  const cut = (text: string): string => text.slice(0, mostWords);
  return JSON.stringify({
    ...state,
    name: cut(state.name),
    why: state.why === null ? null : cut(state.why),
    batches: state.batches.slice(0, mostNames),
    refused: state.refused.slice(0, mostNames).map(({ batch, why }) => ({ batch, why: cut(why) })),
  });
}

/** Null for what is no state, or one of another version: it is not shown then. Never throws. */
export function decodeWorkerState(text: string): WorkerState | null {
  try {
    return workerStateSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
