import {
  type BadCode,
  type BadValue,
  createChunker,
  type InputBytes,
  type NormalisedRecord,
  normaliseRecord,
  type PlannedChunk,
  type RecordSettings,
  recordLines,
  sha256,
} from "@assay/core";
import type { ReadRecords } from "@assay/datasets";
import { createEqualRows, type EqualRows } from "./count-equal-rows.ts";

/** One input as the planner sees it. Opened twice: once to plan, once to stage. */
export interface InputSource extends InputBytes {
  /** the `input` column: a path below the common parent, never absolute */
  readonly input: string;
  /** how a person finds it, for messages */
  readonly where: string;
}

export interface WalkSettings {
  readonly records: RecordSettings;
  /** stop after this many records; null = all */
  readonly limit: number | null;
  /** only these records, counted from 0 over all inputs, bad ones included; absent = all */
  readonly only?: ReadonlySet<number>;
}

/** What one walk over the inputs saw; filled while the chunks are consumed, complete when they end. */
export interface WalkTally {
  inputs: { input: string; bytes: number; records: number; bad: number; blank: number; torn: number }[];
  counts: { records: number; responses: number; rows: number; bad: number };
  /** the first bad record of each kind, with its place and the names of its fields */
  bad: Map<BadCode, { count: number; first: string; field: string | undefined; fields: readonly string[] }>;
  /** names of carried fields that were left out, with how often */
  leftOut: Map<string, number>;
  /** typed columns that some record has a value for; one that is misspelt is null in every row */
  filled: Set<string>;
  /** how records had to be read where there was a choice, with how often */
  notes: Map<string, number>;
  ids: Set<string> | null;
  equalIds: number;
  /** null in pass 2: counted already */
  equalRows: EqualRows | null;
}

type GoodRecord = Extract<NormalisedRecord, { readonly ok: true }>;

/** Beyond so many distinct ids equal ones are no longer counted: a count is not worth gigabytes. */
export const maxCountedIds = 2_000_000;
const longId = 64;

/**
 * Reads, normalises and cuts the inputs into chunks: the one walk that both passes of `submit` make, so that they can
 * only differ when the input does. Memory: one chunk, and the tally.
 */
export async function* walkInputs(
  inputs: readonly InputSource[],
  settings: WalkSettings,
  readRecords: ReadRecords,
  tally: WalkTally,
): AsyncGenerator<PlannedChunk> {
  const chunker = createChunker();
  let rowIndex = 0;
  let ordinal = 0;
  const most = settings.only?.size ?? settings.limit ?? Number.POSITIVE_INFINITY;
  for (const source of inputs) {
    if (tally.counts.records >= most) break;
    const seen = { input: source.input, bytes: 0, records: 0, bad: 0, blank: 0, torn: 0 };
    tally.inputs.push(seen);
    for await (const read of readRecords(source, { where: source.where, input: source.input })) {
      seen.bytes += read.bytes;
      seen.blank += read.blank;
      seen.torn += read.torn;
      for (const { line, offset, parsed } of read.records) {
        if (tally.counts.records >= most) break;
        if (settings.only?.has(ordinal++) === false) continue;
        const record = parsed.ok ? normaliseRecord(parsed.value, settings.records, parsed.perResponse ?? null) : parsed;
        if (parsed.ok && parsed.note !== undefined) count(tally.notes, parsed.note);
        seen.records += 1;
        tally.counts.records += 1;
        if (record.ok) {
          tally.counts.responses += record.responses.length;
          for (const name of record.leftOut) count(tally.leftOut, name);
          for (const note of record.notes ?? []) count(tally.notes, note);
          countFilled(tally, record, settings.records);
        } else {
          seen.bad += 1;
          countBad(tally, record, `${source.where}:${line}`, () => (parsed.ok ? fieldsOf(parsed.value) : []));
        }
        const lines = recordLines(record, { input: source.input, inputLine: line, offset, rowIndex });
        if (lines[0] !== undefined) countId(tally, lines[0].id);
        for (const rowsLine of lines) {
          if (!("bad" in rowsLine)) tally.equalRows?.add(rowsLine);
          rowIndex += "bad" in rowsLine ? 1 : rowsLine.principles.length;
          yield* chunker.push(rowsLine);
        }
        tally.counts.rows = rowIndex;
      }
      if (tally.counts.records >= most) break;
    }
  }
  yield* chunker.end();
}

export function emptyTally(): WalkTally {
  return {
    inputs: [],
    counts: { records: 0, responses: 0, rows: 0, bad: 0 },
    bad: new Map(),
    leftOut: new Map(),
    filled: new Set(),
    notes: new Map(),
    ids: new Set(),
    equalIds: 0,
    equalRows: createEqualRows(),
  };
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function countFilled(
  { filled }: WalkTally,
  { carried, perResponse = [] }: GoodRecord,
  { columns }: RecordSettings,
): void {
  for (const { name } of columns) {
    if (filled.has(name)) continue;
    if ([carried, ...perResponse].some((fields) => (fields?.[name] ?? null) !== null)) filled.add(name);
  }
}

function fieldsOf(value: unknown): string[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

function countBad(tally: WalkTally, { bad, field }: BadValue, first: string, fields: () => string[]): void {
  tally.counts.bad += 1;
  const entry = tally.bad.get(bad);
  if (entry === undefined) tally.bad.set(bad, { count: 1, first, field, fields: fields() });
  else entry.count += 1;
}

function countId(tally: WalkTally, id: string): void {
  if (tally.ids === null) return;
  // where ids are whole prompts, they would be held a second time
  const told = id.length > longId ? `sha256:${sha256(id)}` : id;
  if (tally.ids.has(told)) tally.equalIds += 1;
  else if (tally.ids.size < maxCountedIds) tally.ids.add(told);
  else tally.ids = null;
}
