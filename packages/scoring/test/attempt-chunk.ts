import { gunzipSync } from "node:zlib";
import { AssayError, type BatchFile, chunkPartialPrefix, type ResultRow, shardKey } from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { manualClock, memoryStore } from "@assay/testkit";
import type { BatchContext } from "../src/batch-context.ts";
import type { Clock } from "../src/clock.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { type Changed, contextOf, pin, record, submit } from "./build-batch.ts";
import { type Befalls, faultyStore, type StoreOperation } from "./faulty-store.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
export type Memory = ReturnType<typeof memoryStore>;

/** One line of input with many principles makes one large chunk. */
export const chunkOf = (rows: number): string =>
  `${record(0, { principles: Array.from({ length: rows }, (_, k) => `p${k}`) })}\n`;

/** A chunk that can be attempted several times, each attempt on a clock that a test moves and on engines of its own. */
export async function openChunk(text: string, changed: Changed = {}) {
  const store = memoryStore();
  const file = await submit(store, text, { maxBad: 1, ...changed });
  await pinBatch(store, file.batch, pin);
  const clock = manualClock();
  return { store, file, clock };
}

/** One attempt at chunk 0, on engines that do what `script` says; a test ends it by one of its three signals. */
export function attempt(
  { store, file, clock }: { store: Memory; file: BatchFile; clock: Clock },
  script: (ask: Ask) => Say,
  options: {
    context?: Partial<BatchContext>;
    befalls?: (operation: StoreOperation) => Befalls;
    error?: AssayError;
    slots?: number;
    origins?: readonly string[];
    before?: (ask: Ask) => Promise<void>;
    yes?: (row: string, draw: number) => number;
  } = {},
) {
  const drain = new AbortController();
  const stop = new AbortController();
  const abort = new AbortController();
  const signal = AbortSignal.any([stop.signal, abort.signal]);
  let away = 0;
  let refuse = (): void => {};
  const { slots = 1_000, yes, origins, before } = options;
  const pool = scriptedPool({
    script,
    slots,
    ...(yes === undefined ? {} : { yes }),
    ...(origins === undefined ? {} : { origins }),
    ...(before === undefined ? {} : { before }),
  });
  const faulty = faultyStore(
    store,
    options.befalls ?? (() => null),
    () => options.error ?? new AssayError("E_STORE_UNAVAILABLE", "played"),
  );
  const ended = scoreChunk(
    { store: faulty, spool: null, memory: openRowMemory(), ahead: openRowsAhead(clock), pool, encodeShard, clock },
    contextOf(file, options.context),
    0,
    {
      drain: drain.signal,
      signal,
      abort: abort.signal,
      software: "0.0.0-test",
      onLined: () => {},
      onSpooled: () => {},
      onAway: () => {
        away += 1;
      },
      onRefused: (listener) => {
        refuse = listener;
      },
    },
  ).catch((error: unknown) => String((error as AssayError).code));
  const chats = (): string[] => pool.log.filter(({ kind }) => kind === "chat").map(({ row }) => row);
  return { drain, stop, abort, signal, ended, pool, chats, away: () => away, refuse: () => refuse() };
}

/** Keys of the checkpoints of chunk 0, ascending. */
export const partial = ({ objects }: Memory, file: BatchFile): string[] =>
  [...objects.keys()].filter((key) => key.startsWith(chunkPartialPrefix(file.batch, 0)) && key.endsWith(".gz")).sort();
export const rowsIn = ({ objects }: Memory, key: string): number[] =>
  gunzipSync(objects.get(key) ?? new Uint8Array())
    .toString()
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => (JSON.parse(line) as ResultRow).row_index);
export const shard = async ({ objects }: Memory, file: BatchFile): Promise<ResultRow[]> =>
  (await decodeShard(objects.get(shardKey(file.batch, 0)) ?? new Uint8Array())).rows;
/** Of the principle, which is the row's index. */
export const number = (ask: Ask): number => Number(/\|p(\d+)/.exec(ask.row)?.[1]);
