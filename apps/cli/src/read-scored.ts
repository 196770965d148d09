import { AssayError, type BatchFile, type Status } from "@assay/core";
import { openDecoder } from "@assay/datasets";
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
 * The rows of several batches of one model, retries included, read as one, each row once: a retry that is named beside
 * another of its family stands for the whole family, one that is named alone for its own rows. Throws E_USAGE for
 * batches of different models: a figure over both is nobody's.
 */
export async function readBatches(store: ObjectStore, texts: readonly string[]): Promise<Scored> {
  const files = await eachRowOnce(store, await loadEach(store, texts));
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

async function loadEach(store: ObjectStore, texts: readonly string[]): Promise<BatchFile[]> {
  const files = new Map<string, BatchFile>();
  for (const text of texts) {
    const file = await loadBatch(store, await findBatch(store, text));
    if (!files.has(file.batch)) files.set(file.batch, file);
  }
  return [...files.values()];
}

/** Of each family the one that is named, or its head in the place of several. */
async function eachRowOnce(store: ObjectStore, named: readonly BatchFile[]): Promise<BatchFile[]> {
  const families = new Map<string, BatchFile[]>();
  for (const file of named) {
    const head = file.parent?.batch ?? file.batch;
    families.set(head, [...(families.get(head) ?? []), file]);
  }
  const files: BatchFile[] = [];
  for (const [head, [one, ...others]] of families) {
    if (one !== undefined) files.push(others.length === 0 ? one : await loadBatch(store, head));
  }
  return files;
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

/** Rows without a reward, by status. */
export function missingOf(rows: readonly ScoredRow[]): Map<Status, number> {
  const missing = new Map<Status, number>();
  for (const { status, reward } of rows) if (reward === null) missing.set(status, (missing.get(status) ?? 0) + 1);
  return missing;
}
