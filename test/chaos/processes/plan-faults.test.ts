import { expect, test } from "@jest/globals";
import { faultNames, kindOf } from "./fault-kinds.ts";
import { planFaults } from "./plan-faults.ts";

test("the same seed is the same plan, another seed another one", () => {
  expect(planFaults(7, 5, 3, 2)).toEqual(planFaults(7, 5, 3, 2));
  expect(planFaults(8, 5, 3, 2)).not.toEqual(planFaults(7, 5, 3, 2));
});

test.each([...Array(200).keys()])("seed %i: in order, within the run, one fault of a part at a time", (seed) => {
  const faults = planFaults(seed, 3, 3, 2);
  expect(faults.length).toBeGreaterThan(30);
  const busy = new Map<string, number>();
  let last = 0;
  for (const { name, atMs, untilMs, worker, engine } of faults) {
    const { part } = kindOf(name);
    expect(atMs).toBeGreaterThanOrEqual(last);
    expect(untilMs).toBeLessThanOrEqual(3 * 60_000 - 5_000);
    expect([0, 1, 2]).toContain(worker);
    expect([0, 1]).toContain(engine);
    if (part !== "worker") expect(busy.get(part) ?? 0).toBeLessThanOrEqual(atMs);
    busy.set(part, untilMs);
    last = atMs;
  }
});

test("half an hour holds every kind", () => {
  const seen = new Set(planFaults(1, 30, 3, 2).map(({ name }) => name));
  expect(faultNames.filter((name) => !seen.has(name))).toEqual([]);
});
