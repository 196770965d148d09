import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AssayError, type BatchFile, type Status } from "@assay/core";
import { openDecoder, readJsonl } from "@assay/datasets";
import type { ScoredRow, ScoreRecord } from "@assay/evaluation";
import { findBatch, loadBatch, readFamilyRows } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { decodeLimitMs } from "./open-worker.ts";
import { showProgress } from "./progress.ts";
import { readState } from "./read-state.ts";
import { count, note } from "./say.ts";
import { familyOf } from "./show-retries.ts";

/** What is evaluated: result rows of batches, or the records of a score file. */
export interface Scored {
  /** model of the batches, or the file's name */
  readonly name: string;
  readonly batches: readonly string[];
  /** null: a score file does not say */
  readonly simulated: boolean | null;
  /** batches without `_SUCCESS`, or with a retry that runs */
  readonly unfinished: readonly string[];
  readonly rows: ScoredRow[] | null;
  readonly records: ScoreRecord[] | null;
  /** file name, for what only the name tells */
  readonly file: string | null;
  /** rows (or scores) without a reward, by status */
  readonly missing: ReadonlyMap<Status, number>;
}

/**
 * The rows of several batches of one model, retries included, read as one. Throws E_USAGE for batches of different
 * models: a figure over both is nobody's.
 */
export async function readBatches(store: ObjectStore, texts: readonly string[]): Promise<Scored> {
  const files: BatchFile[] = [];
  for (const text of texts) {
    const file = await loadBatch(store, await findBatch(store, text));
    if (!files.some(({ batch }) => batch === file.batch)) files.push(file);
  }
  refuseOtherModels(files);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  const rows: ScoredRow[] = [];
  const unfinished: string[] = [];
  let simulated = false;
  const progress = showProgress(() => `reading  ${count(rows.length)} rows`);
  try {
    for (const file of files) {
      const { state, pin } = await readState(store, file.batch, file);
      const family = await familyOf(store, file);
      simulated ||= pin?.simulated === true;
      if (state !== "complete") unfinished.push(file.batch);
      for (const { name, complete } of family.retries) if (!complete) unfinished.push(name);
      for await (const chunk of readFamilyRows({ store, decodeShard: decoder.decode }, family)) {
        for (const row of chunk.rows) rows.push(scoredRow(row, file.batch));
      }
    }
  } finally {
    progress.stop();
    await decoder.close();
  }
  const [first] = files;
  return {
    name: first === undefined ? "" : modelOf(first),
    batches: files.map(({ batch }) => batch),
    simulated,
    unfinished,
    rows,
    records: null,
    file: null,
    missing: missingOf(rows),
  };
}

/** Only what is looked at: reasoning and carried texts of millions of rows are not held. */
function scoredRow(row: ScoredRow, batch: string): ScoredRow {
  const { row_index, id, input, input_line, response_index, principle_index, principle, status, reward, columns } = row;
  return {
    batch,
    row_index,
    id,
    input,
    input_line,
    response_index,
    principle_index,
    principle,
    status,
    reward,
    columns,
  };
}

function refuseOtherModels(files: readonly BatchFile[]): void {
  const [first] = files;
  if (first === undefined) return;
  for (const file of files) {
    if (modelOf(file) === modelOf(first)) {
      if (file.profile.name !== first.profile.name || file.format !== first.format)
        note(`${file.batch} was asked under profile ${file.profile.name}, ${first.batch} under ${first.profile.name}`);
      continue;
    }
    throw new AssayError("E_USAGE", "these batches are of different models; one figure over both would be nobody's", {
      where: file.batch,
      expected: modelOf(first),
      got: modelOf(file),
      next: "evaluate one of them, and give the other as --against",
    });
  }
}

function modelOf({ model, revision }: BatchFile): string {
  return revision === null ? model : `${model}@${revision}`;
}

function missingOf(rows: readonly ScoredRow[]): Map<Status, number> {
  const missing = new Map<Status, number>();
  for (const { status, reward } of rows) if (reward === null) missing.set(status, (missing.get(status) ?? 0) + 1);
  return missing;
}

/**
 * A score file: JSON Lines (also gzip), one JSON list, or an object of lists as `datasets` writes them. Lines of
 * `assay export FILE.jsonl` are result rows again. Throws E_INPUT_MISSING, E_INPUT_UNREADABLE, E_INPUT_BAD, E_INPUT_EMPTY.
 */
export async function readScores(path: string): Promise<Scored> {
  const records = (await readWhole(path)) ?? (await readLines(path));
  if (records.length === 0) throw new AssayError("E_INPUT_EMPTY", "the score file holds no record", { where: path });
  const rows = records.every(({ value }) => isExportedRow(value)) ? records.map(exportedRow) : null;
  return {
    name: basename(path),
    batches: [],
    simulated: null,
    unfinished: [],
    rows,
    records: rows === null ? records : null,
    file: basename(path),
    missing: rows === null ? new Map() : missingOf(rows),
  };
}

/** null: not one JSON value, so lines. */
async function readWhole(path: string): Promise<ScoreRecord[] | null> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code ?? String(cause);
    throw new AssayError(code === "ENOENT" ? "E_INPUT_MISSING" : "E_INPUT_UNREADABLE", "this file cannot be read", {
      where: path,
      got: code,
      cause,
    });
  });
  const text = bytes.toString("utf8").replace(/^\ufeff/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    if (/^\s*\[/.test(text)) {
      throw new AssayError("E_INPUT_UNREADABLE", "this file begins as a JSON list and does not end as one", {
        where: path,
      });
    }
    return null;
  }
  if (Array.isArray(value))
    return value.map((each: unknown, i) => ({ where: `${path}, record ${i + 1}`, value: each }));
  const columns = Object.entries(value as object).filter(([, cells]) => Array.isArray(cells)) as [string, unknown[]][];
  const [first] = columns.filter(([name]) => name === "id" || name === "scores");
  if (first === undefined || columns.some(([name, { length }]) => name === "id" && length !== first[1].length))
    return [{ where: path, value }];
  return first[1].map((_, i) => ({
    where: `${path}, record ${i + 1}`,
    value: Object.fromEntries(columns.map(([name, cells]) => [name, cells[i]])),
  }));
}

async function readLines(path: string): Promise<ScoreRecord[]> {
  const records: ScoreRecord[] = [];
  for await (const read of readJsonl(createReadStream(path), { where: path })) {
    if (read.torn > 0)
      throw new AssayError("E_INPUT_BAD", "the last line of the score file is not whole", { where: path });
    for (const { line, parsed } of read.records) {
      const where = `${path}:${line}`;
      if (!parsed.ok)
        throw new AssayError("E_INPUT_BAD", "a line of the score file is no JSON", { where, got: parsed.bad });
      records.push({ where, value: parsed.value });
    }
  }
  return records;
}

function isExportedRow(value: unknown): value is { [column: string]: unknown } {
  return (
    typeof value === "object" && value !== null && "row_index" in value && "status" in value && "input_line" in value
  );
}

function exportedRow({ value }: ScoreRecord): ScoredRow {
  const row = value as ScoredRow & { [column: string]: unknown };
  const columns = Object.entries(row).filter(([name]) => name.startsWith("in_"));
  return {
    // a retry's rows keep their record's place, and one export holds one family
    ...scoredRow(row, "export"),
    columns: Object.fromEntries(columns) as ScoredRow["columns"],
  };
}
