import { z } from "zod";

/**
 * The log that rules a batch: entries control/000001.json and on, each the whole state,
 * put-if-absent under last + 1. The last entry is the state; none = running. Cancel and complete cannot both win,
 * since both want the same number.
 */
export const controlStates = ["running", "paused", "cancelled", "complete"] as const;

export const controlEntrySchema = z.strictObject({
  state: z.enum(controlStates),
  weight: z.int().positive(),
  /** random: tells a lost reply of our own write from somebody else's entry */
  id: z.string(),
  at: z.string(),
  by: z.string(),
  /** why, in words, for `status`: the failure class and one example when the budget paused it */
  reason: z.string().nullable(),
  /** true after `resume --accept-failures`: chunks that failed as a whole are committed as they are */
  accept_failures: z.boolean(),
});
export type ControlEntry = z.infer<typeof controlEntrySchema>;
export type ControlState = ControlEntry["state"];

export const initialControl: Pick<ControlEntry, "state" | "weight" | "accept_failures"> = {
  state: "running",
  weight: 1,
  accept_failures: false,
};

/** May chunks of the batch be scored now? */
export function isRunnable(state: ControlState): boolean {
  return state === "running";
}
/** Nothing follows this state by itself: `complete` never, `cancelled` only by `resume`. */
export function isEnded(state: ControlState): boolean {
  return state === "complete" || state === "cancelled";
}

/**
 * Whether `wanted` may follow `current`. The finalizer may complete a running or a paused batch, never a cancelled
 * one; a complete batch takes no further entry.
 */
export function mayFollow(current: ControlState, wanted: ControlState): boolean {
  if (current === "complete") return false;
  if (wanted === "complete") return current !== "cancelled";
  if (wanted === "paused") return current === "running";
  return true;
}
