import { performance } from "node:perf_hooks";
import type { JobQueue } from "@assay/queue";
import { startSimulator } from "@assay/simulator";
import { percent, type Run, scoreBatch, words } from "./score-batch.ts";

/**
 * How full one engine's slots are over a job whose answers have long tails, beside a worker that takes a chunk only when
 * the one before it has ended. As many rows in flight as the engine has slots, so that nothing waits inside the engine
 * and every gap shows. `npm run bench test/bench/flow.bench.ts [rows] [slots]`
 */

const rows = Number(process.argv[2] ?? 4_000);
const slots = Number(process.argv[3] ?? 64);
/** 200 tokens on average, the longest of thousands ten times that: 0.75 s and 8 s. */
const speed = { reasoningTokens: 200, tokensPerSecond: 270 };
const lookEveryMs = 5;

const records = Array.from(
  { length: rows },
  (_, i) =>
    `${JSON.stringify({ prompt: `${i} ${words(40, 2 * i)}`, response: words(40, 2 * i + 1), principle: "correctness" })}\n`,
).join("");

async function measure(
  wrapQueue?: (queue: JobQueue) => JobQueue,
): Promise<{ run: Run; whole: number; steady: number }> {
  const simulator = await startSimulator({ slots, ...speed });
  const looks: { at: number; running: number }[] = [];
  let startedAt = 0;
  const looking = setInterval(() => {
    if (startedAt > 0) looks.push({ at: (performance.now() - startedAt) / 1_000, running: simulator.stats.running });
  }, lookEveryMs);
  try {
    const run = await scoreBatch({
      records,
      urls: [simulator.url],
      inFlight: slots,
      ...(wrapQueue === undefined ? {} : { wrapQueue }),
      onServed: (served) => {
        if (served === 1) startedAt = performance.now();
      },
    });
    const mean = (from: number, to: number): number => {
      const within = looks.filter(({ at }) => at >= from && at < to);
      return within.reduce((sum, { running }) => sum + running, 0) / within.length / slots;
    };
    // steady: from a tenth of the job on, until no row waits for a slot any more
    return { run, whole: mean(0, run.seconds), steady: mean(run.seconds / 10, run.lastServed) };
  } finally {
    clearInterval(looking);
    await simulator.close();
  }
}

/** What slots without any gap would reach with these rows in this order: the rest is the tail of the last answers. */
function ceiling(held: readonly number[]): number {
  const ends = new Array<number>(slots).fill(0);
  for (const seconds of held) {
    const first = ends.indexOf(Math.min(...ends));
    ends[first] = (ends[first] ?? 0) + seconds;
  }
  return held.reduce((sum, seconds) => sum + seconds, 0) / slots / Math.max(...ends);
}

/** The next chunk only when the one before has ended. */
function barrier(queue: JobQueue): JobQueue {
  let ended: Promise<void> = Promise.resolve();
  return {
    ...queue,
    async take(signal) {
      await ended;
      const leased = await queue.take(signal);
      if (leased === null) return null;
      let end = (): void => {};
      ended = new Promise((resolve) => {
        end = resolve;
      });
      return {
        ...leased,
        done: () => leased.done().finally(end),
        handBack: () => leased.handBack().finally(end),
      };
    },
  };
}

function tellRun(name: string, { run, whole, steady }: Awaited<ReturnType<typeof measure>>): void {
  console.log(
    `  ${name.padEnd(20)} steady ${percent(steady).padStart(6)}   whole job ${percent(whole).padStart(6)}   ${run.seconds.toFixed(1)} s   harness busy ${percent(run.busy)}`,
  );
}

const continuous = await measure();
console.log(`${rows} rows in ${continuous.run.chunks} chunks on one engine of ${slots} slots; share of slots in use`);
tellRun("continuous", continuous);
console.log(`  slots without gaps                    whole job ${percent(ceiling(continuous.run.held)).padStart(6)}`);
const barred = await measure(barrier);
tellRun("barrier per chunk", barred);
console.log(
  `goals: steady 97 %, whole job 93 %; ${(barred.run.seconds / continuous.run.seconds).toFixed(2)} times the throughput of the barrier`,
);
