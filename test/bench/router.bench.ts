import { type Simulator, startSimulator } from "@assay/simulator";
import { changed, percent, type Run, scoreBatch, words } from "./score-batch.ts";

/**
 * What locality is worth, and what it costs where there is nothing to share: 8 simulated engines with a prefix cache and
 * a price for prompt tokens, each batch once with the router and once with the fewest rows in flight alone. Answers are
 * the same in every run; only where rows go differs. `npm run bench test/bench/router.bench.ts [rows] [rounds]`
 */

const engines = 8;
const slots = 8;
const rows = Number(process.argv[2] ?? 2_000);
const rounds = Number(process.argv[3] ?? 1);
const principles = ["correctness", "conciseness", "clarity", "helpfulness"];
/** 1 s for an answer and 0.5 s for a prompt that no cache holds, so that this process has time to spare. */
const speed = { tokensPerSecond: 100, prefillTokensPerSecond: 1_250, reasoningTokens: 100 };

const record = (i: number, asked: readonly string[]): string =>
  `${JSON.stringify({ prompt: `${i} ${words(200, 2 * i)}`, response: `${i} ${words(150, 2 * i + 1)}`, principles: asked })}\n`;
const batch = (records: number, asked: readonly string[]): string =>
  Array.from({ length: records }, (_, i) => record(i, asked)).join("");

/** On fresh engines: a cache that another run filled would answer for this one. */
async function run(records: string, router: boolean): Promise<Run> {
  const fleet: Simulator[] = [];
  for (let i = 0; i < engines; i += 1) {
    fleet.push(await startSimulator({ slots, promptTokensDetails: true, ...speed }));
  }
  try {
    return await scoreBatch({
      records,
      urls: fleet.map(({ url }) => url),
      inFlight: slots,
      wrap: (pool) => (router ? pool : changed(pool, (of, signal) => pool.acquire(of, signal))),
    });
  } finally {
    for (const simulator of fleet) await simulator.close();
  }
}

/** What one engine with room for everything finds again: all that can be shared. */
async function shareable(records: string): Promise<Run> {
  const all = await startSimulator({ slots: 256, promptTokensDetails: true, reasoningTokens: 1 });
  try {
    return await scoreBatch({ records, urls: [all.url], inFlight: 4 });
  } finally {
    await all.close();
  }
}

function tell(name: string, { seconds, rows: asked, promptTokens, cachedTokens, busy }: Run): void {
  const perSecond = (asked / seconds).toFixed(1).padStart(6);
  const cached = percent(cachedTokens / promptTokens).padStart(6);
  console.log(
    `  ${name.padEnd(24)} ${perSecond} rows/s   ${cached} of prompt tokens cached   harness busy ${percent(busy)}`,
  );
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const siblings = batch(rows / principles.length, principles);
const single = batch(rows, principles.slice(0, 1));
const ideal = await shareable(siblings);
console.log(
  `${rows} rows on ${engines} engines of ${slots} slots; prompts of ${Math.round(ideal.promptTokens / ideal.rows)} tokens`,
);
tell("all that can be shared", ideal);

const hits: number[] = [];
const plainHits: number[] = [];
const gains: number[] = [];
const costs: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  const [plain, routed] = [await run(siblings, false), await run(siblings, true)];
  tell("4 principles, plain", plain);
  tell("4 principles, router", routed);
  const [plainSingle, routedSingle] = [await run(single, false), await run(single, true)];
  tell("no siblings, plain", plainSingle);
  tell("no siblings, router", routedSingle);
  hits.push(routed.cachedTokens / ideal.cachedTokens);
  plainHits.push(plain.cachedTokens / ideal.cachedTokens);
  gains.push(plain.seconds / routed.seconds);
  costs.push(plainSingle.seconds / routedSingle.seconds);
}
console.log(
  `prefix hits of the shareable tokens   ${percent(median(hits))} (plain ${percent(median(plainHits))}; goal 90 %)`,
);
console.log(`throughput with siblings              ${median(gains).toFixed(3)} of plain`);
console.log(`throughput without siblings           ${median(costs).toFixed(3)} of plain (goal 0.99)`);
