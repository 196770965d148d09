import type { UserColumn } from "@assay/core";
import type { SchemaElement } from "hyparquet";

/** The Parquet schema of a shard, spelt out (FORMATS, "Shard, schema 1"): a library that infers types per file lets them drift. */

export type Leaf = {
  readonly type: SchemaElement["type"];
  readonly text?: true;
  readonly micros?: true;
  readonly required?: true;
};

const text: Leaf = { type: "BYTE_ARRAY", text: true };
const requiredText: Leaf = { ...text, required: true };
const double: Leaf = { type: "DOUBLE" };
const int32: Leaf = { type: "INT32" };
const int64: Leaf = { type: "INT64", required: true };
const boolean: Leaf = { type: "BOOLEAN" };

/** The 37 fixed columns in order; `samples` is the one list. */
export const fixedColumns: readonly (readonly [string, Leaf | "samples"])[] = [
  ["row_index", int64],
  ["id", requiredText],
  ["group", text],
  ["input", requiredText],
  ["input_line", int64],
  ["response_index", int32],
  ["principle_index", int32],
  ["principle", text],
  ["row_key", text],
  ["status", requiredText],
  ["reward", double],
  ["logprob_yes", double],
  ["logprob_no", double],
  ["yes_no_mass", double],
  ["floored", boolean],
  ["answer", text],
  ["answer_form", text],
  ["finish_reason", text],
  ["read", text],
  ["neutralised", int32],
  ["stripped_chars", int32],
  ["prompt_tokens", int32],
  ["cached_tokens", int32],
  ["completion_tokens", int32],
  ["queue_ms", int32],
  ["latency_ms", int32],
  ["attempts", int32],
  ["engine", text],
  ["error_code", text],
  ["error_message", text],
  ["scored_at", { type: "INT64", micros: true, required: true }],
  ["source", requiredText],
  ["model", requiredText],
  ["batch", requiredText],
  ["samples", "samples"],
  ["carried", text],
  ["reasoning", text],
];

export const sampleFields: readonly (readonly [string, Leaf])[] = [
  ["status", text],
  ["reward", double],
  ["logprob_yes", double],
  ["logprob_no", double],
  ["yes_no_mass", double],
  ["answer", text],
  ["finish_reason", text],
  ["completion_tokens", int32],
  ["seed", { type: "INT64" }],
];

export const userTypes: { readonly [type in UserColumn["type"]]: Leaf } = {
  string: text,
  double,
  boolean,
  int64: { type: "INT64" },
};

/** Schema of a shard with the user's columns, and of an export with `extra` text columns behind them. */
export function shardSchema(columns: readonly UserColumn[], extra: readonly string[] = []): SchemaElement[] {
  const elements = [
    ...fixedColumns.flatMap(([name, leaf]) => (leaf === "samples" ? samplesElements() : [element(name, leaf)])),
    ...columns.map(({ name, type }) => element(`in_${name}`, userTypes[type])),
    ...extra.map((name) => element(name, text)),
  ];
  return [{ name: "root", num_children: fixedColumns.length + columns.length + extra.length }, ...elements];
}

/** One leaf of a schema: OPTIONAL unless required. */
export function element(name: string, leaf: Leaf): SchemaElement {
  return {
    name,
    ...(leaf.type === undefined ? {} : { type: leaf.type }),
    repetition_type: leaf.required === true ? "REQUIRED" : "OPTIONAL",
    ...(leaf.text === true ? { converted_type: "UTF8" as const, logical_type: { type: "STRING" as const } } : {}),
    ...(leaf.micros === true
      ? { logical_type: { type: "TIMESTAMP" as const, isAdjustedToUTC: true, unit: "MICROS" as const } }
      : {}),
  };
}

function samplesElements(): SchemaElement[] {
  return [
    {
      name: "samples",
      repetition_type: "OPTIONAL",
      converted_type: "LIST",
      logical_type: { type: "LIST" },
      num_children: 1,
    },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL", num_children: sampleFields.length },
    ...sampleFields.map(([name, leaf]) => element(name, leaf)),
  ];
}
