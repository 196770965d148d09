import { AssayError, type BatchFile, isBadLine, type ResponseLine, type ResultRow } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { findBatch, readFamilyRows, readRows } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { onSignals } from "./on-signals.ts";
import { decodeLimitMs } from "./open-worker.ts";
import { showProgress } from "./progress.ts";
import { type BatchState, readState } from "./read-state.ts";
import { count, counted } from "./say.ts";
import { familyOf } from "./show-retries.ts";

/** A batch that is being exported: its rows over the whole family, as often as they are asked for. */
export interface OpenedExport {
  readonly file: BatchFile;
  readonly state: BatchState;
  /** names of the batch and of its retries */
  readonly members: readonly string[];
  /** those of which rows are still to come, in words */
  readonly unfinished: readonly string[];
  /**
   * Every row once, in row order, by chunk: its ok result over the batch and its retries, else the newest. Each walk
   * shows its progress under `what`, and throws E_ABORTED when a person stops it.
   */
  rows(what: string): AsyncGenerator<{ chunk: number; rows: ResultRow[] }>;
  /** The lines of one chunk by the row_index of each of their rows. */
  texts(chunk: number): Promise<Map<number, ResponseLine>>;
  close(): Promise<void>;
}

/** Finds the batch and its retries. `path` is where the export goes, for messages. */
export async function openExport(store: ObjectStore, text: string, path: string): Promise<OpenedExport> {
  const state = await readState(store, await findBatch(store, text));
  const { file, missing, doneRows } = state;
  const family = await familyOf(store, file);
  const head =
    missing.length === 0 ? [] : [`${file.batch} (${count(doneRows)} of ${counted(file.counts.rows, "row")})`];
  const retries = family.retries.filter(({ complete }) => !complete).map(({ name }) => name);
  const signals = onSignals("stopping; no half file is left");
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });

  return {
    file,
    state,
    members: [file.batch, ...family.retries.map(({ name }) => name)],
    unfinished: [...head, ...retries],
    async *rows(what) {
      let seen = 0;
      const progress = showProgress(() => `${what}  ${count(seen)}/${count(doneRows)} rows`);
      try {
        for await (const some of readFamilyRows({ store, decodeShard: decoder.decode }, family)) {
          if (signals.drain.aborted)
            throw new AssayError("E_ABORTED", "stopped before the file was whole", { where: path });
          seen += some.rows.length;
          yield some;
        }
      } finally {
        progress.stop();
      }
    },
    async texts(chunk) {
      const byRow = new Map<number, ResponseLine>();
      for (const line of await readRows(store, file, chunk)) {
        if (isBadLine(line)) continue;
        for (const { row_index } of line.principles) byRow.set(row_index, line);
      }
      return byRow;
    },
    async close() {
      await decoder.close();
      signals.close();
    },
  };
}
