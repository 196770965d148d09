import { type BatchFile, canonicalJson, rowsKey, shardKey, summaryKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { Broken } from "./broken-promise.ts";
import { readControl } from "./control-log.ts";
import { type BatchSummary, summaryBytes } from "./finalize-batch.ts";

/** What lies in a batch's folder, from its listing. */
export interface BatchFolder {
  readonly shards: ReadonlyMap<number, number>;
  readonly success: boolean;
  readonly summary: boolean;
}

const knownFiles = new Set(["batch.json", "pin.json", "reads.json", "summary.json", "_SUCCESS"]);

/** One LIST. Throws Broken for a file that is not part of a batch (what is below partial/ always is), or rows that are gone. */
export async function listBatchFolder(store: ObjectStore, file: BatchFile): Promise<BatchFolder> {
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
export async function checkEnd(store: ObjectStore, file: BatchFile, found: BatchFolder): Promise<BatchSummary | null> {
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

/** Whether the summary says what the shards say. Throws Broken. */
export function checkSummary(
  file: BatchFile,
  computed: BatchSummary,
  stored: BatchSummary | null,
  success: boolean,
): void {
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
