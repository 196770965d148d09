import { type BatchFile, isAssayError } from "@assay/core";
import { decodeKeys, encodeShard, openDecoder } from "@assay/datasets";
import type { Engines } from "@assay/engine/openai";
import type { JobQueue } from "@assay/queue";
import { runWorker, type WorkerEvent, type WorkerPorts } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { workerName } from "./author.ts";
import type { Signals } from "./on-signals.ts";
import { openSpool } from "./open-spool.ts";
import { systemClock } from "./system-clock.ts";
import { version } from "./version.ts";

/** A shard of 256 rows decodes in milliseconds; damaged bytes can make the reader spin for ever. */
export const decodeLimitMs = 60_000;

/** Runs a worker on real connections until it is idle or drained. Options as in WorkerOptions. */
export async function runHere(
  ports: { store: ObjectStore; rootId: string; queue: JobQueue; engines: Engines },
  options: {
    model: string;
    only: string | null;
    untilIdle: boolean;
    drainMs: number;
    signals: Pick<Signals, "drain" | "abort">;
    onEvent: (event: WorkerEvent) => void;
  },
): Promise<"idle" | "drained"> {
  const { store, rootId, queue, engines } = ports;
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  const workerPorts: WorkerPorts = {
    store,
    disk: await openSpool(rootId),
    queue,
    pool: engines.pool,
    probe: (profile, revision) => engines.probe(profile, options.model, revision),
    encodeShard,
    decodeShard: decoder.decode,
    decodeKeys,
    clock: systemClock,
  };
  // the one batch that was wanted is complete: no need to wait until the queue has been found empty
  const complete = new AbortController();
  try {
    const end = await runWorker(workerPorts, {
      model: options.model,
      name: workerName(),
      software: version,
      only: options.only,
      untilIdle: options.untilIdle,
      drain: AbortSignal.any([options.signals.drain, complete.signal]),
      drainMs: options.drainMs,
      abort: options.signals.abort,
      onEvent: (event) => {
        if (event.type === "finished" && event.batch === options.only && options.untilIdle) complete.abort();
        options.onEvent(event);
      },
    });
    return complete.signal.aborted ? "idle" : end;
  } catch (error) {
    // aborted by a person: what matters is how far the batch is, and that is told by the store
    if (options.signals.abort.aborted && isAssayError(error, "E_ABORTED")) return "drained";
    throw error;
  } finally {
    await decoder.close();
  }
}

/** Counts rows from the worker's events, so that progress is known without asking the store. */
export function countRows(file: BatchFile, doneChunks: ReadonlySet<number>) {
  const done = new Set(doneChunks);
  const rowsOf = (chunk: number): number => file.chunks[chunk]?.rows ?? 0;
  let rows = [...done].reduce((sum, chunk) => sum + rowsOf(chunk), 0);
  let failed = 0;
  return {
    get rows(): number {
      return rows;
    },
    /** rows without a reward among those that this process committed */
    get failed(): number {
      return failed;
    },
    /** A chunk has its shard; told twice it counts once. */
    add(chunk: number, failedRows: number): void {
      if (done.has(chunk)) return;
      done.add(chunk);
      rows += rowsOf(chunk);
      failed += failedRows;
    },
  };
}
