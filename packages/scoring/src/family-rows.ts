import { AssayError, type BatchFile, newestResult, type ResultRow, shardKey, successKey } from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { readShards } from "./finalize-batch.ts";
import type { Family } from "./read-family.ts";
import { readLedger } from "./read-ledger.ts";

/**
 * What every row of a batch came to over the batch and its retries, in row order, chunk by chunk of the batch: the ok
 * result where there is one, else the newest. Of members that are not complete the shards that are there. `row.batch`
 * says whose result it is. Memory: a few chunks of each member, since all of them are in row order. Rejects with
 * E_BROKEN when a shard of a complete member is gone: fewer rows must not look like all of them.
 */
export async function* readFamilyRows(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  { head, retries }: Family,
): AsyncGenerator<{ chunk: number; rows: ResultRow[] }> {
  const cursors: Cursor[] = [];
  try {
    for (const { file } of retries) if (file !== null) cursors.push(openCursor(await rowsThatAre(ports, file)));
    for await (const { chunk, rows } of readShards(ports, head, await chunksThatAre(ports.store, head))) {
      const newest: ResultRow[] = [];
      for (const row of rows) {
        const results = [row];
        for (const cursor of cursors) {
          const again = await cursor.take(row.row_index);
          if (again !== null) results.push(again);
        }
        newest.push(newestResult(results) ?? row);
      }
      yield { chunk, rows: newest };
    }
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
}

async function rowsThatAre(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
): Promise<AsyncGenerator<{ rows: ResultRow[] }>> {
  return readShards(ports, file, await chunksThatAre(ports.store, file));
}

async function chunksThatAre(store: ObjectStore, file: BatchFile): Promise<number[]> {
  const { done, missing } = await readLedger(store, file);
  const [gone] = missing;
  if (gone !== undefined && (await store.head(successKey(file.batch))) !== null) {
    throw new AssayError("E_BROKEN", "a complete batch lacks a shard", {
      where: `${store.uri}/${shardKey(file.batch, gone)}`,
      expected: `${file.chunks.length} shards`,
      got: `${file.chunks.length - missing.length}`,
      next: `assay verify ${file.batch}`,
    });
  }
  return [...file.chunks.keys()].filter((chunk) => done[chunk] === 1);
}

interface Cursor {
  /** The row of this number, or null; numbers are asked for in ascending order. */
  take(rowIndex: number): Promise<ResultRow | null>;
  close(): Promise<void>;
}

function openCursor(shards: AsyncGenerator<{ rows: ResultRow[] }>): Cursor {
  let rows: readonly ResultRow[] = [];
  let at = 0;
  let ended = false;
  return {
    async take(rowIndex) {
      for (;;) {
        for (let row = rows[at]; row !== undefined && row.row_index <= rowIndex; row = rows[at]) {
          at += 1;
          if (row.row_index === rowIndex) return row;
        }
        if (at < rows.length || ended) return null;
        const next = await shards.next();
        if (next.done === true) ended = true;
        else [rows, at] = [next.value.rows, 0];
      }
    },
    async close() {
      await shards.return(undefined);
    },
  };
}
