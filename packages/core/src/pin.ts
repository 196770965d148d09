import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { sha256 } from "./sha256.ts";

/**
 * pin.json: what the first worker of a batch found. Put-if-absent; a worker whose engine differs hands the job back.
 * Engine version, GPU and dtype are not in it: they may differ and are listed per shard.
 */
export const pinSchema = z.strictObject({
  model: z.string(),
  /** what the worker was told, never guessed */
  revision: z.string().nullable(),
  /** sha256 of the token ids that /tokenize gives for a fixed conversation with a pinned date */
  template: z.string(),
  /**
   * per opener and closer: special tokens in a prompt of `turns` turns = per_turn * turns + extra; extra_system takes
   * the place of extra where the first turn is a system message (some templates bring one of their own otherwise)
   */
  delimiters: z.array(z.strictObject({ id: z.int(), per_turn: z.int(), extra: z.int(), extra_system: z.int() })),
  /** raw_logprobs, or processed when the server scales them */
  logprobs: z.enum(["raw", "processed"]),
  simulated: z.boolean(),
});
export type Pin = z.infer<typeof pinSchema>;

export function pinBytes(pin: Pin): Uint8Array {
  return new TextEncoder().encode(canonicalJson(pin));
}

export function pinSha256(pin: Pin): string {
  return sha256(pinBytes(pin));
}

/** The fields in which two pins differ, with both values, for the message to the person; empty when equal. */
export function pinDifferences(pinned: Pin, found: Pin): { field: string; pinned: string; found: string }[] {
  return (Object.keys(pinSchema.shape) as (keyof Pin)[])
    .map((field) => ({ field, pinned: canonicalJson(pinned[field]), found: canonicalJson(found[field]) }))
    .filter((difference) => difference.pinned !== difference.found);
}
