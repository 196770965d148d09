import {
  type Asked,
  AssayError,
  askBothWays,
  askVerdict,
  type Complete,
  inWay,
  type PromptPrefix,
  type RowOutcome,
} from "@assay/core";
import type { EnginePool, EngineSlot } from "@assay/engine";
import { answerWithin } from "./answer-within.ts";
import type { BatchContext } from "./batch-context.ts";
import type { Clock } from "./clock.ts";
import { type AskedFor, outcomeOf } from "./row-outcome.ts";
import { retryAfter, type Tries, whatNext } from "./what-next.ts";

export interface RowPorts {
  readonly pool: Pick<EnginePool, "acquire" | "fence" | "isFenced">;
  readonly clock: Clock;
  /** when the chunk began, for `queue_ms` */
  readonly startedAt: number;
  readonly signal: AbortSignal;
}

/** A row that takes longer than this is aborted, which frees its KV blocks: 16,000 tokens at 60 ms are 16 minutes. */
const chatDeadlineMs = 30 * 60_000;
const readDeadlineMs = 5 * 60_000;
/** Pauses before an engine that is busy or failed is asked again; it may say how long, but never "at once". */
const pauseMs = { first: 500, most: 15_000 } as const;
/** A store that is silent for longer may be so for minutes; a later row asks for the change of way again. */
const settlePatienceMs = 3_000;

/**
 * Asks one row until there is an outcome: a slot, one or two requests in it. A loaded engine is waited for, a lost one
 * is replaced by another or waited for, one that gave the row up is asked again, one that refuses the key or the model,
 * too, and is fenced when it goes on; none of it is charged to the row.
 * `prefix` is what its prompt shares with other rows. Rejects with E_ABORTED or E_ENGINES_FENCED only.
 */
export async function askRow(
  ports: RowPorts,
  context: BatchContext,
  rowIndex: number,
  built: AskedFor,
  prefix?: PromptPrefix,
): Promise<RowOutcome & { readonly engine: string }> {
  const { batch } = context.file;
  let queueMs: number | null = null;
  let waitMs: number = pauseMs.first;
  let drawnBy = prefix;
  let tries: Tries = { own: 1, handedBack: 0 };
  for (;;) {
    const slot = await ports.pool.acquire(batch, ports.signal, drawnBy);
    let outcome: RowOutcome & { readonly engine: string };
    try {
      queueMs ??= ports.clock.now() - ports.startedAt;
      const asked = await ask(ports, context, rowIndex, built, slot);
      const next = whatNext(asked, tries);
      if (next === "aborted") throw new AssayError("E_ABORTED", "stopped while the row was scored");
      if (asked.ok) context.watch.answers(slot.origin);
      const isRefused = next === "refused";
      if (isRefused && context.watch.refuses(slot.origin, ports.clock.now()))
        ports.pool.fence(batch, slot.origin, failureWords(asked));
      else if (isRefused || next === "busy" || next === "again" || next === "handed-back") {
        // not back to where it was refused or failed, when another has room
        drawnBy = undefined;
        // in the slot: an engine that has too much is not sent another row meanwhile
        await ports.clock.sleep(Math.max(retryAfter(asked) ?? waitMs, pauseMs.first), ports.signal);
        waitMs = Math.min(waitMs * 2, pauseMs.most);
      }
      if (next === "again") tries = { ...tries, own: tries.own + 1 };
      if (next === "handed-back") tries = { ...tries, handedBack: tries.handedBack + 1 };
      if (next !== "done") continue;
      outcome = { ...outcomeOf(asked, built, context), queueMs, attempts: tries.own, engine: slot.origin };
    } finally {
      slot.release();
    }
    // may ask the store: no slot waits for that
    await settle(ports, context, slot.origin);
    return outcome;
  }
}

/** The row's result is kept nowhere yet: it is not held up by a store that says nothing, nor lost when the chunk goes back. */
async function settle({ clock, signal }: RowPorts, { reading }: BatchContext, origin: string): Promise<void> {
  const settling = reading.settle(origin);
  if (settling === null) return;
  const settled = settling.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const failed = await answerWithin(clock, settlePatienceMs, settled, signal);
  if (failed !== null && failed !== "silent") throw failed.error;
}

/** Asks in the engine's present way. */
async function ask(
  ports: RowPorts,
  context: BatchContext,
  rowIndex: number,
  built: AskedFor,
  slot: EngineSlot,
): Promise<Asked> {
  const complete: Complete = (request) =>
    slot.complete(request, {
      signal: ports.signal,
      deadlineMs: request.kind === "chat" ? chatDeadlineMs : readDeadlineMs,
    });
  const { profile, reading } = context;
  const { way, server } = reading.on(slot.origin);
  if (way === "both") {
    const request = inWay(built.request, profile, "ids", server);
    return reading.noteBoth(rowIndex, await askBothWays(complete, request, profile));
  }
  const asked = await askVerdict(complete, inWay(built.request, profile, way, server), profile);
  reading.note(slot.origin, asked);
  return asked;
}

function failureWords(asked: Asked): string {
  return asked.ok ? "" : `the engine refuses this batch: ${asked.failure.message}`;
}
