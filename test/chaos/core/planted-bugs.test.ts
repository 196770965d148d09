import { expect, test } from "@jest/globals";
import { nightOf } from "./night.ts";
import { plantedBugs } from "./planted-bugs.ts";
import { playNight } from "./play-night.ts";
import { playSeed, replaySeed } from "./replay-seed.ts";

const mostSeeds = 1_000;

/** The law that each bug breaks, as it says so. */
const broken: { readonly [name: string]: RegExp } = {
  "acknowledge before commit": /two living workers ask|is asked again/,
  "overwrite instead of put-if-absent": /has changed/,
  "a lost checkpoint": /asked again although a checkpoint holds it|is quarantined/,
  "batch.json before its rows and hashes": /rows are gone|running in the morning/,
  "cancel kept only in Redis": /P4: .* was told/,
  "idle read from the queue": /goes home idle/,
  "priorities ignored": /^shares: /,
  "a shard under the key of another batch": /P1: row .* stands in/,
  "a removal that takes every batch's jobs": /P4: .* is about .* changes jobs of/,
  "a cancel that stops every batch": /nobody stopped the batch|running in the morning/,
};

test.each(Object.entries(plantedBugs))(
  `is found within ${mostSeeds} seeds: %s`,
  async (name, bug) => {
    for (let seed = 0; seed < mostSeeds; seed += 1) {
      if (bug.betweenBatches && nightOf(seed).second === null) continue;
      const { wrong } = await playSeed(seed, bug);
      // others may see it sooner
      if (wrong.some((line) => broken[name]?.test(line))) return;
    }
    throw new Error(`not found in ${mostSeeds} seeds`);
  },
  600_000,
);

test("a failure is printed small, with what happened in it", async () => {
  const bug = plantedBugs["idle read from the queue"];
  let seed = 0;
  while ((await playSeed(seed, bug)).wrong.length === 0) seed += 1;
  const told = await replaySeed(seed, bug);
  expect(told).toMatch(/^seed \d+: \{"schedule"/);
  const small = JSON.parse(/the smallest night with something wrong: (.*)/.exec(told)?.[1] ?? "null");
  expect(small.records.length).toBeLessThanOrEqual(nightOf(seed).records.length);
  expect(small.workers).toBe(1);
  expect(told).toMatch(/ s {2}worker-0#\d+ {2}goes home: idle/);
}, 600_000);

test("a seed plays the same night every time", async () => {
  const lines = async (seed: number): Promise<string[]> => {
    const told: string[] = [];
    await playNight(nightOf(seed), { trace: (line) => told.push(line) });
    return told;
  };
  for (const seed of [1, 2, 50]) {
    const first = await lines(seed);
    expect(first.length).toBeGreaterThan(20);
    expect(await lines(seed)).toEqual(first);
  }
});
