import { gunzipSync } from "node:zlib";
import {
  batchOfOpenKey,
  type ControlState,
  controlEntrySchema,
  donePrefix,
  initialControl,
  isEngineSide,
  isRunnable,
  jobId,
  openPrefix,
  parentOfRetry,
  type ResultRow,
  readPartialKey,
  retryKey,
  retryName,
} from "@assay/core";
import type { StoreOperation } from "./process-store.ts";
import type { VirtualProcess } from "./virtual-world.ts";

/** What the store has gone through in a night, noted as it happens, and what was wrong with it at once. */
export interface Diary {
  /** An operation has taken place. */
  done(process: VirtualProcess, operation: StoreOperation): void;
  /** A process is killed: rows that it had named as alone and not saved may look guilty of it. */
  killed(process: VirtualProcess): void;
  /** by batch and row_index: the engine processes where the row was named as alone each time when its worker was killed */
  readonly unlucky: ReadonlyMap<string, readonly string[]>;
  /** A process was told the result of an operation. */
  learnt(operation: StoreOperation): void;
  /** rows that a process was told to be in a checkpoint, as engines name them */
  readonly saved: ReadonlySet<string>;
  readonly batches: ReadonlyMap<string, BatchDiary>;
  /** how often a chunk was begun */
  begun(batch: string, chunk: number): number;
  /** when a process last looked into the index */
  lookedAt(process: VirtualProcess): number;
  readonly wrong: string[];
  /** first bytes of every key that was ever put */
  readonly first: ReadonlyMap<string, Uint8Array>;
}

export interface BatchDiary {
  state: ControlState;
  stateSince: number;
  /** nobody has ever stopped it, and it is not complete */
  onlyRan: boolean;
  by: string | null;
  success: boolean;
  /** since when whoever looks into the index finds work in it; null = not yet */
  openSince: number | null;
}

/** Looks of running chunks at the control log are half a minute apart; one that began before the last may begin its rows after. */
const hearsWithinMs = 90_000;

export function keepDiary(
  objects: ReadonlyMap<string, Uint8Array>,
  time: { now: () => number; quietFrom: () => number },
  night: {
    /** a row of a batch or of its retries, as engines name it */
    asksOf: (batch: string, rowIndex: number) => string | null;
    weighed: (batch: string, weight: number) => void;
  },
): Diary {
  const first = new Map<string, Uint8Array>();
  const batches = new Map<string, BatchDiary>();
  const saved = new Set<string>();
  const starts = new Map<string, number>();
  const looked = new Map<VirtualProcess, number>();
  const unlucky = new Map<string, string[]>();
  /** rows that a process has named as alone and not saved, each with the engine's process */
  const alone = new Map<VirtualProcess, Map<string, string>>();
  const wrong: string[] = [];

  function of(batch: string): BatchDiary {
    const known = batches.get(batch);
    if (known !== undefined) return known;
    const fresh = {
      state: initialControl.state,
      stateSince: 0,
      onlyRan: true,
      by: null,
      success: false,
      openSince: null,
    };
    batches.set(batch, fresh);
    return fresh;
  }

  function stored(key: string): void {
    const bytes = objects.get(key);
    if (bytes === undefined) return;
    const before = first.get(key);
    if (before !== undefined) {
      if (!key.includes("/partial/") && Buffer.compare(before, bytes) !== 0) wrong.push(`P2: ${key} has changed`);
      return;
    }
    first.set(key, bytes);
    if (key.startsWith(openPrefix)) announced(batchOfOpenKey(key));
    const [batch = "", name = "", entry = ""] = key.split("/");
    if (name === "retries") of(retryName(batch, Number.parseInt(entry, 10))).openSince = time.now();
    if (name === "_SUCCESS") of(batch).success = true;
    if (name === "control") {
      const { state, by, weight } = controlEntrySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
      const its = of(batch);
      if (isRunnable(state) && its.openSince !== null) its.openSince = time.now();
      if (its.state === "complete") wrong.push(`control: ${state} follows complete in ${batch}`);
      its.state = state;
      its.stateSince = time.now();
      its.onlyRan &&= isRunnable(state);
      its.by = by;
      night.weighed(batch, weight);
    }
    const marker = readPartialKey(key);
    if (marker?.kind === "start") begun(batch, marker.chunk);
  }

  /** The index says so: there is work in it, if it is no retry, which is linked after that. */
  function announced(batch: string): void {
    const retry = parentOfRetry(batch);
    if (retry === null || objects.has(retryKey(retry.batch, retry.retry))) of(batch).openSince = time.now();
  }

  /** Nobody begins a chunk of a batch that does not run, once everybody has had the time to hear of it. */
  function begun(batch: string, chunk: number): void {
    starts.set(jobId(batch, chunk), (starts.get(jobId(batch, chunk)) ?? 0) + 1);
    const { state, stateSince } = of(batch);
    const since = Math.max(stateSince, time.quietFrom()) + hearsWithinMs;
    if (!isRunnable(state) && time.now() > since)
      wrong.push(`P4: a chunk of ${batch} was begun although it is ${state}`);
  }

  return {
    saved,
    batches,
    wrong,
    first,
    begun: (batch, chunk) => starts.get(jobId(batch, chunk)) ?? 0,
    lookedAt: (process) => looked.get(process) ?? 0,
    unlucky,
    done(process, { kind, key, bytes }) {
      if (kind === "put") stored(key);
      const marker = kind === "put" ? readPartialKey(key) : null;
      const batch = key.split("/")[0] ?? "";
      const own = alone.get(process) ?? new Map<string, string>();
      // an engine that is away tells no life: each time another
      if (marker?.kind === "alone")
        alone.set(process, own.set(unluckyKey(batch, marker.n), marker.life ?? `away at ${time.now()}`));
      if (marker?.kind === "rows" && own.size > 0)
        for (const { row_index } of rowsOf(bytes)) own.delete(unluckyKey(batch, row_index));
      if (kind === "list" && key === donePrefix) looked.set(process, time.now());
    },
    killed(process) {
      for (const [row, life] of alone.get(process) ?? []) unlucky.set(row, [...(unlucky.get(row) ?? []), life]);
    },
    learnt({ kind, key, bytes }) {
      if (kind !== "put" || readPartialKey(key)?.kind !== "rows") return;
      for (const { row_index, status } of rowsOf(bytes)) {
        const asks = night.asksOf(key.split("/")[0] ?? "", row_index);
        // what a sick engine did to a row is noted, and the row is asked again
        if (asks !== null && !isEngineSide(status)) saved.add(asks);
      }
    },
  };
}

/** The rows of a checkpoint. */
function rowsOf(bytes: Uint8Array | undefined): ResultRow[] {
  if (bytes === undefined) return [];
  const [, ...lines] = new TextDecoder().decode(gunzipSync(bytes)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as ResultRow);
}

export function unluckyKey(batch: string, row: number): string {
  return `${batch} ${row}`;
}
