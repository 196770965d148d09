import type { Status } from "./status.ts";

/**
 * One line of a shard: schema 1 of FORMATS, names and order included. Times are epoch milliseconds here and
 * TIMESTAMP(MICROS, UTC) in the file. No NaN and no infinity anywhere; the encoder refuses them.
 */
export interface ResultRow {
  row_index: number;
  id: string;
  group: string | null;
  input: string;
  input_line: number;
  response_index: number | null;
  principle_index: number | null;
  principle: string | null;
  row_key: string | null;
  status: Status;
  /** null unless status is ok */
  reward: number | null;
  logprob_yes: number | null;
  logprob_no: number | null;
  yes_no_mass: number | null;
  floored: boolean | null;
  answer: string | null;
  answer_form: string | null;
  finish_reason: string | null;
  read: string | null;
  neutralised: number | null;
  stripped_chars: number | null;
  prompt_tokens: number | null;
  cached_tokens: number | null;
  completion_tokens: number | null;
  queue_ms: number | null;
  latency_ms: number | null;
  attempts: number | null;
  engine: string | null;
  error_code: string | null;
  error_message: string | null;
  scored_at: number;
  source: string;
  model: string;
  batch: string;
  samples: ResultSample[] | null;
  /** JSON text of what the user brought */
  carried: string | null;
  reasoning: string | null;
  /** The user's own columns by their name in the file (`in_<name>`), typed by the batch's `columns`. */
  columns: { readonly [name: string]: string | number | boolean | null };
}

export interface ResultSample {
  status: Status;
  reward: number | null;
  logprob_yes: number | null;
  logprob_no: number | null;
  yes_no_mass: number | null;
  answer: string | null;
  finish_reason: string | null;
  completion_tokens: number | null;
  seed: number | null;
}

/** A user's column: `name` without the `in_` prefix, as asked for with `--carry name:type`. */
export interface UserColumn {
  readonly name: string;
  readonly type: UserColumnType;
}
export const userColumnTypes = ["string", "double", "int64", "boolean"] as const;
export type UserColumnType = (typeof userColumnTypes)[number];

/** The 37 fixed columns of schema 1, in order. */
export const resultColumns = [
  "row_index",
  "id",
  "group",
  "input",
  "input_line",
  "response_index",
  "principle_index",
  "principle",
  "row_key",
  "status",
  "reward",
  "logprob_yes",
  "logprob_no",
  "yes_no_mass",
  "floored",
  "answer",
  "answer_form",
  "finish_reason",
  "read",
  "neutralised",
  "stripped_chars",
  "prompt_tokens",
  "cached_tokens",
  "completion_tokens",
  "queue_ms",
  "latency_ms",
  "attempts",
  "engine",
  "error_code",
  "error_message",
  "scored_at",
  "source",
  "model",
  "batch",
  "samples",
  "carried",
  "reasoning",
] as const satisfies readonly (keyof ResultRow)[];

/** What every shard says about itself, as Parquet key-value metadata (FORMATS, "Footer keys"). */
export interface ShardMetadata {
  readonly "assay.schema": string;
  readonly "assay.batch": string;
  readonly "assay.batch_sha256": string;
  readonly "assay.chunk": string;
  readonly "assay.profile": string;
  readonly "assay.profile_sha256": string;
  readonly "assay.model": string;
  readonly "assay.revision": string;
  readonly "assay.pin_sha256": string;
  readonly "assay.engine_version": string;
  readonly "assay.logprobs": string;
  readonly "assay.software": string;
  readonly "assay.simulated": string;
}
export const shardMetadataKeys = [
  "assay.schema",
  "assay.batch",
  "assay.batch_sha256",
  "assay.chunk",
  "assay.profile",
  "assay.profile_sha256",
  "assay.model",
  "assay.revision",
  "assay.pin_sha256",
  "assay.engine_version",
  "assay.logprobs",
  "assay.software",
  "assay.simulated",
] as const satisfies readonly (keyof ShardMetadata)[];
