import { constants } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { AssayError, visibleText } from "@assay/core";
import { fileFormat, readJsonl } from "@assay/datasets";
import { exportedRows, type ScoreRecord } from "@assay/evaluation";
import { inputError } from "./input-error.ts";
import { missingOf, type Scored } from "./read-scored.ts";

/**
 * A score file: JSON Lines (also gzip), one JSON list, or an object of lists as `datasets` writes them. Lines of
 * `assay export FILE.jsonl` are result rows again. Read once, so that a pipe will do. Throws E_INPUT_MISSING, E_DENIED,
 * E_INPUT_UNREADABLE, E_INPUT_BAD, E_INPUT_EMPTY.
 */
export async function readScores(path: string): Promise<Scored> {
  const bytes = await readBytes(path);
  const format = fileFormat(bytes);
  if (format === "parquet" || format === "Arrow") throw noJson("E_INPUT_UNREADABLE", path, format);
  const records = readWhole(path, bytes) ?? (await readLines(path, bytes));
  if (records.length === 0) throw new AssayError("E_INPUT_EMPTY", "the score file holds no record", { where: path });
  const rows = exportedRows(records);
  return {
    name: visibleText(basename(path)),
    batches: [],
    simulated: null,
    unfinished: [],
    rows,
    records: rows === null ? records : null,
    file: basename(path),
    missing: rows === null ? new Map() : missingOf(rows),
  };
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.isFile() || found.isFIFO()) return await readFile(path);
    const got = found.isDirectory() ? "a folder" : "a device or socket";
    throw new AssayError("E_INPUT_UNREADABLE", "this is no file of scores", { where: path, got });
  } catch (cause) {
    throw inputError(cause, path);
  }
}

/** null: not one JSON value, so lines. */
function readWhole(path: string, bytes: Uint8Array): ScoreRecord[] | null {
  // longer than any text can be; lines are read one by one
  if (bytes.length > constants.MAX_STRING_LENGTH) return null;
  let text = "";
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
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
  return recordsOfLists(path, value) ?? [{ where: path, value }];
}

/** {"id": [1, 2], "scores": [[3], [4]]} as two records; null for what is no such object. */
function recordsOfLists(path: string, value: unknown): ScoreRecord[] | null {
  if (typeof value !== "object" || value === null) return null;
  const columns = Object.entries(value).filter(([, cells]) => Array.isArray(cells)) as [string, unknown[]][];
  const [first] = columns.filter(([name]) => name === "id" || name === "scores");
  if (first === undefined || columns.some(([name, { length }]) => name === "id" && length !== first[1].length))
    return null;
  return first[1].map((_, i) => ({
    where: `${path}, record ${i + 1}`,
    value: Object.fromEntries(columns.map(([name, cells]) => [name, cells[i]])),
  }));
}

async function readLines(path: string, bytes: Uint8Array): Promise<ScoreRecord[]> {
  const records: ScoreRecord[] = [];
  for await (const read of readJsonl(once(bytes), { where: path })) {
    if (read.torn > 0)
      throw new AssayError("E_INPUT_BAD", "the last line of the score file is not whole", {
        where: path,
        next: "write the file again: its end is missing",
      });
    for (const { line, parsed } of read.records) {
      const where = `${path}:${line}`;
      if (!parsed.ok) {
        // the first line tells what the file is: of a CSV it is the header
        if (records.length === 0 && parsed.bad === "invalid_json")
          throw noJson("E_INPUT_BAD", where, /\.csv\b/i.test(path) ? "CSV" : "a first line that is no JSON");
        throw new AssayError("E_INPUT_BAD", "a line of the score file is no JSON", {
          where,
          got: parsed.bad,
          next: "mend this line",
        });
      }
      records.push({ where, value: parsed.value });
    }
  }
  return records;
}

/** Batches come as all three, and are read as themselves or as lines. */
function noJson(code: "E_INPUT_BAD" | "E_INPUT_UNREADABLE", where: string, got: string): AssayError {
  return new AssayError(code, "a score file is JSON or JSON Lines, and this one is neither", {
    where,
    expected: "one JSON list or object, or a record a line; gzip or zstd, too",
    got,
    next: "where it came from a batch: assay export BATCH scores.jsonl",
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
