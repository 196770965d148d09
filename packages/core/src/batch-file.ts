import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { chunkOrders } from "./chunk-order.ts";
import { mostSamples } from "./combine-samples.ts";
import { profileSchema, profileSha256 } from "./profile.ts";
import { userColumnTypes } from "./result-row.ts";
import { sha256 } from "./sha256.ts";

/**
 * batch.json: everything a worker has to know about a batch, and the identity of the batch (FORMATS, "Hashes and
 * names"). Written once, last of staging; a folder without it is no batch.
 */

/** Raised only when a request or the verdict code changes meaning; a test on golden requests enforces it. */
export const formatVersion = 1;
/** Raised when the files of a root change. */
export const layoutVersion = 1;
/** Raised when the fixed columns of a shard change. */
export const schemaVersion = 1;

export const stripModes = ["auto", "always", "off"] as const;
export const specialsModes = ["neutralise", "reject", "allow"] as const;
export const keepReasoningModes = ["failed", "none", "all"] as const;

const chunkSchema = z.strictObject({
  /** sha256 of the uncompressed bytes of rows/ */
  sha256: z.string().length(64),
  /** rows in the chunk, bad records included */
  rows: z.int().positive(),
  /** `row_index` of its first row; a retry's child leaves out rows between */
  row_start: z.int().nonnegative(),
});
export type ChunkPlan = z.infer<typeof chunkSchema>;

export const batchFileSchema = z.strictObject({
  batch: z.string(),
  sha256: z.string().length(64),
  format: z.int(),
  layout: z.int(),
  schema: z.int(),
  model: z.string().min(1),
  revision: z.string().nullable(),
  profile: profileSchema,
  strip: z.enum(stripModes),
  specials: z.enum(specialsModes),
  /** answers to each row's request */
  samples: z.int().min(1).max(mostSamples),
  seed: z.int().nullable(),
  columns: z.array(z.strictObject({ name: z.string(), type: z.enum(userColumnTypes) })),
  /** batches whose `ok` results stand for rows with the same row_key; part of the identity where it is not empty */
  reuse: z.array(z.string()).default([]),
  chunks: z.array(chunkSchema).min(1),
  /** of a retry's child alone: whose rows these are, and which retry asks them again; its name comes from these two */
  parent: z.strictObject({ batch: z.string(), retry: z.int().positive() }).optional(),
  // ---- not part of the identity
  name: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  keep_reasoning: z.enum(keepReasoningModes),
  max_bad: z.number().min(0).max(1),
  max_failed: z.number().min(0).max(1),
  /** absent in batches planned before it was there */
  order: z.enum(chunkOrders).default("mixed"),
  /** what chose the principles, for the record: they themselves are in the chunks. Absent without --recipe */
  recipe: z.strictObject({ name: z.string(), sha256: z.string().length(64) }).optional(),
  created_at: z.string(),
  software: z.string(),
  inputs: z.array(
    z.strictObject({
      input: z.string(),
      bytes: z.int(),
      records: z.int(),
      bad: z.int(),
      blank: z.int(),
      /** a last line without newline that did not parse: left out, still being written */
      torn: z.int(),
    }),
  ),
  counts: z.strictObject({
    records: z.int(),
    responses: z.int(),
    rows: z.int(),
    bad: z.int(),
    equal_ids: z.int(),
  }),
});
export type BatchFile = z.infer<typeof batchFileSchema>;

/** The settings that make a batch another batch, apart from its rows. */
export type BatchSettings = Pick<
  BatchFile,
  "model" | "revision" | "profile" | "strip" | "specials" | "samples" | "seed" | "columns" | "reuse"
>;

/** Full sha256 of a batch. Name, tags, engines, limits and the software version are not part of it. */
export function batchSha256(settings: BatchSettings, chunkSha256: readonly string[]): string {
  return sha256(
    canonicalJson({
      format: formatVersion,
      layout: layoutVersion,
      model: settings.model,
      revision: settings.revision,
      profile: profileSha256(settings.profile),
      strip: settings.strip,
      specials: settings.specials,
      samples: settings.samples,
      seed: settings.seed,
      columns: settings.columns,
      ...(settings.reuse.length === 0 ? {} : { reuse: settings.reuse }),
      chunks: chunkSha256,
    }),
  );
}

/** `<readable>-<16 hex>`; the readable part is for people and not part of the identity. */
export function batchName(readable: string, fullSha256: string): string {
  const clean = readable
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "");
  return `${clean === "" ? "batch" : clean}-${fullSha256.slice(0, 16)}`;
}
