import type { PartialFile } from "./store-keys.ts";

/**
 * What the markers below a chunk's partial/ say about deaths. The only place where they are counted: safe
 * from any wipe of Redis, and the same for every worker. An attempt that lives looks like one that died; that costs
 * width, and `provenBy` keeps it from costing a row.
 */
export interface ChunkHistory {
  /** attempts that died while any row of the chunk may have been in flight */
  readonly deaths: number;
  /** by row_index: attempts that died with this row named as in flight, and without its result */
  readonly named: ReadonlyMap<number, number>;
  /** of those, how often it was alone on its engine */
  readonly lone: ReadonlyMap<number, number>;
}

/** A row of an attempt, as `PartialChunk.settled` holds those whose result a checkpoint of the same attempt has. */
export function settledKey(attempt: string, row: number): string {
  return `${attempt} ${row}`;
}

/** `own` is the attempt that runs now: no death of its own yet. Pure. */
export function readHistory(
  files: readonly PartialFile[],
  settled: ReadonlySet<string>,
  own: string | null = null,
): ChunkHistory {
  const open = openOf(files).filter(({ attempt }) => attempt !== own);
  const naming = new Set(open.filter(isNaming).map(({ attempt }) => attempt));
  const named = new Map<number, number>();
  const lone = new Map<number, number>();
  const counted = new Set<string>();
  for (const file of open) {
    const key = settledKey(file.attempt, file.n);
    // an attempt that named a row for several engines, one after the other, died once
    if (!isNaming(file) || settled.has(key) || counted.has(key)) continue;
    counted.add(key);
    named.set(file.n, (named.get(file.n) ?? 0) + 1);
    if (file.kind === "alone") lone.set(file.n, (lone.get(file.n) ?? 0) + 1);
  }
  return { deaths: open.filter(({ kind, attempt }) => kind === "start" && !naming.has(attempt)).length, named, lone };
}

/** Rows of a chunk that go together: so many at once, or each one alone on its engine. */
export interface RowGroup {
  /** deaths that each of them may have caused */
  readonly deaths: number;
  readonly inFlight: number;
  readonly alone: boolean;
  /** row_index, in the order of sending */
  readonly rows: readonly number[];
}

/** Each death divides by this: 256, 32, 4, 1. Restarts of an engine cost minutes, narrow groups only width. */
const narrowing = 8;

/**
 * How the rows of a chunk of `size` rows are asked: those that were in flight at the same number of deaths together, the
 * ones beyond suspicion first and each group when the one before is saved, so that few rows are ever few at once. Of lone
 * ones suspects come last: two chance deaths hardly ever meet one row.
 */
export function groupRows(size: number, rows: readonly number[], history: ChunkHistory): RowGroup[] {
  const byDeaths = new Map<number, number[]>();
  for (const row of rows) {
    const deaths = deathsOf(row, history);
    byDeaths.set(deaths, [...(byDeaths.get(deaths) ?? []), row]);
  }
  const suspicion = (row: number): number => history.lone.get(row) ?? 0;
  return [...byDeaths]
    .sort(([a], [b]) => a - b)
    .map(([deaths, group]) => ({
      deaths,
      ...widthAfter(size, deaths),
      rows: group.sort((a, b) => suspicion(a) - suspicion(b) || a - b),
    }));
}

/** Without a death nothing is narrowed, a chunk of one row included. */
export function widthAfter(size: number, deaths: number): { inFlight: number; alone: boolean } {
  const inFlight = Math.max(1, Math.floor(size / narrowing ** deaths));
  return { inFlight, alone: deaths > 0 && inFlight === 1 };
}

/** Whether rows would now be asked more narrowly than was thought when `before` was read. */
export function isNarrower(size: number, rows: readonly number[], before: ChunkHistory, now: ChunkHistory): boolean {
  return rows.some((row) => {
    const [thought, is] = [widthAfter(size, deathsOf(row, before)), widthAfter(size, deathsOf(row, now))];
    return is.inFlight < thought.inFlight || (is.alone && !thought.alone);
  });
}

function deathsOf(row: number, { deaths, named }: ChunkHistory): number {
  return deaths + (named.get(row) ?? 0);
}

/** One lone death may have been a spot machine's; two of one row, with every result in between saved, are its own. */
const loneDeaths = 2;
/** So many workers that were killed beside an engine that lived on, each alone with one and the same row, are no chance. */
const loneEnds = 6;

/** Whether a row without a result may kill engines: `isGuilty` says whether it is to be asked again. */
export function isSuspect(row: number, { lone }: ChunkHistory): boolean {
  return (lone.get(row) ?? 0) >= loneDeaths;
}

/**
 * Whether a row has killed engines, so far as `files` show, the markers of attempts that are over; `dead` are those
 * under which this process saw an engine die. An attempt that was killed and whose engine has outlived it says nothing
 * about the row that it was alone with, and as a process dies once, attempts on the same one have at most one death
 * between them. A row that ends worker after worker is condemned all the same.
 */
export function isGuilty(
  row: number,
  files: readonly PartialFile[],
  settled: ReadonlySet<string>,
  dead: ReadonlySet<string>,
): boolean {
  const lived = attemptsOf(files, "lived");
  const lives = new Map<string, (string | null)[]>();
  for (const { kind, n, attempt, life } of openOf(files)) {
    if (kind !== "alone" || n !== row || settled.has(settledKey(attempt, row))) continue;
    lives.set(attempt, [...(lives.get(attempt) ?? []), life]);
  }
  const seen = [...lives].filter(([attempt]) => dead.has(attempt));
  const counted = new Set(seen.flatMap(([, own]) => own));
  const deaths = new Set(seen.map(([attempt]) => attempt));
  for (const [attempt, own] of lives) {
    if (dead.has(attempt) || lived.has(attempt)) continue;
    const [first, ...more] = own.filter((life) => life === null || !counted.has(life));
    // which of several engines it was on at the end is not told
    if (first !== undefined) deaths.add(more.length === 0 && first !== null ? first : attempt);
  }
  return deaths.size >= loneDeaths || lives.size >= loneEnds;
}

/** Attempts among `elders`, without an end, that were alone with a row, and only on engine processes that live. */
export function outlivedBy(
  living: ReadonlySet<string>,
  files: readonly PartialFile[],
  elders: ReadonlySet<string>,
): string[] {
  const lived = attemptsOf(files, "lived");
  const lone = openOf(files).filter(({ kind, attempt }) => kind === "alone" && elders.has(attempt));
  const gone = lone.filter(({ life }) => life === null || !living.has(life)).map(({ attempt }) => attempt);
  return [...new Set(lone.map(({ attempt }) => attempt))].filter((one) => !gone.includes(one) && !lived.has(one));
}

/**
 * The markers that prove deaths: of those in `files`, which were read first, what attempts of `elders` left that have no
 * end in `now` either. A lone attempt that lives looks who has begun after it and ends itself then, so that long after
 * our own start an elder without an end is dead.
 */
export function provenBy(
  files: readonly PartialFile[],
  elders: ReadonlySet<string>,
  now: readonly PartialFile[],
): PartialFile[] {
  const since = now.filter(({ kind }) => kind === "end" || kind === "lived");
  return [...files, ...since].filter(({ attempt }) => elders.has(attempt));
}

function openOf(files: readonly PartialFile[]): PartialFile[] {
  const ended = attemptsOf(files, "end");
  return files.filter(({ attempt }) => !ended.has(attempt));
}

function attemptsOf(files: readonly PartialFile[], kind: PartialFile["kind"]): ReadonlySet<string> {
  return new Set(files.filter((file) => file.kind === kind).map(({ attempt }) => attempt));
}

function isNaming({ kind }: PartialFile): boolean {
  return kind === "among" || kind === "alone";
}
