import { expect, test } from "@jest/globals";
import { manualClock } from "../src/index.ts";

const never = new AbortController().signal;

test("sleepers wake in order of their time, equal times in order of falling asleep, each at its own time", async () => {
  const clock = manualClock(1_000);
  const woken: string[] = [];
  const sleep = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms, never);
    woken.push(`${name} at ${clock.now()}`);
  };
  const all = [sleep("c", 30), sleep("a", 10), sleep("b", 20), sleep("b2", 20), sleep("far", 1_000)];
  await clock.advance(9);
  expect(woken).toEqual([]);
  await clock.advance(21);
  expect(woken).toEqual(["a at 1010", "b at 1020", "b2 at 1020", "c at 1030"]);
  expect(clock.now()).toBe(1_030);
  expect(clock.sleepers()).toBe(1);
  await clock.advance(970);
  await Promise.all(all);
  expect(woken.at(-1)).toBe("far at 2000");
});

test("one advance wakes a loop of sleeps as often as it would have woken", async () => {
  const clock = manualClock(0);
  const stop = new AbortController();
  const beats: number[] = [];
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(250, stop.signal);
      if (!stop.signal.aborted) beats.push(clock.now());
    }
  })();
  await clock.advance(1_000);
  expect(beats).toEqual([250, 500, 750, 1_000]);
  stop.abort();
  await loop;
  expect(beats).toHaveLength(4);
  expect(clock.sleepers()).toBe(0);
});

test("a signal wakes at once, before or while sleeping, and never rejects", async () => {
  const clock = manualClock();
  await clock.sleep(1_000, AbortSignal.abort());
  const stop = new AbortController();
  const sleeping = clock.sleep(1_000, stop.signal);
  stop.abort();
  await sleeping;
  expect(clock.sleepers()).toBe(0);
});

test("a test can wait until something sleeps", async () => {
  const clock = manualClock();
  const two = clock.untilSleeping(2);
  let reached = false;
  void two.then(() => {
    reached = true;
  });
  const first = clock.sleep(1, never);
  await clock.untilSleeping(1);
  expect(reached).toBe(false);
  const second = clock.sleep(1, never);
  await two;
  await clock.advance(1);
  await Promise.all([first, second]);
});

test("chance is the same each time and never twice", () => {
  const draw = (): string[] => {
    const clock = manualClock();
    return Array.from({ length: 20 }, () => clock.random());
  };
  expect(draw()).toEqual(draw());
  expect(new Set(draw()).size).toBe(20);
  for (const drawn of draw()) expect(drawn).toMatch(/^[0-9a-f]{16}$/);
});
