import {
  type BatchFile,
  type Pin,
  type ResultRow,
  type RowsLine,
  readsKey,
  rowsKey,
  sha256,
  shardKey,
} from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { readReads } from "./batch-reading.ts";
import { Broken, type BrokenPromise, brokenBy, under } from "./broken-promise.ts";
import { checkEnd, checkSummary, listBatchFolder } from "./check-folder.ts";
import { checkPlan } from "./check-plan.ts";
import { checkAskedAgain, checkChain, checkChild, newestStatus } from "./check-retries.ts";
import { checkRows } from "./check-rows.ts";
import { checkWays } from "./check-ways.ts";
import { shardMetadata } from "./commit-shard.ts";
import { addShard, type BatchSummary, emptySummary } from "./finalize-batch.ts";
import { loadBatch } from "./load-batch.ts";
import { readPin } from "./pin-batch.ts";
import { readFamily, readFamilyOf } from "./read-family.ts";
import { readRows } from "./read-rows.ts";

/** What one batch, the one asked for or a retry of it, came to. */
interface VerifiedBatch {
  readonly batch: string;
  readonly complete: boolean;
  readonly chunks: number;
  readonly doneChunks: number;
  readonly rows: number;
  readonly doneRows: number;
  readonly status: BatchSummary["status"];
}

export interface VerifyReport extends VerifiedBatch {
  readonly simulated: boolean;
  /** engine versions met in the shards; may differ within a batch */
  readonly engineVersions: readonly string[];
  /** the batch's retries, oldest first; so far as they are staged */
  readonly retries: readonly VerifiedBatch[];
  /** the child of a retry that is linked and not staged yet */
  readonly unstaged: string | null;
  readonly broken: BrokenPromise | null;
}

export interface VerifyOptions {
  /** also makes every row_key anew from what the row asks, and every retry's rows from the store */
  readonly deep?: boolean;
  readonly onProgress?: (chunks: number) => void;
}

/**
 * Checks the promises of a batch and of its retries from the store alone: nobody's word is taken but the bytes'. Every
 * shard is read whole and every row compared with what it asks. `decodeShard` must end in bounded time whatever the
 * bytes (a flipped bit can make a Parquet reader spin). What is unfinished is checked so far as it is. Memory: a few
 * chunks, and a byte a row. Rejects only when the store does not answer, or without a batch.json that can be read
 * (E_NO_SUCH_BATCH, E_USAGE, E_BROKEN): where there is no plan there is nothing to compare with.
 */
export async function verifyBatch(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  batch: string,
  { deep = false, onProgress = () => {} }: VerifyOptions = {},
): Promise<VerifyReport> {
  const file = await loadBatch(ports.store, batch);
  let chunks = 0;
  const run: VerifyRun = {
    deep,
    onShard: () => {
      chunks += 1;
      onProgress(chunks);
    },
    onRow: () => {},
    engineVersions: new Set(),
  };
  const seen = emptyVerified(file);
  const retries: Verified[] = [];
  let unstaged: string | null = null;
  let broken: BrokenPromise | null = null;
  try {
    if (file.parent === undefined) unstaged = await verifyFamily(ports, seen, retries, run);
    else await verifyChildAlone(ports, seen, run);
  } catch (error) {
    broken = error instanceof Broken ? error.promise : brokenBy("P2", error, batch);
  }
  const { simulated } = seen.summary;
  const engineVersions = [...run.engineVersions].sort();
  return { ...reportOf(seen), simulated, engineVersions, retries: retries.map(reportOf), unstaged, broken };
}

interface VerifyRun {
  readonly deep: boolean;
  readonly onShard: () => void;
  readonly onRow: (row: ResultRow) => void;
  readonly engineVersions: Set<string>;
}

/** Filled while a batch is verified, so that the report says how far it came also where a promise is broken. */
interface Verified {
  readonly file: BatchFile;
  readonly summary: BatchSummary;
  complete: boolean;
}

function emptyVerified(file: BatchFile): Verified {
  return { file, summary: emptySummary(file), complete: false };
}

function reportOf({ file, summary, complete }: Verified): VerifiedBatch {
  return {
    batch: file.batch,
    complete,
    chunks: file.chunks.length,
    doneChunks: summary.shards.length,
    rows: file.counts.rows,
    doneRows: summary.rows,
    status: summary.status,
  };
}

/** A batch, and then its retries in their order, each row against what it had come to before. Returns the one that is not staged. */
async function verifyFamily(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  head: Verified,
  retries: Verified[],
  run: VerifyRun,
): Promise<string | null> {
  const newest = newestStatus(head.file.counts.rows);
  const family = await under("P1", head.file.batch, readFamily(ports.store, head.file));
  await verifyOne(ports, head, { ...run, onRow: (row) => newest.note(row) });
  checkChain(family, head.complete);
  for (const retry of family.retries) {
    const { file } = retry;
    if (file === null) return retry.name;
    const seen = emptyVerified(file);
    retries.push(seen);
    await checkChild(ports, family, { ...retry, file }, run.deep);
    const wanted = newest.count(retry.link.filter.status);
    if (wanted !== file.counts.rows) {
      throw new Broken({
        promise: "P1",
        what: "a retry does not ask every row that its link names",
        where: file.batch,
        expected: `${wanted} rows`,
        got: `${file.counts.rows} rows`,
      });
    }
    const onRow = (row: ResultRow): void => {
      checkAskedAgain(retry, newest, row.row_index);
      newest.note(row);
    };
    await verifyOne(ports, seen, { ...run, onRow });
  }
  return null;
}

/** A retry without its batch's shards: its link, its settings, itself. */
async function verifyChildAlone(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  seen: Verified,
  run: VerifyRun,
): Promise<void> {
  const { file } = seen;
  const family = await under("P5", file.batch, readFamilyOf(ports.store, file));
  const retry = family.retries[(file.parent?.retry ?? 0) - 1];
  if (retry === undefined) {
    throw new Broken({ promise: "P5", what: "a retry that no link made", where: `${file.batch}/batch.json` });
  }
  await checkChild(ports, family, { ...retry, file }, run.deep);
  await verifyOne(ports, seen, run);
}

/** Shards in flight at once: one is decoded while others are fetched and compared. */
const checksAtOnce = 4;

async function verifyOne(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  seen: Verified,
  run: VerifyRun,
): Promise<void> {
  const { file, summary } = seen;
  checkPlan(file);
  const found = await listBatchFolder(ports.store, file);
  seen.complete = found.success;
  const stored = await checkEnd(ports.store, file, found);
  const pin = await readPin(ports.store, file.batch);
  const reads = await under("P8", readsKey(file.batch), readReads(ports.store, file.batch));
  const ways = new Set<string>();
  const ahead: { chunk: number; checked: ReturnType<typeof checkShard> }[] = [];
  const chunks = [...file.chunks.keys()].filter((chunk) => found.shards.has(chunk));
  for (let next = 0; next < chunks.length || ahead.length > 0; ) {
    for (; next < chunks.length && ahead.length < checksAtOnce; next += 1) {
      const chunk = chunks[next] ?? 0;
      const checked = checkShard(ports, file, chunk, { stored, pin, deep: run.deep });
      // looked at in order: the first broken chunk is the one that is told
      checked.catch(() => {});
      ahead.push({ chunk, checked });
    }
    const first = ahead.shift();
    if (first === undefined) break;
    const { bytes, rows, metadata } = await first.checked;
    for (const row of rows) {
      run.onRow(row);
      // what an earlier batch read is that batch's
      if (row.read !== null && row.source === "scored") ways.add(row.read);
    }
    const mixed = pin === null ? null : checkWays(ways, pin, reads);
    if (mixed !== null) throw new Broken({ promise: "P8", where: shardKey(file.batch, first.chunk), ...mixed });
    addShard(summary, first.chunk, bytes, rows, metadata);
    run.engineVersions.add(metadata["assay.engine_version"] ?? "");
    run.onShard();
  }
  checkSummary(file, summary, stored, found.success);
}

async function checkShard(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
  chunk: number,
  { stored, pin, deep }: { stored: BatchSummary | null; pin: Pin | null; deep: boolean },
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
  const wrong = checkRows(file, asked, decoded.rows, deep);
  if (wrong !== null) throw new Broken({ ...wrong, where: `${where} ${wrong.where}` });
  return { bytes, rows: decoded.rows, metadata: decoded.metadata };
}
