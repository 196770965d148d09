import { z } from "zod";
import type { ResultRow, ResultSample } from "./result-row.ts";
import { isEngineSide, type Status, statuses } from "./status.ts";

/**
 * A checkpoint: finished rows of a chunk that has no shard yet, in `partial/000123/<attempt>-<seq>.jsonl.gz`. First line
 * the header, then one result row a line. A part of it is never shown, only how many rows it holds.
 */
const checkpointHeaderSchema = z.strictObject({
  batch_sha256: z.string(),
  format: z.int(),
  /** rows of another pin are not mixed in: the shard's footer would lie */
  pin_sha256: z.string(),
  attempt: z.string(),
});
export type CheckpointHeader = z.infer<typeof checkpointHeaderSchema>;

/**
 * Whether a row goes into a checkpoint: it was asked, and ended in something about itself. What a wrong setting or a
 * sick engine does to a row is left out, so that whoever carries on after a pause asks it again at a mended engine.
 */
export function isWorthKeeping(row: ResultRow): boolean {
  return row.attempts !== null && row.attempts > 0 && !isEngineSide(row.status);
}

/** The bytes before gzip. Every number comes back to the bit, -0 included; throws TypeError on NaN and infinities. */
export function encodeCheckpoint(header: CheckpointHeader, rows: readonly ResultRow[]): Uint8Array {
  return new TextEncoder().encode([header, ...rows].map((line) => `${exactJson(line)}\n`).join(""));
}

/**
 * The rows of a checkpoint, or null when it is not one of this batch, format and pin: torn, foreign or newer bytes are
 * no fault, their rows are asked again. Whose rows they are is for the caller to check. Never throws.
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  expected: Omit<CheckpointHeader, "attempt">,
): readonly ResultRow[] | null {
  const lines = new TextDecoder().decode(bytes).split("\n");
  // every line has its newline: what stands behind the last one was cut
  if (lines.pop() !== "") return null;
  try {
    const header = checkpointHeaderSchema.parse(JSON.parse(lines[0] ?? ""));
    const isOurs =
      header.batch_sha256 === expected.batch_sha256 &&
      header.format === expected.format &&
      header.pin_sha256 === expected.pin_sha256;
    return isOurs ? lines.slice(1).map((line): ResultRow => resultRowSchema.parse(JSON.parse(line))) : null;
  } catch {
    return null;
  }
}

/** JSON.stringify, except that it keeps the sign of zero: a log-probability may be -0. */
function exactJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`a checkpoint holds no ${value}`);
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return `[${value.map(exactJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${exactJson(member)}`)
    .join(",")}}`;
}

const text = z.string().nullable();
const double = z.number().nullable();
const int32 = z.int32().nullable();
const status: z.ZodType<Status> = z.enum(statuses);

const sampleSchema = z.strictObject({
  status,
  reward: double,
  logprob_yes: double,
  logprob_no: double,
  yes_no_mass: double,
  answer: text,
  finish_reason: text,
  completion_tokens: int32,
  seed: z.int().nullable(),
}) satisfies z.ZodType<ResultSample>;

/** What the shard's encoder takes, so that a checkpoint that was read never keeps its chunk from being committed. */
const resultRowSchema = z.strictObject({
  row_index: z.int(),
  id: z.string(),
  group: text,
  input: z.string(),
  input_line: z.int(),
  response_index: int32,
  principle_index: int32,
  principle: text,
  row_key: text,
  status,
  reward: double,
  logprob_yes: double,
  logprob_no: double,
  yes_no_mass: double,
  floored: z.boolean().nullable(),
  answer: text,
  answer_form: text,
  finish_reason: text,
  read: text,
  neutralised: int32,
  stripped_chars: int32,
  prompt_tokens: int32,
  cached_tokens: int32,
  completion_tokens: int32,
  queue_ms: int32,
  latency_ms: int32,
  attempts: int32,
  engine: text,
  error_code: text,
  error_message: text,
  scored_at: z.int(),
  source: z.string(),
  model: z.string(),
  batch: z.string(),
  samples: z.array(sampleSchema).nullable(),
  carried: text,
  reasoning: text,
  columns: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
}) satisfies z.ZodType<ResultRow>;
