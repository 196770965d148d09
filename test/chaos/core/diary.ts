import { gunzipSync } from "node:zlib";
import {
  batchOfOpenKey,
  type ControlState,
  controlEntrySchema,
  donePrefix,
  initialControl,
  isEngineSide,
  isRunnable,
  openPrefix,
  type ResultRow,
  readPartialKey,
} from "@assay/core";
import type { StoreOperation } from "./process-store.ts";
import type { VirtualProcess } from "./virtual-world.ts";

/** What the store has gone through in a night, noted as it happens, and what was wrong with it at once. */
export interface Diary {
  /** An operation has taken place. */
  done(process: VirtualProcess, operation: StoreOperation): void;
  /** A process is killed: the row that it was alone with, if any, has an unlucky death. */
  killed(process: VirtualProcess): void;
  /** how often a row was alone with a process that was killed, by batch and row_index */
  readonly unlucky: ReadonlyMap<string, number>;
  /** A process was told the result of an operation. */
  learnt(operation: StoreOperation): void;
  /** rows that a process was told to be in a checkpoint, as engines name them */
  readonly saved: ReadonlySet<string>;
  readonly batches: ReadonlyMap<string, BatchDiary>;
  /** when a process last looked into the index */
  lookedAt(process: VirtualProcess): number;
  readonly wrong: string[];
  /** first bytes of every key that was ever put */
  readonly first: ReadonlyMap<string, Uint8Array>;
}

export interface BatchDiary {
  state: ControlState;
  stateSince: number;
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
): Diary {
  const first = new Map<string, Uint8Array>();
  const batches = new Map<string, BatchDiary>();
  const saved = new Set<string>();
  const looked = new Map<VirtualProcess, number>();
  const unlucky = new Map<string, number>();
  /** the row that a process named as alone last */
  const alone = new Map<VirtualProcess, string>();
  const wrong: string[] = [];

  function of(batch: string): BatchDiary {
    const known = batches.get(batch);
    if (known !== undefined) return known;
    const fresh = { state: initialControl.state, stateSince: 0, by: null, success: false, openSince: null };
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
    if (key.startsWith(openPrefix)) of(batchOfOpenKey(key)).openSince = time.now();
    const [batch = "", name = ""] = key.split("/");
    if (name === "_SUCCESS") of(batch).success = true;
    if (name === "control") {
      const entry = controlEntrySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
      const its = of(batch);
      if (isRunnable(entry.state) && its.openSince !== null) its.openSince = time.now();
      if (its.state === "complete") wrong.push(`control: ${entry.state} follows complete in ${batch}`);
      its.state = entry.state;
      its.stateSince = time.now();
      its.by = entry.by;
    }
    if (readPartialKey(key)?.kind === "start") begun(batch);
  }

  /** Nobody begins a chunk of a batch that does not run, once everybody has had the time to hear of it. */
  function begun(batch: string): void {
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
    lookedAt: (process) => looked.get(process) ?? 0,
    unlucky,
    done(process, { kind, key }) {
      if (kind === "put") stored(key);
      const marker = kind === "put" ? readPartialKey(key) : null;
      if (marker?.kind === "alone") alone.set(process, unluckyKey(key.split("/")[0] ?? "", marker.n));
      if (kind === "list" && key === donePrefix) looked.set(process, time.now());
    },
    killed(process) {
      const row = alone.get(process);
      if (row !== undefined) unlucky.set(row, (unlucky.get(row) ?? 0) + 1);
    },
    learnt({ kind, key, bytes }) {
      if (kind !== "put" || bytes === undefined || readPartialKey(key)?.kind !== "rows") return;
      const [, ...lines] = new TextDecoder().decode(gunzipSync(bytes)).trimEnd().split("\n");
      for (const line of lines) {
        const { input_line, principle, status } = JSON.parse(line) as ResultRow;
        // what a sick engine did to a row is noted, and the row is asked again
        if (!isEngineSide(status)) saved.add(`r${input_line - 1}|${principle}`);
      }
    },
  };
}

export function unluckyKey(batch: string, row: number): string {
  return `${batch} ${row}`;
}
