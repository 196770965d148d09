import {
  type BatchFile,
  batchName,
  batchSha256,
  canonicalJson,
  type Pin,
  type RowsLine,
  retryName,
  rowsKey,
  sha256,
  shardKey,
  summaryKey,
  toAssayError,
} from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { type BrokenPromise, checkRows } from "./check-rows.ts";
import { shardMetadata } from "./commit-shard.ts";
import { readControl } from "./control-log.ts";
import { addShard, type BatchSummary, emptySummary, summaryBytes } from "./finalize-batch.ts";
import { loadBatch } from "./load-batch.ts";
import { readPin } from "./pin-batch.ts";
import { readRows } from "./read-rows.ts";

export interface VerifyReport {
  readonly batch: string;
  readonly complete: boolean;
  readonly chunks: number;
  readonly doneChunks: number;
  readonly rows: number;
  readonly doneRows: number;
  readonly status: BatchSummary["status"];
  readonly simulated: boolean;
  /** engine versions met in the shards; may differ within a batch */
  readonly engineVersions: readonly string[];
  readonly broken: BrokenPromise | null;
}

class Broken extends Error {
  readonly promise: BrokenPromise;
  constructor(promise: BrokenPromise) {
    super(promise.what);
    this.promise = promise;
  }
}

/**
 * Checks the promises of a batch from the store alone: nobody's word is taken but the bytes'. `decodeShard` must end
 * in bounded time whatever the bytes (a flipped bit can make a Parquet reader spin). An unfinished batch is checked so
 * far as it is. Memory: one chunk. Rejects only when the store does not answer, or without a batch.json that can be
 * read (E_NO_SUCH_BATCH, E_USAGE, E_BROKEN): where there is no plan there is nothing to compare with.
 */
export async function verifyBatch(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  batch: string,
  onProgress: (chunks: number) => void = () => {},
): Promise<VerifyReport> {
  const file = await loadBatch(ports.store, batch);
  const summary = emptySummary(file);
  const engineVersions = new Set<string>();
  let complete = false;
  let broken: BrokenPromise | null = null;
  try {
    checkPlan(file);
    const found = await listBatchFolder(ports.store, file);
    complete = found.success;
    const stored = await checkEnd(ports.store, file, found);
    const pin = await readPin(ports.store, batch);
    for (const [chunk] of file.chunks.entries()) {
      if (!found.shards.has(chunk)) continue;
      const { bytes, rows, metadata } = await checkShard(ports, file, chunk, stored, pin);
      addShard(summary, chunk, bytes, rows, metadata);
      engineVersions.add(metadata["assay.engine_version"] ?? "");
      onProgress(summary.shards.length);
    }
    checkSummary(file, summary, stored, found.success);
  } catch (error) {
    if (error instanceof Broken) broken = error.promise;
    else broken = brokenBy("P2", error, batch);
  }
  return {
    batch,
    complete,
    chunks: file.chunks.length,
    doneChunks: summary.shards.length,
    rows: file.counts.rows,
    doneRows: summary.rows,
    status: summary.status,
    simulated: summary.simulated,
    engineVersions: [...engineVersions].sort(),
    broken,
  };
}

/** What is stored breaks a promise; a store that does not answer breaks none and is thrown on. */
function brokenBy(promise: BrokenPromise["promise"], error: unknown, where: string): BrokenPromise {
  const known = toAssayError(error);
  if (known.class !== "broken") throw error;
  return {
    promise,
    what: known.message,
    where: known.where?.startsWith(where) === true ? known.where : [where, known.where ?? ""].join(" ").trimEnd(),
    ...(known.expected === undefined ? {} : { expected: known.expected }),
    ...(known.got === undefined ? {} : { got: known.got }),
  };
}

/** Work on what is stored, whose E_BROKEN breaks this promise at this place. */
async function under<T>(promise: BrokenPromise["promise"], where: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Broken(brokenBy(promise, error, where));
  }
}

function checkPlan(file: BatchFile): void {
  const full = batchSha256(
    file,
    file.chunks.map((chunk) => chunk.sha256),
  );
  const { parent } = file;
  const isNamed =
    parent === undefined
      ? file.batch.endsWith(batchName("x", full).slice(1))
      : file.batch === retryName(parent.batch, parent.retry);
  if (full !== file.sha256 || !isNamed) {
    throw new Broken({
      promise: "P5",
      what: "batch.json is not the plan its name says",
      where: `${file.batch}/batch.json`,
      expected: file.sha256,
      got: full,
    });
  }
  let rowStart = 0;
  let rows = 0;
  for (const [chunk, plan] of file.chunks.entries()) {
    if (parent === undefined ? plan.row_start !== rowStart : plan.row_start < rowStart) {
      throw new Broken({
        promise: "P1",
        what: "the plan's chunks leave out or double rows",
        where: `chunk ${chunk}`,
        expected: `row ${rowStart}`,
        got: `row ${plan.row_start}`,
      });
    }
    rowStart = plan.row_start + plan.rows;
    rows += plan.rows;
  }
  if (rows !== file.counts.rows) {
    throw new Broken({
      promise: "P1",
      what: "the plan's chunks do not hold the plan's rows",
      where: `${file.batch}/batch.json`,
      expected: String(file.counts.rows),
      got: String(rows),
    });
  }
}

interface BatchFolder {
  readonly shards: ReadonlyMap<number, number>;
  readonly success: boolean;
  readonly summary: boolean;
}

const knownFiles = new Set(["batch.json", "pin.json", "reads.json", "summary.json", "_SUCCESS"]);

async function listBatchFolder(store: ObjectStore, file: BatchFile): Promise<BatchFolder> {
  const shards = new Map<number, number>();
  const rows = new Set<number>();
  let success = false;
  let summary = false;
  for await (const { key, size } of store.list(`${file.batch}/`)) {
    const name = key.slice(file.batch.length + 1);
    const chunk = Number(/^(?:rows|rewards)\/(\d{6})\./.exec(name)?.[1] ?? Number.NaN);
    const planned = chunk < file.chunks.length;
    if (name === "_SUCCESS") success = true;
    else if (name === "summary.json") summary = true;
    if (planned && key === shardKey(file.batch, chunk)) shards.set(chunk, size);
    else if (planned && key === rowsKey(file.batch, chunk)) rows.add(chunk);
    else if (!knownFiles.has(name) && !/^(partial\/|control\/\d{6}\.json$|retries\/\d{4}\.json$)/.test(name)) {
      throw new Broken({ promise: "P1", what: "a file that is not part of the batch", where: key });
    }
  }
  for (const [chunk] of file.chunks.entries()) {
    if (!rows.has(chunk))
      throw new Broken({ promise: "P1", what: "a chunk's rows are gone", where: rowsKey(file.batch, chunk) });
  }
  return { shards, success, summary };
}

/** What a finished batch must have; returns the stored summary, null while there is none. */
async function checkEnd(store: ObjectStore, file: BatchFile, found: BatchFolder): Promise<BatchSummary | null> {
  if (found.success) {
    for (const [chunk] of file.chunks.entries()) {
      if (!found.shards.has(chunk))
        throw new Broken({
          promise: "P1",
          what: "a shard of a finished batch is gone",
          where: shardKey(file.batch, chunk),
        });
    }
    const { state } = await readControl(store, file.batch);
    if (state !== "complete")
      throw new Broken({
        promise: "P2",
        what: "_SUCCESS stands and the control log does not say complete",
        where: file.batch,
        expected: "complete",
        got: state,
      });
    if (!found.summary)
      throw new Broken({ promise: "P2", what: "_SUCCESS stands without summary.json", where: summaryKey(file.batch) });
  }
  if (!found.summary) return null;
  const bytes = await store.get(summaryKey(file.batch));
  try {
    const summary: unknown = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array()));
    if (typeof summary === "object" && summary !== null) return summary as BatchSummary;
  } catch {
    // said below
  }
  throw new Broken({ promise: "P2", what: "summary.json is not one of ours", where: summaryKey(file.batch) });
}

async function checkShard(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
  chunk: number,
  stored: BatchSummary | null,
  pin: Pin | null,
) {
  const where = shardKey(file.batch, chunk);
  const bytes = await ports.store.get(where);
  if (bytes === null) throw new Broken({ promise: "P2", what: "a shard vanished", where });
  if (stored !== null) {
    const noted = stored.shards?.[chunk];
    // before anything is decoded: a flipped bit must not reach the Parquet reader
    const got = `${bytes.length} bytes, ${sha256(bytes)}`;
    const expected = `${noted?.size} bytes, ${noted?.sha256}`;
    if (got !== expected)
      throw new Broken({ promise: "P2", what: "a shard is not the one that was committed", where, expected, got });
  }
  const decoded = await under("P6", where, ports.decodeShard(bytes));
  if (pin === null) throw new Broken({ promise: "P2", what: "shards stand without pin.json", where });
  const engineVersion = decoded.metadata["assay.engine_version"] ?? "";
  const software = decoded.metadata["assay.software"] ?? "";
  const metadata = shardMetadata(file, chunk, { pin, engineVersion, software });
  for (const [key, expected] of Object.entries(metadata)) {
    const got = decoded.metadata[key];
    if (got !== expected)
      throw new Broken({
        promise: "P2",
        what: `footer ${key} is not the batch's`,
        where,
        expected,
        got: got ?? "absent",
      });
  }
  const asked: RowsLine[] = await under("P1", rowsKey(file.batch, chunk), readRows(ports.store, file, chunk));
  const wrong = checkRows(file, asked, decoded.rows);
  if (wrong !== null) throw new Broken({ ...wrong, where: `${where} ${wrong.where}` });
  return { bytes, rows: decoded.rows, metadata: decoded.metadata };
}

function checkSummary(file: BatchFile, computed: BatchSummary, stored: BatchSummary | null, success: boolean): void {
  if (stored === null) return;
  // a batch that ended while its folder was listed: its last shards came behind the page where they belong
  if (!success && computed.shards.length < file.chunks.length) return;
  if (canonicalJson(stored) === canonicalJson(JSON.parse(new TextDecoder().decode(summaryBytes(computed))))) return;
  throw new Broken({
    promise: "P2",
    what: "summary.json does not say what the shards say",
    where: summaryKey(file.batch),
    expected: `${computed.rows} rows, ${canonicalJson(computed.status)}`,
    got: `${stored.rows} rows, ${canonicalJson(stored.status ?? {})}`,
  });
}
