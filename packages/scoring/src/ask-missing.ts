import { setMaxListeners } from "node:events";
import {
  emptyOutcome,
  groupRows,
  isAssayError,
  isBadLine,
  isGuilty,
  isNarrower,
  isSuspect,
  makeBadRow,
  makeResultRow,
  outlivedBy,
  type PartialFile,
  type PromptPrefix,
  promptPrefix,
  provenBy,
  type ResultRow,
  type Row,
  type RowGroup,
  type RowsLine,
  readHistory,
  rowsOf,
} from "@assay/core";
import type { EnginePool, EngineSlot } from "@assay/engine";
import { allOrFirstError } from "./all-or-first-error.ts";
import type { RowPorts } from "./ask-row.ts";
import type { BatchContext } from "./batch-context.ts";
import type { ChunkAttempt } from "./chunk-attempt.ts";
import type { ChunkOptions, ChunkPorts } from "./chunk-ports.ts";
import { type Gate, openGate } from "./open-gate.ts";
import type { PartialChunk } from "./read-partial.ts";
import type { RowSaver } from "./save-rows.ts";
import { scoreRow } from "./score-row.ts";
import { throwIfAborted } from "./wait-for-store.ts";
import type { Losses } from "./watch-losses.ts";

/** Lone attempts look this often who has begun after them. */
export const lookForFollowersMs = 30_000;
/** Whoever is alive has ended a lone attempt by then: three looks, however slow the store. */
const elderSilenceMs = 3 * lookForFollowersMs;

type Group = Pick<RowGroup, "deaths" | "alone">;

export interface Asking {
  readonly lines: readonly RowsLine[];
  readonly saved: PartialChunk;
  readonly attempt: ChunkAttempt;
  /** its `.start` stood before partial/ was read */
  readonly hasBegun: boolean;
  readonly saver: RowSaver;
  readonly losses: Losses;
  /** attempts of this very process under which an engine is known to have died */
  readonly dead: ReadonlySet<string>;
  /** What the chunk's partial/ holds now. */
  readonly readAgain: () => Promise<PartialChunk>;
  /** aborted by whoever wants the rows in flight to end */
  readonly stop: AbortController;
  /** aborted here when somebody else began meanwhile, so that rows are to be asked more narrowly; nothing was sent then */
  readonly narrower: AbortController;
  /** called before a row is named as alone */
  readonly onAlone: () => void;
}

/**
 * The results of all rows in row order. Every row that is asked goes to the saver when it ends. Rows that were in flight
 * when an engine died are asked a few at a time, in the end one by one on engines that work on nothing else; who kills
 * its engine there twice is quarantined. Sends nothing more once an engine may have died. Rejects when no
 * row is in flight any more.
 */
export async function askMissing(
  ports: ChunkPorts,
  context: BatchContext,
  asking: Asking,
  options: ChunkOptions,
): Promise<ResultRow[]> {
  const { clock } = ports;
  const { lines, saved, attempt, saver, losses, stop, narrower } = asking;
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const lets = [options.drain, losses.died, narrower.signal];
  const waiting = AbortSignal.any([signal, ...lets]);
  // every row that waits listens to them: no leak, whatever Node 20 says from the eleventh on
  setMaxListeners(0, options.signal, signal, waiting);
  const startedAt = clock.now();
  const rows = new Map(
    lines.flatMap((line) => (isBadLine(line) ? [] : rowsOf(line).map((row) => [row.rowIndex, row] as const))),
  );
  const missing = [...rows.keys()].filter((row) => !saved.rows.has(row));
  const history = readHistory(saved.files, saved.settled, attempt.id);
  const prefixes = new Map<RowsLine, PromptPrefix>();
  for (const line of lines) if (!isBadLine(line)) prefixes.set(line, promptPrefix(line, context.file.samples));
  let later: Promise<PartialChunk> | null = null;
  let acquitted: Promise<readonly PartialFile[]> | null = null;

  let begun: Promise<void> | null = null;
  /** `.start` stands, and nobody began since partial/ was read. */
  function begin(): Promise<void> {
    begun ??= attempt.begin().then(async (files) => {
      const now = readHistory(files, saved.settled, attempt.id);
      // what stood there at its begin is older than what was read since, and an elder may have ended in between
      if (!asking.hasBegun && isNarrower(rows.size, missing, history, now)) narrower.abort();
      else await acquit();
    });
    return begun;
  }

  let lined: Promise<void> | null = null;
  /**
   * Before a row stands in line: begun, once an engine takes rows. Not as late as in a slot, which would stand empty as
   * long as the store takes.
   */
  function lineUp(): Promise<void> {
    if (lined === null) {
      lined = ports.pool.whenOpen(context.file.batch, waiting).then(begin);
      // told a moment later: the rows that wait for it count themselves first
      lined.then(() => {}).then(options.onLined, () => {});
    }
    return lined;
  }

  /** Resolves when a row may be sent: room for its result, no loss open, and it is named where it may be to blame for the next. */
  async function announce(row: Row, group: Group, origin: string): Promise<void> {
    await ports.memory.whenRoom(waiting);
    await losses.settled();
    throwIfAborted(waiting);
    if (group.deaths === 0) return;
    if (group.alone) {
      asking.onAlone();
      await attempt.nameAlone(row.rowIndex, await ports.pool.life(origin));
    } else await attempt.nameAmong(row.rowIndex);
    await losses.settled();
    throwIfAborted(waiting);
  }

  function poolFor(row: Row, group: Group): RowPorts["pool"] {
    // samples of a row that may kill engines go one after another: all at once they could kill one each
    const turn = openGate(group.deaths > 0 ? 1 : context.file.samples);
    return {
      async acquire(batch, _signal, prefix) {
        await turn.enter();
        let slot: EngineSlot;
        try {
          await lineUp();
          slot = await (group.alone ? ports.pool.acquireAlone(batch, waiting) : inLine(batch, prefix));
        } catch (error) {
          turn.leave();
          throw error;
        }
        try {
          await announce(row, group, slot.origin);
          return noting(slot, turn, losses);
        } catch (error) {
          slot.release();
          turn.leave();
          throw error;
        }
      },
      fence: (batch, origin, reason) => ports.pool.fence(batch, origin, reason),
      isFenced: (batch, origin) => ports.pool.isFenced(batch, origin),
    };
  }

  async function inLine(batch: string, prefix: PromptPrefix | undefined): Promise<EngineSlot> {
    const served = ports.ahead.wait(batch);
    try {
      return await ports.pool.acquire(batch, waiting, prefix);
    } finally {
      served();
    }
  }

  async function score(row: Row, group: Group, gate: Gate): Promise<ResultRow> {
    const decided = isSuspect(row.rowIndex, history) ? await decide(row) : null;
    if (decided !== null) return decided;
    await gate.enter();
    try {
      const pool = poolFor(row, group);
      const result = await scoreRow({ pool, clock, startedAt, signal }, context, row, prefixes.get(row.line));
      if (group.alone) await saver.saveNow(result, signal);
      else saver.add(result);
      return result;
    } finally {
      gate.leave();
    }
  }

  /** Of a suspect: its quarantine, or a result that an elder had all the same; null when it may be innocent. */
  async function decide(row: Row): Promise<ResultRow | null> {
    const { rowIndex } = row;
    const quarantine = (): ResultRow => makeQuarantinedRow(context.file, row, clock.now());
    const isCondemned = (files: readonly PartialFile[], settled: ReadonlySet<string>): boolean =>
      isGuilty(rowIndex, files, settled, asking.dead);
    if (isCondemned(provenBy(saved.files, asking.dead, saved.files), saved.settled)) return quarantine();
    // innocent even if whoever seems to have died has
    if (!isCondemned(provenBy(saved.files, attempt.elders, await acquit()), saved.settled)) return null;
    later ??= outlive();
    const now = await later;
    const result = now.rows.get(rowIndex);
    if (result !== undefined) return result;
    return isCondemned(provenBy(saved.files, attempt.elders, now.files), now.settled) ? quarantine() : null;
  }

  /** What stood in partial/, and what is known of killed attempts because their engines live: said before one dies of another row. */
  function acquit(): Promise<readonly PartialFile[]> {
    acquitted ??= acquitElders();
    return acquitted;
  }

  async function acquitElders(): Promise<readonly PartialFile[]> {
    const others = new Set([...attempt.elders].filter((elder) => !asking.dead.has(elder)));
    const isLone = ({ kind, attempt: elder }: PartialFile): boolean => kind === "alone" && others.has(elder);
    if (!saved.files.some(isLone)) return saved.files;
    const outlived = outlivedBy(await livesOf(ports.pool), saved.files, others);
    await Promise.all(outlived.map((elder) => attempt.acquit(elder)));
    const lived = saved.files.filter((file) => isLone(file) && outlived.includes(file.attempt));
    return [...saved.files, ...lived.map((file) => ({ ...file, kind: "lived" as const }))];
  }

  /** An elder that lives has ended itself when this returns: it saw our start. */
  async function outlive(): Promise<PartialChunk> {
    await begin();
    throwIfAborted(waiting);
    await clock.sleep(elderSilenceMs, waiting);
    throwIfAborted(waiting);
    return asking.readAgain();
  }

  const results = new Map<number, ResultRow | Promise<ResultRow>>(saved.rows);
  let before: Promise<unknown> | null = null;
  for (const group of groupRows(rows.size, missing, history)) {
    const gate = openGate(group.inFlight);
    // the group before is saved by then: the next death is not laid to it
    const ready: Promise<unknown> | null = before === null ? null : before.then(() => saver.saveAll(waiting));
    const own = group.rows.map((rowIndex) => {
      const row = rows.get(rowIndex) as Row;
      const result: Promise<ResultRow> =
        ready === null ? score(row, group, gate) : ready.then(() => score(row, group, gate));
      results.set(rowIndex, result);
      return result;
    });
    before = Promise.allSettled(own);
  }
  const inOrder = lines.flatMap((line): (ResultRow | Promise<ResultRow>)[] =>
    isBadLine(line)
      ? [makeBadRow(context.file, line, clock.now())]
      : rowsOf(line).map(({ rowIndex }) => results.get(rowIndex) as ResultRow | Promise<ResultRow>),
  );
  return allOrFirstError(inOrder, (error) => {
    // rows in flight are let finish when others only were not to be sent any more
    if (!(lets.some(({ aborted }) => aborted) && isAssayError(error, "E_ABORTED"))) stop.abort();
  });
}

/** The engine processes of this worker that live, so far as they tell. */
async function livesOf(pool: EnginePool): Promise<ReadonlySet<string>> {
  const lives = await Promise.all(pool.origins.map((origin) => pool.life(origin)));
  return new Set(lives.filter((life) => life !== null));
}

/** A slot whose losses are heard of, and which hands the row's turn on when it is given back. */
function noting(slot: EngineSlot, turn: Gate, losses: Losses): EngineSlot {
  let held = true;
  let hasReached = false;
  return {
    origin: slot.origin,
    async complete(request, options) {
      const outcome = await slot.complete(request, options);
      const isUnreached = !outcome.ok && outcome.failure.kind === "unreached";
      // who died before the row came did not die of it; after the first of its requests it may have
      if (isUnreached ? hasReached : !outcome.ok && outcome.failure.kind === "lost") losses.note(slot.fate());
      hasReached ||= !isUnreached;
      return outcome;
    },
    fate: () => slot.fate(),
    release() {
      slot.release();
      if (held) turn.leave();
      held = false;
    },
  };
}

function makeQuarantinedRow(file: BatchContext["file"], row: Row, scoredAt: number): ResultRow {
  const errorMessage = "engines died twice while they worked on this row and on nothing else";
  const outcome = { ...emptyOutcome, status: "quarantined", errorCode: "E_QUARANTINED", errorMessage } as const;
  return makeResultRow(file, row, outcome, scoredAt);
}
