import fc from "fast-check";

/**
 * One night, whole: what is scored, by how many, what people do, and which faults come after how many operations.
 * Everything else (how long each thing takes, and so every order) is drawn from `schedule`. The same night plays the
 * same way, always.
 */
export interface Night {
  readonly schedule: number;
  /** principles of each record; 0 = a record that cannot be read */
  readonly records: readonly number[];
  readonly workers: number;
  /** engines of each worker, and rows in flight at each */
  readonly engines: number;
  readonly slots: number;
  /** answers take seconds to a minute: chunks last longer than a checkpoint's 30 s */
  readonly slow: boolean;
  /** share of answers that give no reward, in per cent */
  readonly failing: number;
  /** the engine that is asked this row dies, counted round among the rows there are; null = none does that */
  readonly poison: number | null;
  readonly submitters: readonly Submitter[];
  readonly people: readonly Action[];
  readonly faults: readonly Fault[];
  /** real shards instead of JSON */
  readonly parquet: boolean;
  /** another batch in the same queue; null = the one is alone */
  readonly second: Second | null;
}

export interface Second {
  readonly records: readonly number[];
  /** when it is submitted */
  readonly atMs: number;
  /** the shares of the queue that the first batch has, and this one */
  readonly weights: readonly [number, number];
}

/** twin: the same command at the same time. changing: the same command, and the input changes between its passes. */
export type Submitter = "first" | "twin" | "changing";

export const verbs = ["pause", "resume", "cancel", "weigh", "retry", "verify", "finalize", "collect"] as const;
export interface Action {
  readonly verb: (typeof verbs)[number];
  readonly atMs: number;
  /** a host that reaches the store and names no Redis */
  readonly elsewhere: boolean;
  /** which batch, counted round among those there are */
  readonly of: number;
}

/** The faults that a crash-only machine has; a checkpoint holds against them. */
const mildFaults = ["kill-before", "kill-after", "drain"] as const;
export const faultKinds = [
  ...mildFaults,
  /** the process stands still, longer than its leases where `ms` says so, and goes on */
  "stop",
  "store-fails",
  "store-loses-reply",
  /** the error comes first, what was asked for takes place later */
  "store-lands-late",
  "store-slow",
  "store-away",
  "redis-wiped",
  "redis-saved",
  "redis-restored",
  "redis-away",
  "redis-limbo",
  "lease-lapses",
  "nudges-lost",
  /** an engine's process ends, with all that is in flight there, and somebody starts it again */
  "engine-dies",
  /** a machine goes: a worker and its engines */
  "host-dies",
  "engine-lost",
  "engine-away",
  "engine-busy",
  "engine-fails",
  "engine-refuses",
  "engine-garbage",
  "engine-garbled",
  "engine-hangs",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** operations of all processes since the fault before it */
  readonly gap: number;
  /** which process or engine, counted round among those there are; 0 = the one whose operation it is */
  readonly who: number;
  /** how long, or how many operations, in the words of its kind */
  readonly ms: number;
  readonly times: number;
}

const fault = (kinds: readonly FaultKind[]): fc.Arbitrary<Fault> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    gap: fc.oneof(fc.nat(12), fc.nat(90)),
    who: fc.nat(4),
    ms: fc.constantFrom(1_000, 20_000, 90_000),
    times: fc.integer({ min: 1, max: 6 }),
  });

const action = (of: fc.Arbitrary<number>): fc.Arbitrary<Action> =>
  fc.record({
    verb: fc.constantFrom(...verbs),
    atMs: fc.oneof(fc.nat(20_000), fc.nat(90_000)),
    elsewhere: fc.boolean(),
    of,
  });

const records = (minLength: number, maxLength: number): fc.Arbitrary<number[]> =>
  fc.array(fc.constantFrom(1, 1, 1, 2, 3, 0), { minLength, maxLength });

const common = {
  schedule: fc.nat(2 ** 31 - 1),
  workers: fc.integer({ min: 1, max: 3 }),
  engines: fc.integer({ min: 1, max: 2 }),
  slots: fc.integer({ min: 1, max: 6 }),
  poison: fc.oneof({ arbitrary: fc.constant(null), weight: 4 }, { arbitrary: fc.nat(40), weight: 1 }),
  // true in a sample of the seeds alone
  parquet: fc.constantFrom(false, true),
};

const alone = { records: records(2, 24), second: fc.constant(null), of: fc.constant(0) };
/** Each of their records is a chunk. */
const shared = {
  records: records(4, 10),
  second: fc.record({
    records: records(4, 10),
    atMs: fc.nat(2_000),
    weights: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  }),
  of: fc.nat(1),
};

/** A night of kills and drains alone, in which nothing that was saved may be asked again. */
const mildNight = ({ records, second }: typeof alone | typeof shared): fc.Arbitrary<Night> =>
  fc.record({
    ...common,
    records,
    second,
    slow: fc.constant(true),
    failing: fc.constantFrom(0, 20),
    submitters: fc.constant(["first"] as const),
    people: fc.constant([]),
    faults: fc.array(fault(mildFaults), { maxLength: 5 }),
  });

const wildNight = ({ records, second, of }: typeof alone | typeof shared): fc.Arbitrary<Night> =>
  fc.record({
    ...common,
    records,
    second,
    slow: fc.boolean(),
    failing: fc.constantFrom(0, 0, 20),
    submitters: fc.constantFrom<readonly Submitter[]>(["first"], ["first"], ["first", "twin"], ["first", "changing"]),
    people: fc.array(action(of), { maxLength: 4 }),
    faults: fc.array(fault(faultKinds), { maxLength: 10 }),
  });

const nightsOfOne = fc.oneof({ arbitrary: mildNight(alone), weight: 1 }, { arbitrary: wildNight(alone), weight: 3 });
const nightsOfTwo = fc.oneof({ arbitrary: mildNight(shared), weight: 1 }, { arbitrary: wildNight(shared), weight: 3 });

/** The nights that are like this one. */
export function nightsLike({ second }: Pick<Night, "second">): fc.Arbitrary<Night> {
  return second === null ? nightsOfOne : nightsOfTwo;
}

/** The night of a seed. */
export function nightOf(seed: number): Night {
  // two batches take three to four times as long as one
  const nights = seed % 16 === 4 ? nightsOfTwo : nightsOfOne;
  const [night] = fc.sample(nights, { seed, numRuns: 1 });
  // the codec of the shards is tried in a sample: it takes most of a night's time
  return { ...(night as Night), parquet: seed % 50 === 0 };
}

/** Only what a crash does happens in it. */
export function isMild({ faults, people, submitters }: Night): boolean {
  const mild: readonly FaultKind[] = mildFaults;
  return people.length === 0 && submitters.length === 1 && faults.every(({ kind }) => mild.includes(kind));
}
