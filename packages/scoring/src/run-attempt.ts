import { isAssayError, isBadLine, type RowsLine } from "@assay/core";
import { askMissing, lookForFollowersMs } from "./ask-missing.ts";
import type { BatchContext } from "./batch-context.ts";
import { type ChunkAttempt, startAttempt } from "./chunk-attempt.ts";
import type { ChunkOptions, ChunkOutcome, ChunkPorts } from "./chunk-ports.ts";
import { commitChunk } from "./commit-chunk.ts";
import { fetchSaved } from "./fetch-saved.ts";
import { type PartialChunk, readPartial } from "./read-partial.ts";
import { saveRows } from "./save-rows.ts";
import { untilAborted, waitForStore } from "./wait-for-store.ts";
import { type Losses, watchLosses } from "./watch-losses.ts";

/** What the attempts of one process at one chunk have in common. */
export interface ChunkAttempts {
  readonly chunk: number;
  readonly lines: readonly RowsLine[];
  /** attempts under which an engine is known to have died: nobody has to wait and see whether they live */
  readonly dead: Set<string>;
  /** a queue that answers does not know the lease any more */
  refused: boolean;
  /** hears of it when that happens */
  onRefused: () => void;
}

type Options = ChunkOptions & { readonly wait: Parameters<typeof waitForStore>[1] };

/**
 * One attempt at a chunk. "engine-died": an engine was lost with rows of the chunk in flight; the attempt is left without
 * an end, so that everybody counts it, and what had finished is saved for the next one, which asks more narrowly.
 * Otherwise as `scoreChunk`. `known` is what stood in partial/ a moment ago; null = it is read first.
 */
export async function runAttempt(
  ports: ChunkPorts,
  context: BatchContext,
  attempts: ChunkAttempts,
  known: PartialChunk | null,
  options: Options,
): Promise<ChunkOutcome | "engine-died"> {
  const { file, pin } = context;
  const { chunk, lines } = attempts;
  const read = async (): Promise<PartialChunk> => {
    const fetched = await waitForStore(() => fetchSaved(ports, file.batch, chunk), options.wait);
    return readPartial(fetched, file, pin, lines);
  };
  const saved = known ?? (await read());
  const of = { file, chunk, id: ports.clock.random(), found: saved.files };
  const attempt = startAttempt(ports.store, of, options.wait);
  const first = { saved, attempt, readAgain: read, hasBegun: false };
  const outcome = await ask(ports, context, attempts, first, options);
  if (outcome !== "narrower") return outcome;
  // somebody began between our look and our start; it has begun now, and knows all who had before
  const again = { saved: await read(), attempt, readAgain: read, hasBegun: true };
  return (await ask(ports, context, attempts, again, options)) as ChunkOutcome | "engine-died";
}

async function ask(
  ports: ChunkPorts,
  context: BatchContext,
  attempts: ChunkAttempts,
  own: { saved: PartialChunk; attempt: ChunkAttempt; readAgain: () => Promise<PartialChunk>; hasBegun: boolean },
  options: Options,
): Promise<ChunkOutcome | "engine-died" | "narrower"> {
  const { clock } = ports;
  const { file, pin } = context;
  const { chunk, lines, dead } = attempts;
  const { saved, attempt } = own;
  const stop = new AbortController();
  const narrower = new AbortController();
  const over = new AbortController();
  const losses = watchLosses(clock, AbortSignal.any([options.signal, over.signal]));
  let unsaveable: { error: unknown } | null = null;
  let overtaken = false;
  /** A wiped Redis refuses everybody and stops nobody; a zombie stops in the same second. */
  const look = async (isPassed: () => Promise<boolean>): Promise<void> => {
    overtaken ||= await isPassed();
    if (overtaken) stop.abort();
  };
  attempts.onRefused = () => void look(attempt.isOvertaken);
  const missing = lines.flatMap((line) => (isBadLine(line) ? [] : line.principles)).length - saved.rows.size;
  const saver = saveRows(
    ports,
    { file, pin, chunk, attempt: attempt.id, rows: missing, giveUp: options.signal },
    {
      onSaved: () => {
        if (attempts.refused) attempts.onRefused();
      },
      onSpooled: options.onSpooled,
      onAway: options.onAway,
      onError: (error) => {
        unsaveable ??= { error };
        stop.abort();
      },
    },
  );
  /** A lone row of an attempt that lives must not be taken for one that died: whoever begins after it, it makes way. */
  async function makeWay(): Promise<void> {
    while (!over.signal.aborted && !overtaken) {
      await clock.sleep(lookForFollowersMs, over.signal);
      if (!over.signal.aborted) await look(attempt.isFollowed);
    }
  }
  let isAlone = false;
  const onAlone = (): void => {
    if (!isAlone) void makeWay();
    isAlone = true;
  };

  try {
    const asking = { ...own, lines, saver, losses, dead, stop, narrower, onAlone };
    const rows = await askMissing(ports, context, asking, options);
    const outcome = await commitChunk(ports, context, chunk, rows, saved, options);
    if (outcome.kind === "failed-as-a-whole" && !losses.died.aborted) await attempt.end(options.abort);
    return outcome;
  } catch (error) {
    await losses.settled();
    const { died } = losses;
    if (!options.abort.aborted && died.aborted) await saver.saveAll(AbortSignal.any([options.signal, stop.signal]));
    else if (!options.abort.aborted) await saver.save();
    const isOver = options.signal.aborted || options.drain.aborted || !isAssayError(error, "E_ABORTED");
    const isLetGo = !isOver && !overtaken && unsaveable === null;
    if (died.aborted) leaveOpen({ attempt, losses, dead, abort: options.abort });
    else if (narrower.signal.aborted && isLetGo) return "narrower";
    else await attempt.end(options.abort);
    // of no use any more once the chunk goes back, and the store may say nothing for minutes
    if (died.aborted && attempts.refused) await untilAborted(look(attempt.isOvertaken), options.signal).catch(() => {});
    if (overtaken) return { kind: "overtaken" };
    if (unsaveable !== null) throw (unsaveable as { error: unknown }).error;
    if (died.aborted && isLetGo) return "engine-died";
    throw error;
  } finally {
    attempts.onRefused = () => {};
    over.abort();
    await saver.close();
  }
}

/**
 * Its engine died, or may have: when it is back and turns out to have lived, nothing died under the attempt. An engine
 * that never comes back keeps what is handed in here for ever: nothing of the chunk's rows.
 */
function leaveOpen(of: { attempt: ChunkAttempt; losses: Losses; dead: Set<string>; abort: AbortSignal }): void {
  const { attempt, losses, dead, abort } = of;
  void losses.allLive().then(async (lived) => {
    if (lived) await attempt.end(abort);
    else dead.add(attempt.id);
  });
}
