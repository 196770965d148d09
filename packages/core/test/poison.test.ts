import { describe, expect, test } from "@jest/globals";
import {
  groupRows,
  isGuilty,
  isNarrower,
  isSuspect,
  outlivedBy,
  provenBy,
  type RowGroup,
  readHistory,
  settledKey,
  widthAfter,
} from "../src/poison.ts";
import type { PartialFile } from "../src/store-keys.ts";

const name = (n: number): string => n.toString(16).padStart(16, "0");
const file = (kind: PartialFile["kind"], n: number, row = 0, life: string | null = null): PartialFile => ({
  chunk: 0,
  attempt: name(n),
  kind,
  n: row,
  life,
});

/** An attempt that lives. */
interface Attempt {
  readonly n: number;
  readonly elders: ReadonlySet<string>;
  /** partial/ as it read it */
  readonly files: readonly PartialFile[];
  readonly settled: ReadonlySet<string>;
  readonly begun: boolean;
  /** rows whose result it has, quarantined ones included, as bits */
  readonly has: number;
  readonly inFlight: number;
  readonly isAlone: boolean;
  readonly engine: number;
}

/** A chunk as its store and its poison row see it; rows as bits. */
interface State {
  readonly files: readonly PartialFile[];
  readonly settled: ReadonlySet<string>;
  readonly saved: number;
  readonly quarantined: number;
  readonly attempts: readonly Attempt[];
  readonly made: number;
  readonly deaths: number;
  readonly spot: number;
  readonly kills: number;
  readonly wipes: number;
  /** by engine, how often it has died */
  readonly lives: readonly number[];
  readonly committed: boolean;
}

interface Play {
  /** rows that are missing; the chunk has `size` */
  readonly rows: number;
  readonly size: number;
  /** kills its engine and its worker whenever it is in flight */
  readonly poison: number | null;
  /** attempts that die of something else, engine and worker together */
  readonly spot: number;
  /** attempts whose worker alone dies: its engine lives on */
  readonly kills: number;
  /** attempts that begin although another one lives: the queue has forgotten its lease */
  readonly wipes: number;
  /** nothing happens between the look at partial/ and the start: far fewer orders */
  readonly atOnce?: boolean;
  /** a rule that takes each open lone marker for a death */
  readonly trusting?: boolean;
}

/**
 * Every order of answers, looks, deaths and wipes of one chunk: the model m3 of the protocol, over these functions
 * instead of its counters, and with attempts that live side by side. The one assumption about time: whoever waits to
 * see whether an elder lives, waits until every lone elder that lives has looked.
 */
function explore(play: Play): State[] {
  const first: State = {
    files: [],
    settled: new Set(),
    saved: 0,
    quarantined: 0,
    attempts: [],
    made: 0,
    deaths: 0,
    spot: play.spot,
    kills: play.kills,
    wipes: play.wipes,
    lives: Array<number>(1 + play.wipes).fill(0),
    committed: false,
  };
  const seen = new Set<string>();
  const ends: State[] = [];
  const todo = [first];
  for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
    const key = keyOf(state);
    if (seen.has(key)) continue;
    seen.add(key);
    if (state.committed) {
      ends.push(state);
      continue;
    }
    const steps = next(state, play);
    if (steps.length === 0) throw new Error(`nobody can go on: ${key}`);
    todo.push(...steps);
  }
  return ends;
}

/** What a state's future depends on: names of attempts that are over, and the order of files, do not matter. */
function keyOf({ files, settled, attempts, ...rest }: State): string {
  const told = (read: readonly PartialFile[], held: ReadonlySet<string>): string =>
    `${read.map(({ attempt, kind, n, life }) => `${attempt.slice(-1)}${kind}${n}${life}`).sort()}|${[...held].map((one) => one.slice(-3)).sort()}`;
  const living = attempts.map((one) => [
    one.n,
    one.begun,
    one.has,
    one.inFlight,
    one.isAlone,
    one.engine,
    one.elders.size,
    told(one.files, one.settled),
  ]);
  living.sort(([a], [b]) => Number(a) - Number(b));
  return JSON.stringify([rest, told(files, settled), living]);
}

const has = (set: number, row: number): boolean => ((set >> row) & 1) === 1;

function next(state: State, play: Play): State[] {
  const steps: State[] = [];
  if (state.attempts.length === 0) steps.push(arrive(state));
  else if (state.wipes > 0) steps.push({ ...arrive(state), wipes: state.wipes - 1 });
  const starting = state.attempts.find(({ begun }) => !begun);
  const moving = play.atOnce === true && starting !== undefined ? [starting] : state.attempts;
  if (moving !== state.attempts) steps.length = 0;
  for (const attempt of moving) {
    const others = state.attempts.filter((other) => other !== attempt);
    const becomes = (changed: Partial<Attempt>, more: Partial<State> = {}): State => ({
      ...state,
      ...more,
      attempts: [...others, { ...attempt, ...changed }],
    });
    if (!attempt.begun) steps.push(begin(state, attempt, becomes, play));
    else if (attempt.inFlight === 0) steps.push(...send(state, attempt, becomes, play));
    for (let row = 0; row < play.rows; row += 1) {
      if (!has(attempt.inFlight, row) || row === play.poison) continue;
      steps.push(
        becomes(
          { inFlight: attempt.inFlight & ~(1 << row), has: attempt.has | (1 << row) },
          { saved: state.saved | (1 << row), settled: new Set([...state.settled, settledKey(name(attempt.n), row)]) },
        ),
      );
    }
    if (attempt.isAlone && isFollowed(state, attempt))
      steps.push({ ...state, attempts: others, files: [...state.files, file("end", attempt.n)] });
    const lives = state.lives.map((deaths, engine) => (engine === attempt.engine ? deaths + 1 : deaths));
    const died = { ...state, attempts: others, lives };
    if (play.poison !== null && has(attempt.inFlight, play.poison)) steps.push({ ...died, deaths: state.deaths + 1 });
    if (state.spot > 0) steps.push({ ...died, spot: state.spot - 1 });
    if (state.kills > 0) steps.push({ ...state, attempts: others, kills: state.kills - 1 });
  }
  return steps;
}

function arrive(state: State): State {
  const { files, settled, saved } = state;
  const n = state.made + 1;
  const elders = new Set(files.filter(({ kind }) => kind === "start").map(({ attempt }) => attempt));
  const engine = state.lives.findIndex((_deaths, one) => state.attempts.every((other) => other.engine !== one));
  const attempt = { n, elders, files, settled, begun: false, has: saved, inFlight: 0, isAlone: false, engine };
  return { ...state, made: n, attempts: [...state.attempts, attempt] };
}

type Becomes = (changed: Partial<Attempt>, more?: Partial<State>) => State;

function begin(state: State, attempt: Attempt, becomes: Becomes, play: Play): State {
  const { files, settled, saved } = state;
  const outlived = outlivedBy(new Set([lifeOf(state, attempt)]), attempt.files, attempt.elders);
  const lived = outlived.map((one) => file("lived", Number.parseInt(one, 16)));
  const started = dedupe([...files, file("start", attempt.n), ...lived]);
  const missing = missingOf(attempt, play);
  const before = readHistory(attempt.files, attempt.settled, name(attempt.n));
  const now = readHistory(started, settled, name(attempt.n));
  // somebody was faster: partial/ is read again
  const read = isNarrower(play.size, missing, before, now) ? { files: started, settled, has: saved } : {};
  return becomes({ begun: true, ...read }, { files: started });
}

function missingOf(attempt: Attempt, { rows }: Play): number[] {
  return [...Array(rows).keys()].filter((row) => !has(attempt.has, row));
}

function send(state: State, attempt: Attempt, becomes: Becomes, play: Play): State[] {
  const missing = missingOf(attempt, play);
  if (missing.length === 0) return [{ ...state, committed: true }];
  const history = readHistory(attempt.files, attempt.settled, name(attempt.n));
  const [group] = groupRows(play.size, missing, history);
  const { deaths, alone, inFlight, rows } = group as RowGroup;
  const [row = 0] = rows;
  const life = lifeOf(state, attempt);
  const isCondemned = (now: readonly PartialFile[], settled: ReadonlySet<string>): boolean =>
    play.trusting === true || isGuilty(row, provenBy(attempt.files, attempt.elders, now), settled, new Set());
  if (alone && isSuspect(row, history) && isCondemned(state.files, attempt.settled)) {
    const lives = state.attempts.some(({ n, isAlone }) => isAlone && attempt.elders.has(name(n)));
    if (lives && play.trusting !== true) return [];
    if (has(state.saved, row)) return [becomes({ has: attempt.has | (1 << row) })];
    if (isCondemned(state.files, state.settled))
      return [becomes({ has: attempt.has | (1 << row) }, { quarantined: state.quarantined | (1 << row) })];
  }
  const sent = rows.slice(0, alone ? 1 : inFlight);
  const named =
    deaths === 0 ? [] : sent.map((one) => file(alone ? "alone" : "among", attempt.n, one, alone ? life : null));
  const bits = sent.reduce((set, one) => set | (1 << one), 0);
  return [
    becomes({ inFlight: bits, isAlone: attempt.isAlone || alone }, { files: dedupe([...state.files, ...named]) }),
  ];
}

function lifeOf({ lives }: State, { engine }: Attempt): string {
  return `${engine}${lives[engine]}`.padStart(8, "0");
}

function dedupe(files: readonly PartialFile[]): PartialFile[] {
  const known = new Map(files.map((one) => [`${one.attempt}.${one.kind}-${one.n}`, one]));
  return [...known.values()];
}

function isFollowed({ files }: State, { n, elders }: Attempt): boolean {
  const ended = new Set(files.filter(({ kind }) => kind === "end").map(({ attempt }) => attempt));
  return files.some(
    ({ kind, attempt }) => kind === "start" && attempt !== name(n) && !elders.has(attempt) && !ended.has(attempt),
  );
}

describe("poison: every order of what may happen to one chunk", () => {
  const calm = { poison: null, spot: 0, kills: 0, wipes: 0 };

  test.each([
    // in flight 8, then alone
    { ...calm, rows: 4, size: 8, poison: 2, most: 3 },
    { ...calm, rows: 4, size: 8, poison: 0, spot: 1, most: 3 },
    { ...calm, rows: 4, size: 8, poison: 2, kills: 2, most: 3 },
    // in flight 16, 2, alone
    { ...calm, rows: 4, size: 16, poison: 2, most: 4 },
    { ...calm, rows: 4, size: 16, poison: 0, spot: 1, most: 4 },
    { ...calm, rows: 1, size: 1, poison: 0, spot: 1, most: 3 },
    { ...calm, rows: 1, size: 1, poison: 0, kills: 4, most: 3 },
    // each attempt that lives beside another may meet the row once more
    { ...calm, rows: 2, size: 8, poison: 1, wipes: 1, most: 4 },
    { ...calm, rows: 1, size: 1, poison: 0, wipes: 2, most: 5 },
  ])("%j: ends, and no other row is quarantined", ({ most, ...play }) => {
    const ends = explore(play);
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends) {
      expect(end.quarantined & ~(1 << play.poison)).toBe(0);
      expect(end.saved | end.quarantined).toBe(2 ** play.rows - 1);
      expect(end.deaths).toBeLessThanOrEqual(most);
    }
  });

  test.each([
    { ...calm, rows: 4, size: 8, spot: 2 },
    { ...calm, rows: 1, size: 1, spot: 2 },
    { ...calm, rows: 2, size: 2, wipes: 1 },
    { ...calm, rows: 1, size: 1, wipes: 3, atOnce: true },
    { ...calm, rows: 1, size: 1, spot: 1, wipes: 2, atOnce: true },
    // the engine lives on: as often as five times with the row alone there
    { ...calm, rows: 1, size: 1, kills: 6 },
    { ...calm, rows: 2, size: 2, kills: 5 },
    { ...calm, rows: 1, size: 1, spot: 1, kills: 4 },
    { ...calm, rows: 1, size: 1, kills: 2, wipes: 1, atOnce: true },
  ])("%j and no poison: every row gets its result", (play) => {
    const ends = explore(play);
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends) expect([end.quarantined, end.saved]).toEqual([0, 2 ** play.rows - 1]);
  });

  test("a rule that took every open marker for a death would condemn a row by wipes alone", () => {
    const ends = explore({ ...calm, rows: 1, size: 1, wipes: 3, atOnce: true, trusting: true });
    expect(ends.some(({ quarantined }) => quarantined !== 0)).toBe(true);
  });

  test("and by kills of workers alone", () => {
    const ends = explore({ ...calm, rows: 1, size: 1, kills: 3, trusting: true });
    expect(ends.some(({ quarantined }) => quarantined !== 0)).toBe(true);
  });

  test("a row that ends worker after worker beside a living engine is asked no more, in the end", () => {
    const ends = explore({ ...calm, rows: 1, size: 1, kills: 7 });
    expect(ends.some(({ quarantined }) => quarantined !== 0)).toBe(true);
  });
});

describe("poison: what counts", () => {
  const history = (files: readonly PartialFile[], settled: string[] = [], own: string | null = null) =>
    readHistory(files, new Set(settled), own);

  test("a chunk of 256 rows: 256, 32, 4, 1; at most five restarts for one poison row", () => {
    const widths = [0, 1, 2, 3, 4].map((deaths) => widthAfter(256, deaths));
    expect(widths.map(({ inFlight }) => inFlight)).toEqual([256, 32, 4, 1, 1]);
    expect(widths.map(({ alone }) => alone)).toEqual([false, false, false, true, true]);
  });

  test("without a death nothing is narrowed, also in a chunk of one row", () => {
    for (const size of [1, 2, 16, 256]) expect(widthAfter(size, 0)).toEqual({ inFlight: size, alone: false });
    expect(widthAfter(1, 1)).toEqual({ inFlight: 1, alone: true });
  });

  test("an attempt that ended, and our own, are no deaths, and neither are their rows", () => {
    const files = [
      ...[file("start", 1), file("end", 1), file("alone", 1, 7)],
      ...[file("start", 2), file("start", 3), file("alone", 3, 7), file("among", 3, 8)],
    ];
    expect(history(files, [], name(3))).toEqual({ deaths: 1, named: new Map(), lone: new Map() });
    const named = new Map([
      [7, 1],
      [8, 1],
    ]);
    expect(history(files)).toEqual({ deaths: 1, named, lone: new Map([[7, 1]]) });
  });

  test("a death is laid to the rows that were named and not saved by then, to all where none was named", () => {
    const files = [file("start", 1), file("start", 2), file("among", 2, 4), file("among", 2, 5), file("among", 2, 6)];
    const groups = groupRows(256, [3, 4, 5, 6], history(files, [settledKey(name(2), 5)]));
    expect(groups).toEqual([
      { deaths: 1, inFlight: 32, alone: false, rows: [3, 5] },
      { deaths: 2, inFlight: 4, alone: false, rows: [4, 6] },
    ]);
    // one that died when all that it had named was saved: nobody's
    const between = [file("start", 2), file("among", 2, 5)];
    expect(groupRows(256, [3], history(between, [settledKey(name(2), 5)]))).toMatchObject([{ deaths: 0 }]);
  });

  test("two lone deaths of one row, not one, and not one each of two; suspects come last", () => {
    const files = [1, 2, 3, 4, 5].flatMap((n) => [file("start", n)]);
    const lone = [file("alone", 1, 3), file("alone", 2, 3), file("alone", 3, 1), file("alone", 4, 2)];
    const read = history([...files, ...lone]);
    expect([0, 1, 2, 3].filter((row) => isSuspect(row, read))).toEqual([3]);
    expect(groupRows(1, [3, 2, 1, 0], read).flatMap(({ rows }) => rows)).toEqual([0, 1, 2, 3]);
  });

  test("of two lone deaths each is of another engine process, which lives no more", () => {
    const lone = (n: number, life: string | null): PartialFile[] => [file("start", n), file("alone", n, 7, life)];
    const guilty = (files: readonly PartialFile[], dead: number[] = []): boolean =>
      isGuilty(7, files, new Set(), new Set(dead.map(name)));
    expect(guilty([...lone(1, "aa"), ...lone(2, "bb")])).toBe(true);
    expect(guilty([...lone(1, null), ...lone(2, null)])).toBe(true);
    expect(guilty([...lone(1, "aa"), ...lone(2, "bb"), file("lived", 2)])).toBe(false);
    expect(guilty([...lone(1, "aa"), ...lone(2, "aa")])).toBe(false);
    // who hangs dies more than once, in sight of whoever asks
    expect(guilty([...lone(1, "aa"), ...lone(2, "aa")], [1, 2])).toBe(true);
    expect(guilty([...lone(1, "aa"), ...lone(2, "aa")], [2])).toBe(false);
    // named for one engine after the other: whichever it was on at the end
    const both = [...lone(1, "aa"), file("alone", 1, 7, "bb")];
    expect(guilty([...both, ...lone(2, "bb")])).toBe(true);
    expect(guilty(both)).toBe(false);
    const killed = [1, 2, 3, 4, 5].flatMap((n) => [...lone(n, `${n}`), file("lived", n)]);
    expect(guilty(killed)).toBe(false);
    expect(guilty([...killed, ...lone(6, "6"), file("lived", 6)])).toBe(true);
  });

  test("an engine has outlived an attempt that was alone on it and on no other that is gone", () => {
    const files = [
      ...[file("start", 1), file("alone", 1, 7, "aa")],
      ...[file("start", 2), file("alone", 2, 7, "aa"), file("alone", 2, 7, "bb")],
      ...[file("start", 3), file("alone", 3, 7, "aa"), file("end", 3)],
      ...[file("start", 4), file("alone", 4, 7, null)],
      ...[file("start", 5), file("alone", 5, 7, "aa"), file("lived", 5)],
      ...[file("start", 6), file("among", 6, 7)],
      ...[file("start", 7), file("alone", 7, 7, "aa")],
    ];
    const elders = new Set([1, 2, 3, 4, 5, 6].map(name));
    expect(outlivedBy(new Set(["aa"]), files, elders)).toEqual([name(1)]);
    expect(outlivedBy(new Set(["aa", "bb"]), files, elders)).toEqual([name(1), name(2)]);
    expect(outlivedBy(new Set(), files, elders)).toEqual([]);
  });

  test("proven is what elders left that have no end by now", () => {
    const files = [1, 2, 3].flatMap((n) => [file("start", n), file("alone", n, 9)]);
    const elders = new Set([name(1), name(2)]);
    const lone = (now: readonly PartialFile[]) => history(provenBy(files, elders, now)).lone.get(9);
    expect(lone(files)).toBe(2);
    expect(lone([...files, file("end", 2)])).toBe(1);
  });
});
