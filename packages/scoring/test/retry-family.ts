import { type BatchFile, isAssayError, type ResultRow, type Status } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { expect } from "@jest/globals";
import { readFamilyRows } from "../src/family-rows.ts";
import { readShards } from "../src/finalize-batch.ts";
import { linkRetry } from "../src/link-retry.ts";
import { readFamily } from "../src/read-family.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { never } from "./build-batch.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

export const at = "2026-02-01T00:00:00.000Z";
export const staging = { software: "0.0.0-test", signal: never };

/** Statuses that a script can give a row. */
const says: { readonly [status in "ok" | "truncated" | "looped" | "rejected"]: Say } = {
  ok: "verdict",
  truncated: { completion: { finishReason: "length" } },
  looped: { completion: { finishReason: "repetition" } },
  rejected: "rejected",
};
export type Played = keyof typeof says;

/** Batches and their retries in the store that a test works with at the time. */
export function retriesIn(store: () => ObjectStore) {
  const link = (
    head: BatchFile,
    status: readonly Status[],
    more: {
      set?: Record<string, string>;
      again?: boolean;
      by?: string;
      store?: ObjectStore;
      accept?: Parameters<typeof linkRetry>[4];
    } = {},
  ) =>
    linkRetry(
      { store: more.store ?? store(), decodeShard },
      head,
      { status, set: new Map(Object.entries(more.set ?? {})), again: more.again === true },
      { at, by: more.by ?? "test" },
      more.accept,
    );

  return {
    link,

    async retry(head: BatchFile, status: readonly Status[], set: Record<string, string> = {}) {
      const linked = await link(head, status, { set });
      return linked === null ? null : stageRetry({ store: store(), decodeShard }, head, linked.n, staging);
    },

    /** Scores whatever is open, each row as `plays` has it. */
    async score(plays: (row: number) => Played = () => "ok"): Promise<Ask[]> {
      const script = (ask: Ask): Say => (ask.kind === "chat" ? says[plays(number(ask))] : "verdict");
      const worker = startWorker({ store: store(), queue: wipeableQueue(), pool: scriptedPool({ slots: 8, script }) });
      expect(await worker.ended).toBe("idle");
      return [...worker.pool.log];
    },

    async rowsOf(file: BatchFile): Promise<ResultRow[]> {
      const found: ResultRow[] = [];
      for await (const { rows } of readShards({ store: store(), decodeShard }, file)) found.push(...rows);
      return found;
    },

    async rowsOfFamily(head: BatchFile): Promise<ResultRow[]> {
      const found: ResultRow[] = [];
      const family = await readFamily(store(), head);
      for await (const { rows } of readFamilyRows({ store: store(), decodeShard }, family)) found.push(...rows);
      return found;
    },
  };
}

/** Of a row that `record` made. */
export const number = (ask: Ask): number => Number(/^r(\d+)/.exec(ask.row)?.[1]);

export const code = (error: unknown): string => (isAssayError(error) ? error.code : String(error));
