import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { readWays, type ServerForm, vllmForm } from "./read-way.ts";
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
  /** the way the batch was begun in; absent in pins of earlier versions. Whether another may join says reads.json */
  read: z.enum(readWays).optional(),
  /** length of the lists asked for, of way `top` alone: with others the bound of what is not listed would be another */
  top: z.int().positive().optional(),
  /** the profile's plain text was sent; absent where the server's template rendered the messages */
  rendered: z.literal("plain").optional(),
});
export type Pin = z.infer<typeof pinSchema>;

export function pinBytes(pin: Pin): Uint8Array {
  return new TextEncoder().encode(canonicalJson(pin));
}

export function pinSha256(pin: Pin): string {
  return sha256(pinBytes(pin));
}

/** How the batch is read is no fact of an engine. */
const ofTheBatch: readonly (keyof Pin)[] = ["read", "top"];

/**
 * The fields in which what an engine is differs from what is pinned, with both values, for the message to the person;
 * empty when they are alike. The way of reading is not compared.
 */
export function pinDifferences(pinned: Pin, found: Pin): { field: string; pinned: string; found: string }[] {
  const told = (pin: Pin, field: keyof Pin): string => canonicalJson(pin[field] ?? null);
  return (Object.keys(pinSchema.shape) as (keyof Pin)[])
    .filter((field) => !ofTheBatch.includes(field))
    .map((field) => ({ field, pinned: told(pinned, field), found: told(found, field) }))
    .filter((difference) => difference.pinned !== difference.found);
}

/** What the servers of a pinned batch take. */
export function serverOfPin(pin: Pin | null): ServerForm {
  return { ...vllmForm, topLogprobs: pin?.top ?? vllmForm.topLogprobs, rendered: pin?.rendered ?? vllmForm.rendered };
}
