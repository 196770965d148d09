import { createEngineLoop, type RowEnd, type RowWork } from "./engine-loop.ts";
import { createKvCache } from "./kv-cache.ts";
import { createMetrics } from "./metrics.ts";
import { resolveOptions, type SimulatorOptions } from "./options.ts";
import { virtualClock } from "./virtual-clock.ts";

/** The scheduler and the KV cache of the simulated engine without HTTP and in virtual time, for what takes hours. */
export interface VirtualEngine {
  /** Queues a row; see EngineLoop. `done` is called in virtual time and may submit the next one. */
  submit(work: RowWork, done: (end: RowEnd) => void): () => void;
  /** The page of GET /metrics, as of now. */
  metrics(): string;
  /** Moves time on, in milliseconds since its birth. */
  goTo(ms: number): void;
}

/** Throws RangeError for options that no engine could start with. */
export function virtualEngine(options: SimulatorOptions): VirtualEngine {
  const resolved = resolveOptions(options);
  const clock = virtualClock();
  const kv = createKvCache(resolved.kvBlocks, resolved.blockSize);
  const loop = createEngineLoop(resolved, kv, clock);
  const metrics = createMetrics(resolved, 0);
  return {
    submit: (work, done) => loop.submit(work, done),
    metrics() {
      loop.settle();
      return metrics.render(loop, kv);
    },
    goTo: (ms) => clock.goTo(ms),
  };
}
