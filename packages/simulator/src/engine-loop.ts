import { blockKeys } from "./block-keys.ts";
import type { KvCache } from "./kv-cache.ts";
import { createPace } from "./pace.ts";

/** Time, handed in so that tests need not wait. */
export interface LoopClock {
  /** milliseconds, never backwards */
  now(): number;
  /** Runs once, not before `ms` passed and never within the call. Returns the way to call it off. */
  schedule(ms: number, run: () => void): () => void;
}

export interface LoopSettings {
  readonly slots: number;
  /** of a row alone; 0: an answer takes no time once it has a slot */
  readonly tokensPerSecond: number;
  /** of all rows together at most (pace.ts); 0: rows do not disturb each other */
  readonly engineTokensPerSecond: number;
  /** 0: a prompt takes no time */
  readonly prefillTokensPerSecond: number;
  readonly blockSize: number;
}

export interface RowWork {
  readonly promptIds: readonly number[];
  readonly cacheSalt: string | null;
  /** The whole answer's ids; called once, when a slot is free and the row is the first that waits. */
  generate(): readonly number[];
}

export interface RowReport {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly cachedTokens: number;
  readonly preemptions: number;
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

export type RowEnd = { readonly kind: "finished"; readonly report: RowReport } | { readonly kind: "dead" };

export interface LoopCounters {
  promptTokens: number;
  generationTokens: number;
  prefixQueries: number;
  prefixHits: number;
  preemptions: number;
  aborted: number;
}

export interface EngineLoop {
  readonly running: number;
  readonly waiting: number;
  readonly counters: Readonly<LoopCounters>;
  /** Queues a row, first come first served. Returns the way to hang up: `done` is then never called. */
  submit(work: RowWork, done: (end: RowEnd) => void): () => void;
  /** Tokens that a row has written by now; 0 where it has no slot. */
  written(work: RowWork): number;
  /** Counts the tokens of now. Without it the counters are those of the last event. */
  settle(): void;
  /** A hung engine: rows come in and stay, nothing moves. */
  setFrozen(frozen: boolean): void;
  /** A dead engine: every row ends as `dead`. */
  kill(): void;
}

interface Row {
  readonly id: number;
  readonly work: RowWork;
  readonly done: (end: RowEnd) => void;
  readonly submittedAt: number;
  answerIds: readonly number[];
  keys: readonly number[];
  /** null before its first slot */
  startedAt: number | null;
  /** tokens generated at `since`, a time of the pace, from which on it generates */
  base: number;
  since: number;
  /** tokens that the counters and the KV cache know of */
  counted: number;
  prefillMs: number;
  cachedTokens: number;
  preemptions: number;
}

/**
 * The scheduler of an engine, driven by one timer for the next event. Rows get slots in the order of arrival while their
 * tokens fit into the KV cache; how fast they then write, the pace says. A row that finds no block takes those of the
 * newest row, which goes back to the head of the queue and is computed again. At speed 0 nothing can be preempted,
 * since no two rows write at the same time.
 */
export function createEngineLoop(settings: LoopSettings, kv: KvCache, clock: LoopClock): EngineLoop {
  const { slots, tokensPerSecond, prefillTokensPerSecond, blockSize } = settings;
  const waiting: Row[] = [];
  /** oldest admission first */
  const running = new Set<Row>();
  const counters: LoopCounters = {
    promptTokens: 0,
    generationTokens: 0,
    prefixQueries: 0,
    prefixHits: 0,
    preemptions: 0,
    aborted: 0,
  };
  let lastId = 0;
  let frozen = false;
  let callOff: (() => void) | null = null;

  const pace = createPace(settings);
  const tokenMs = tokensPerSecond === 0 ? 0 : 1_000 / tokensPerSecond;

  function tokensAt(row: Row, now: number): number {
    const length = row.answerIds.length;
    const writing = pace.at(now) - row.since;
    if (writing < 0) return row.base;
    // a little more than measured, since dividing and multiplying lose the last bit
    return tokenMs === 0 ? length : Math.min(length, row.base + Math.floor(writing / tokenMs + 1e-6));
  }

  /** A time of the pace, as that of the next block. */
  function finishAt(row: Row): number {
    return row.since + (row.answerIds.length - row.base) * tokenMs;
  }

  function count(row: Row, tokens: number): void {
    counters.generationTokens += tokens - row.counted;
    row.counted = tokens;
  }

  /** Ends what is written, then finds blocks for what is not; true when a row had to give way. */
  function progress(now: number): boolean {
    for (const row of running) {
      if (pace.at(now) >= row.since && tokensAt(row, now) >= row.answerIds.length) finish(row, now);
    }
    let preempted = false;
    for (const row of running) {
      const tokens = tokensAt(row, now);
      while (running.has(row) && !kv.grow(row.id, row.work.promptIds.length + tokens)) {
        preempt([...running].at(-1) ?? row, now);
        preempted = true;
      }
      if (running.has(row)) count(row, tokens);
    }
    return preempted;
  }

  function finish(row: Row, now: number): void {
    count(row, row.answerIds.length);
    // for the prefix cache alone: the row is over, and preempts nobody for it
    kv.grow(row.id, row.work.promptIds.length + row.answerIds.length);
    leave(row);
    const startedAt = row.startedAt ?? now;
    const report: RowReport = {
      promptTokens: row.work.promptIds.length,
      generatedTokens: row.answerIds.length,
      cachedTokens: row.cachedTokens,
      preemptions: row.preemptions,
      queueMs: startedAt - row.submittedAt,
      prefillMs: row.prefillMs,
      decodeMs: Math.max(0, now - startedAt - row.prefillMs),
    };
    row.done({ kind: "finished", report });
  }

  function leave(row: Row): void {
    running.delete(row);
    kv.release(row.id);
  }

  function preempt(row: Row, now: number): void {
    const tokens = tokensAt(row, now);
    count(row, tokens);
    row.base = tokens;
    row.preemptions += 1;
    counters.preemptions += 1;
    leave(row);
    waiting.unshift(row);
  }

  function admit(now: number): void {
    while (running.size < slots) {
      const row = waiting[0];
      if (row === undefined || !start(row, now)) return;
      waiting.shift();
      running.add(row);
    }
  }

  function start(row: Row, now: number): boolean {
    const { promptIds, cacheSalt } = row.work;
    const isFirst = row.startedAt === null;
    if (row.keys.length === 0 && isFirst) {
      row.answerIds = row.work.generate();
      row.keys = blockKeys([...promptIds, ...row.answerIds], blockSize, cacheSalt);
    }
    const tokens = promptIds.length + row.base;
    const cached = kv.admit(row.id, row.keys, tokens);
    if (cached === null) return false;
    if (isFirst) {
      row.startedAt = now;
      row.cachedTokens = cached;
      counters.promptTokens += promptIds.length;
      counters.prefixQueries += promptIds.length;
      counters.prefixHits += cached;
    }
    const prefillMs = prefillTokensPerSecond === 0 ? 0 : ((tokens - cached) / prefillTokensPerSecond) * 1_000;
    row.prefillMs += prefillMs;
    row.since = pace.prefill(now, prefillMs);
    return true;
  }

  /** When something happens next; null when nothing will by itself. */
  function nextEvent(now: number): number | null {
    if (running.size === 0) return null;
    const ends = Math.min(...[...running].map(finishAt));
    let toCome = 0;
    for (const row of running) toCome += blocksToCome(row);
    const isRoom = toCome <= kv.totalBlocks - kv.usedBlocks;
    return pace.when(isRoom ? ends : Math.min(ends, ...[...running].map(nextBlockAt)), now);
  }

  function blocksToCome({ work, answerIds, counted }: Row): number {
    const have = Math.ceil((work.promptIds.length + counted) / blockSize);
    return Math.ceil((work.promptIds.length + answerIds.length) / blockSize) - have;
  }

  /** When the row writes the first token that its blocks do not hold. */
  function nextBlockAt(row: Row): number {
    const prompt = row.work.promptIds.length;
    const full = Math.ceil((prompt + row.counted) / blockSize) * blockSize;
    return row.since + (full + 1 - prompt - row.base) * tokenMs;
  }

  function run(): void {
    callOff = null;
    if (frozen) return;
    const now = clock.now();
    // as in vLLM, nobody is let in by a step that threw somebody out
    if (!progress(now)) admit(now);
    pace.set(now, running.size);
    const next = nextEvent(now) ?? (waiting.length > 0 ? now : null);
    if (next !== null) wakeIn(Math.max(0, next - now));
  }

  function wakeIn(ms: number): void {
    callOff?.();
    callOff = clock.schedule(ms, run);
  }

  return {
    get running() {
      return running.size;
    },
    get waiting() {
      return waiting.length;
    },
    counters,
    submit(work, done) {
      lastId += 1;
      const now = clock.now();
      const row: Row = {
        id: lastId,
        work,
        done,
        submittedAt: now,
        answerIds: [],
        keys: [],
        startedAt: null,
        base: 0,
        since: now,
        counted: 0,
        prefillMs: 0,
        cachedTokens: 0,
        preemptions: 0,
      };
      waiting.push(row);
      if (running.size < slots) wakeIn(0);
      return () => {
        if (running.has(row)) leave(row);
        else if (waiting.includes(row)) waiting.splice(waiting.indexOf(row), 1);
        else return;
        counters.aborted += 1;
        wakeIn(0);
      };
    },
    written(work) {
      for (const row of running) if (row.work === work) return frozen ? row.counted : tokensAt(row, clock.now());
      return 0;
    },
    settle() {
      if (frozen || running.size === 0) return;
      callOff?.();
      run();
    },
    setFrozen(value) {
      if (value === frozen) return;
      const now = clock.now();
      if (value) progress(now);
      for (const row of running) {
        row.base = row.counted;
        row.since = Math.max(row.since, pace.at(now));
      }
      frozen = value;
      wakeIn(0);
    },
    kill() {
      const rows = [...running, ...waiting];
      for (const row of running) leave(row);
      waiting.length = 0;
      callOff?.();
      callOff = null;
      for (const row of rows) row.done({ kind: "dead" });
    },
  };
}
