import { jobId } from "@assay/core";
import type { Job } from "@assay/queue";
import type { QueueEvent } from "./redis-model.ts";
import type { VirtualProcess } from "./virtual-world.ts";

/**
 * The law of fair shares: while jobs of two batches wait, the takes of each, divided by its weight, keep level.
 *
 * What may be compared is a *line*: the jobs of one add, for as long as nothing but takes changes it. Virtual time
 * puts job k of a line of weight w at V + ceil((k + 1) / w), V being the time when it came, and takes
 * go up the scale: w of each line for each unit of time. Count takes from the moment when the newer of two lines came, and
 * let the last one taken stand at p. The newer line has given all before p and some at p: its takes / weight lie in
 * [p - 1 - V, p - V]. The elder had given some part of the unit V by then: [p - 1 - V, p - V + 1]. So the elder is
 * never more than 2 ahead, and the newer never more than 1.
 *
 * A batch of which `behind` jobs were known to the queue (in somebody's hands) when its line was made stands behind
 * those: it may lag by that many more.
 */
const elderAhead = 2;
const newerAhead = 1;
/** of the divisions */
const epsilon = 1e-9;

interface Line {
  readonly batch: string;
  readonly weight: number;
  readonly behind: number;
  readonly waiting: Set<string>;
  taken: number;
  /** where the last one stood that was taken */
  at: number;
}
interface Pair {
  readonly elder: Line;
  readonly newer: Line;
  /** of the elder, when the newer came */
  readonly takenBefore: number;
}
/** What a process knew when it last asked. */
interface Knowledge {
  time: { readonly told: number; readonly changes: number } | null;
  /** by batch, how many of its jobs the queue had */
  readonly behind: Map<string, number>;
  /** by batch, the weight that it was told last, and whether it was ever told another */
  readonly weights: Map<string, { readonly weight: number; readonly varied: boolean }>;
}

export interface FairShares {
  heard(event: QueueEvent): void;
  /** A process has read this weight in the control log of a batch. */
  told(process: VirtualProcess, batch: string, weight: number): void;
  /** An entry of the control log stands. */
  weighed(batch: string, weight: number): void;
  /** takes after which two lines were compared */
  readonly compared: number;
}

/** `doesOneThing`: the process never prices jobs by a control log that it read before another look at the same log. */
export function fairShares(
  blame: (line: string) => void,
  doesOneThing: (process: VirtualProcess) => boolean,
): FairShares {
  const weights = new Map<string, number>();
  const lines = new Map<string, Line>();
  const known = new Map<VirtualProcess, Knowledge>();
  let pairs: Pair[] = [];
  /** of the queue, other than by adds */
  let changes = 0;
  let compared = 0;

  function of(process: VirtualProcess): Knowledge {
    const knowledge = known.get(process) ?? { time: null, behind: new Map(), weights: new Map() };
    known.set(process, knowledge);
    return knowledge;
  }

  function close(line: Line): void {
    lines.delete(line.batch);
    pairs = pairs.filter(({ elder, newer }) => elder !== line && newer !== line);
  }

  /** The weight by which a process puts jobs in line; null = it is not known, or is no more the one that rules. */
  function weightOf(process: VirtualProcess, batch: string): number | null {
    const told = of(process).weights.get(batch);
    if (told === undefined || (told.varied && !doesOneThing(process))) return null;
    return told.weight === (weights.get(batch) ?? 1) ? told.weight : null;
  }

  function added({ process, offered, accepted }: Extract<QueueEvent, { kind: "add" }>): void {
    const batch = accepted[0]?.batch;
    // a few that come behind a line are no part of it
    if (batch === undefined || accepted.length < offered || lines.has(batch)) return;
    const { time, behind } = of(process);
    // others went on between its look at the time and its add
    if (time !== null && time.changes !== changes) return;
    const weight = weightOf(process, batch);
    if (weight === null) return;
    const newer: Line = {
      batch,
      weight,
      behind: behind.get(batch) ?? 0,
      waiting: new Set(accepted.map(idOf)),
      taken: 0,
      at: 0,
    };
    // a late add of others may have set the time back
    for (const elder of lines.values())
      if (time === null || time.told >= elder.at) pairs.push({ elder, newer, takenBefore: elder.taken });
    lines.set(batch, newer);
  }

  function taken(job: Job, priority: number): void {
    changes += 1;
    const line = lines.get(job.batch);
    if (line === undefined || !line.waiting.delete(idOf(job))) return;
    line.taken += 1;
    line.at = priority;
    for (const pair of pairs) if (pair.elder === line || pair.newer === line) compare(pair);
    if (line.waiting.size === 0) close(line);
  }

  function compare({ elder, newer, takenBefore }: Pair): void {
    compared += 1;
    const ofElder = elder.taken - takenBefore;
    const ahead = ofElder / elder.weight - newer.taken / newer.weight;
    const isFair =
      ahead <= elderAhead + newer.behind / newer.weight + epsilon &&
      -ahead <= newerAhead + elder.behind / elder.weight + epsilon;
    if (isFair) return;
    blame(
      `shares: ${ofElder} chunks of ${elder.batch} (weight ${elder.weight}) were taken beside ${newer.taken} of ${newer.batch} (weight ${newer.weight}), and both had more`,
    );
    close(newer);
  }

  return {
    heard(event) {
      switch (event.kind) {
        case "time":
          of(event.process).time = { told: event.time, changes };
          break;
        case "missing":
          of(event.process).behind.set(event.batch, event.known);
          break;
        case "add":
          added(event);
          break;
        case "take":
          if (event.priority > 0) taken(event.job, event.priority);
          break;
        case "remove":
          if (event.removed.length > 0) changes += 1;
          for (const job of event.removed) {
            const line = lines.get(job.batch);
            if (line?.waiting.has(idOf(job))) close(line);
          }
          break;
        case "upset":
          changes += 1;
          lines.clear();
          pairs = [];
          break;
        case "end":
          break;
      }
    },
    told(process, batch, weight) {
      const all = of(process).weights;
      const before = all.get(batch);
      const varied = before !== undefined && (before.varied || before.weight !== weight);
      all.set(batch, { weight, varied });
    },
    weighed(batch, weight) {
      const line = lines.get(batch);
      if (line !== undefined && line.weight !== weight) close(line);
      weights.set(batch, weight);
    },
    get compared() {
      return compared;
    },
  };
}

function idOf({ batch, chunk }: Job): string {
  return jobId(batch, chunk);
}
