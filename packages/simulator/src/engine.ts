import { openCursor } from "./cursor.ts";
import { createEngineLoop, type EngineLoop, type LoopClock, type RowWork } from "./engine-loop.ts";
import type { FaultState } from "./faults.ts";
import { type Answer, answerText, generateAnswer } from "./generate-answer.ts";
import type { Generated, Generation, Written } from "./generation.ts";
import { createKvCache, type KvCache } from "./kv-cache.ts";
import type { Metrics } from "./metrics.ts";
import type { ResolvedOptions } from "./options.ts";
import { tellLogprobs } from "./tell-logprobs.ts";

export interface Engine {
  readonly loop: EngineLoop;
  readonly kv: KvCache;
  /**
   * The answer once its row had a slot and its time; "dead" when the engine died; null when the signal aborted.
   * `onSlot` is told what is going to be written and how to count what is by now.
   */
  generate(
    generation: Generation,
    signal: AbortSignal,
    onSlot?: (written: Written, count: () => number) => void,
  ): Promise<Generated | "dead" | null>;
}

/** The simulated model behind the scheduler. Answers depend on the request and the seeds alone, never on the load. */
export function createEngine(
  options: ResolvedOptions,
  metrics: Metrics,
  faults: FaultState,
  clock: LoopClock,
  /** the process that it runs in ends */
  die: () => void,
): Engine {
  const { seed, reasoningTokens, oddities, logprobsMode, prefillShift } = options;
  const mind = { seed, reasoningTokens, oddities };
  const kv = createKvCache(options.kvBlocks, options.blockSize);
  const loop = createEngineLoop(options, kv, clock);

  function write({ promptIds, sampling, ending }: Generation): Answer {
    const answer = generateAnswer(openCursor(promptIds, mind), sampling, ending);
    return faults.abortsHalfway() ? abortHalfway(answer) : answer;
  }

  function tell({ promptIds, logprobs, sampling }: Generation, answer: Answer): Generated["told"] {
    if (logprobs === null) return null;
    return tellLogprobs(openCursor(promptIds, mind), answer.ids, logprobs, sampling, {
      mode: logprobsMode,
      prefillShift,
    });
  }

  return {
    loop,
    kv,
    generate(generation, signal, onSlot) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve(null);
        let answer: Answer | null = null;
        const work: RowWork = {
          promptIds: generation.promptIds,
          cacheSalt: generation.cacheSalt,
          generate: () => {
            if (faults.isDeadly(generation.promptText)) die();
            answer = write(generation);
            onSlot?.({ answer, told: tell(generation, answer) }, () => loop.written(work));
            return answer.ids;
          },
        };
        const hangUp = loop.submit(work, (end) => {
          signal.removeEventListener("abort", onAbort);
          if (end.kind === "dead" || answer === null) return resolve("dead");
          metrics.finished(answer.finishReason, end.report, generation.ending.maxTokens);
          resolve({ answer, told: tell(generation, answer), cachedTokens: end.report.cachedTokens });
        });
        function onAbort(): void {
          hangUp();
          resolve(null);
        }
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}

function abortHalfway({ ids }: Answer): Answer {
  const half = ids.slice(0, Math.ceil(ids.length / 2));
  return { ids: half, text: answerText(half), finishReason: "abort", stopReason: null };
}
