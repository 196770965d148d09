import type { EngineOutcome } from "@assay/core";
import type { PoolEngine } from "./pool-engine.ts";
import type { EngineSlot } from "./port.ts";
import { inSeconds, isAtHardLimit, limitAfterAnswer, limitAfterLoss } from "./proxy-limit.ts";
import { capAfterAnswer, capAfterRefusal } from "./rate-cap.ts";

/**
 * Takes a slot of an engine. `lose` hears why the engine is taken for lost, `onRelease` once that the slot is free again;
 * `session` goes out with each request.
 */
export function takeSlot(
  engine: PoolEngine,
  session: string | undefined,
  tell: { lose: (why: string) => void; onRelease: () => void },
): EngineSlot {
  let held = true;
  let answeredIn: number | null = null;
  engine.inFlight += 1;
  return {
    origin: engine.client.origin,
    async complete(request, { signal, deadlineMs }) {
      const own = new AbortController();
      const stop = (): void => own.abort();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      engine.running.add(own);
      engine.sent += 1;
      const number = engine.sent;
      const sentAt = performance.now();
      try {
        const outcome = await engine.client.complete(request, { signal: own.signal, deadlineMs, session });
        const tookMs = performance.now() - sentAt;
        if (outcome.ok) {
          engine.cap = capAfterAnswer(engine.cap, engine.limit);
          engine.proxy = limitAfterAnswer(engine.proxy, tookMs);
          answeredIn ??= engine.epoch;
          return answeredIn === engine.epoch ? outcome : straddles;
        }
        if (outcome.failure.status === 429) engine.cap = capAfterRefusal(engine.cap, number, engine);
        if (outcome.failure.kind === "unreached") tell.lose(outcome.failure.message);
        if (outcome.failure.kind === "lost") {
          if (isAtHardLimit(engine.proxy, tookMs)) return cutByProxy(tookMs);
          engine.proxy = limitAfterLoss(engine.proxy, tookMs);
          tell.lose(outcome.failure.message);
        }
        const givenUp = outcome.failure.kind === "aborted" && !signal.aborted;
        return givenUp ? { ok: false, failure: { ...outcome.failure, kind: "lost", message: "given up" } } : outcome;
      } finally {
        engine.running.delete(own);
        signal.removeEventListener("abort", stop);
      }
    },
    fate: () => engine.fate,
    release() {
      if (!held) return;
      held = false;
      engine.inFlight -= 1;
      tell.onRelease();
    },
  };
}

/** The ids of one process in the prompt of another: two templates or two models in one row. */
const straddles: EngineOutcome = {
  ok: false,
  failure: {
    kind: "lost",
    status: null,
    message: "the engine was restarted between the row's two requests",
    retryAfterMs: null,
  },
};

function cutByProxy(afterMs: number): EngineOutcome {
  const message = `cut after ${inSeconds(afterMs)} s by a proxy in front of the engine`;
  return { ok: false, failure: { kind: "deadline", status: null, message, retryAfterMs: null } };
}
