import { setTimeout as sleep } from "node:timers/promises";
import type { EngineFailureKind } from "@assay/core";
import type { EngineClient } from "./engine-client.ts";

/** What says nothing about an engine's settings: it may be gone a second later. */
const passing: ReadonlySet<EngineFailureKind> = new Set(["busy", "unreached", "lost", "server_error", "bad_answer"]);
/** Longer than a proxy's hiccup, short beside loading weights. */
const pausesMs = [1_000, 4_000];

/**
 * The client for a probe: what may pass is asked again, twice. One 503 in the wrong second would else be taken for an
 * engine that cannot read verdicts, and keep a worker away from a batch for a minute, or end a `score`.
 */
export function patientClient(client: EngineClient): EngineClient {
  return {
    ...client,
    async complete(request, options) {
      for (let round = 0; ; round += 1) {
        const outcome = await client.complete(request, options);
        const pause = pausesMs[round];
        if (outcome.ok || !passing.has(outcome.failure.kind) || pause === undefined) return outcome;
        await sleep(pause, undefined, { signal: options.signal }).catch(() => {});
        if (options.signal.aborted) return outcome;
      }
    },
  };
}
