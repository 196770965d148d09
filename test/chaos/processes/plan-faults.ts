import { type FaultName, faultNames, kindOf, type Part } from "./fault-kinds.ts";

export interface PlannedFault {
  readonly name: FaultName;
  /** from the start of the run */
  readonly atMs: number;
  /** when it is healed; the same as `atMs` for what is over at once */
  readonly untilMs: number;
  /** the worker that it hits */
  readonly worker: number;
  /** the engine that it hits, and for counted faults how often */
  readonly engine: number;
  readonly times: number;
  /** for `ASSAY_CRASH_AT`: the point's place in the list of points, from 0 to 1, and the passing */
  readonly point: number;
  readonly passing: number;
}

/** Faults begin so far apart, at most; more than half of that on average, so that recovery is seen, too. */
const gapMs = 6_000;
/** A run begins with work, and the last faults are over before its end. */
const quietMs = 5_000;

/**
 * What goes wrong in a run of so many minutes: a pure function of the seed. Faults of different parts overlap; those of
 * one part follow each other. Each kind comes up once before the weights decide, as far as the time goes.
 */
export function planFaults(seed: number, minutes: number, workers: number, engines: number): PlannedFault[] {
  const random = createRandom(seed);
  const endMs = minutes * 60_000 - quietMs;
  const free = new Map<Part, number>();
  const first = shuffle(faultNames, random);
  const bag = faultNames.flatMap((name) => Array<FaultName>(kindOf(name).weight ?? 1).fill(name));
  const faults: PlannedFault[] = [];
  for (let now = quietMs; ; now += Math.round(gapMs * (0.2 + 0.8 * random()))) {
    // the part's last fault may still go on: the next kind has its turn then
    const at = first.findIndex((name) => (free.get(kindOf(name).part) ?? 0) <= now);
    const name =
      at >= 0 ? (first.splice(at, 1)[0] as FaultName) : (bag[Math.floor(random() * bag.length)] as FaultName);
    const kind = kindOf(name);
    const [from, to] = kind.seconds;
    const untilMs = now + Math.round(1_000 * (from + (to - from) * random()));
    const fault = {
      name,
      atMs: now,
      untilMs,
      worker: Math.floor(random() * workers),
      engine: Math.floor(random() * engines),
      times: 1 + Math.floor(random() * 8),
      point: random(),
      passing: 1 + Math.floor(random() * 6),
    };
    if (now >= endMs) return faults;
    if (untilMs > endMs || (free.get(kind.part) ?? 0) > now) continue;
    // workers are hit one beside the other: several at once are wanted
    if (kind.part !== "worker") free.set(kind.part, untilMs + 1_000);
    faults.push(fault);
  }
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}
