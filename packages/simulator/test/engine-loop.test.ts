import { describe, expect, test } from "@jest/globals";
import { createEngineLoop, type LoopSettings, type RowEnd } from "../src/engine-loop.ts";
import { createKvCache } from "../src/kv-cache.ts";
import { virtualClock } from "../src/virtual-clock.ts";

function setUp(settings: Partial<LoopSettings>, kvBlocks = 1_000) {
  const time = virtualClock();
  const full = {
    slots: 2,
    tokensPerSecond: 10,
    engineTokensPerSecond: 0,
    prefillTokensPerSecond: 0,
    blockSize: 4,
    ...settings,
  };
  const kv = createKvCache(kvBlocks, full.blockSize);
  const loop = createEngineLoop(full, kv, time);
  const log: string[] = [];
  const ends = new Map<string, RowEnd>();
  let started = 0;
  /** A row of its own tokens: none shares a prefix with another, unless told so. */
  const submit = (
    name: string,
    promptTokens: number,
    answerTokens: number,
    sharedFirst?: number,
    afterwards?: () => void,
  ) => {
    started += 1;
    const first = sharedFirst ?? started * 10_000;
    const list = (length: number, from: number): number[] => Array.from({ length }, (_, i) => from + i);
    return loop.submit(
      {
        promptIds: list(promptTokens, first),
        cacheSalt: null,
        generate: () => {
          log.push(`${name} in at ${time.now()}`);
          return list(answerTokens, first + promptTokens);
        },
      },
      (end) => {
        log.push(`${name} ${end.kind} at ${time.now()}`);
        ends.set(name, end);
        afterwards?.();
      },
    );
  };
  const report = (name: string) => {
    const end = ends.get(name);
    if (end?.kind !== "finished") throw new Error(`${name} did not finish`);
    return end.report;
  };
  return { time, loop, kv, log, submit, report };
}

describe("engine-loop", () => {
  test("no more rows than slots, first come first served, each at its own speed", () => {
    const { time, loop, log, submit } = setUp({});
    submit("a", 4, 10);
    submit("b", 4, 30);
    submit("c", 4, 5);
    submit("d", 4, 5);
    time.goTo(500);
    expect([loop.running, loop.waiting]).toEqual([2, 2]);
    time.goTo(10_000);
    expect(log).toEqual([
      "a in at 0",
      "b in at 0",
      "a finished at 1000",
      "c in at 1000",
      "c finished at 1500",
      "d in at 1500",
      "d finished at 2000",
      "b finished at 3000",
    ]);
    expect([loop.running, loop.waiting]).toEqual([0, 0]);
  });

  test("tokens are counted as they are written, not at the end", () => {
    const { time, loop, submit } = setUp({});
    submit("a", 4, 10);
    time.goTo(350);
    loop.settle();
    expect(loop.counters.generationTokens).toBe(3);
    expect(loop.counters.promptTokens).toBe(4);
    time.goTo(5_000);
    expect(loop.counters.generationTokens).toBe(10);
  });

  test("a hang-up frees the slot at once, running or waiting", () => {
    const { time, loop, kv, log, submit } = setUp({});
    const hangUpA = submit("a", 4, 100);
    submit("b", 4, 100);
    const hangUpC = submit("c", 4, 100);
    submit("d", 4, 10);
    time.goTo(200);
    hangUpA();
    hangUpC();
    hangUpC();
    time.goTo(200);
    expect(log).toEqual(["a in at 0", "b in at 0", "d in at 200"]);
    expect([loop.running, loop.waiting, loop.counters.aborted]).toEqual([2, 0, 2]);
    time.goTo(100_000);
    expect(kv.usedBlocks).toBe(0);
  });

  test("at speed 0 a row takes a slot, but no time", () => {
    const { time, log, submit } = setUp({ slots: 1, tokensPerSecond: 0 });
    submit("a", 4, 1_000);
    submit("b", 4, 1_000);
    time.goTo(0);
    expect(log).toEqual(["a in at 0", "a finished at 0", "b in at 0", "b finished at 0"]);
  });

  test("without blocks the newest row gives way, keeps what it wrote, and ends later than alone", () => {
    // 10 blocks of 4; two rows of 4 + 28 tokens need 8 each
    const { time, loop, kv, log, submit, report } = setUp({}, 10);
    submit("old", 4, 28);
    submit("new", 4, 28);
    time.goTo(1_700);
    expect([loop.running, loop.waiting, loop.counters.preemptions]).toEqual([1, 1, 1]);
    time.goTo(100_000);
    // the old row is not disturbed; the new one wrote 17 tokens in its first 1.7 s, and goes on when the old one ends
    expect(log.slice(2)).toEqual(["old finished at 2800", "new finished at 3900"]);
    expect([report("old").preemptions, report("new").preemptions]).toEqual([0, 1]);
    expect(loop.counters.generationTokens).toBe(56);
    expect(kv.usedBlocks).toBe(0);
  });

  test("a row waits for blocks of its prompt, and nobody overtakes it", () => {
    const { time, submit, report } = setUp({ slots: 8 }, 10);
    submit("a", 24, 10);
    submit("big", 20, 10);
    submit("small", 1, 10);
    time.goTo(100_000);
    expect(["a", "big", "small"].map((name) => report(name).queueMs)).toEqual([0, 1_000, 1_000]);
  });

  test("the prefix cache shortens the prefill and is counted", () => {
    const { time, loop, submit, report } = setUp({ prefillTokensPerSecond: 100 });
    submit("first", 100, 10, 10_000);
    time.goTo(10_000);
    submit("second", 111, 1, 10_000);
    time.goTo(20_000);
    expect([report("first").prefillMs, report("first").cachedTokens]).toEqual([1_000, 0]);
    expect(report("second").cachedTokens).toBe(108);
    expect(report("second").prefillMs).toBeCloseTo(30, 6);
    expect([loop.counters.prefixQueries, loop.counters.prefixHits]).toEqual([211, 108]);
  });

  test("frozen: nothing moves and nobody is let in; then it goes on where it stood", () => {
    const { time, loop, log, submit } = setUp({});
    submit("a", 4, 10);
    time.goTo(500);
    loop.setFrozen(true);
    submit("b", 4, 10);
    time.goTo(60_000);
    loop.settle();
    expect([loop.counters.generationTokens, loop.running, loop.waiting]).toEqual([5, 1, 1]);
    loop.setFrozen(false);
    time.goTo(100_000);
    expect(log).toEqual(["a in at 0", "b in at 60000", "a finished at 60500", "b finished at 61000"]);
  });

  test("dead: every row ends so, and the next one finds an empty engine", () => {
    const { time, loop, kv, log, submit } = setUp({});
    for (const name of ["a", "b", "c"]) submit(name, 4, 10);
    time.goTo(100);
    loop.kill();
    expect(log.slice(2)).toEqual(["a dead at 100", "b dead at 100", "c dead at 100"]);
    expect([loop.running, loop.waiting, kv.usedBlocks]).toEqual([0, 0, 0]);
    submit("d", 4, 10);
    time.goTo(5_000);
    expect(log.at(-1)).toBe("d finished at 1100");
  });

  describe("where rows share the engine's speed", () => {
    // a row alone writes 10 tokens a second; each further row makes a step 50 ms longer
    const shared = { engineTokensPerSecond: 20, slots: 8 };

    test("a step grows with the rows in it, and shrinks when one ends or hangs up", () => {
      const { time, loop, log, submit } = setUp(shared);
      submit("a", 4, 10);
      submit("b", 4, 20);
      const hangUp = submit("c", 4, 100);
      // three rows: steps of 200 ms
      time.goTo(1_000);
      loop.settle();
      expect(loop.counters.generationTokens).toBe(15);
      hangUp();
      time.goTo(100_000);
      // two rows: five steps of 150 ms, then ten of 100 ms
      expect(log.slice(3)).toEqual(["a finished at 1750", "b finished at 2750"]);
    });

    test("a prefill holds up everybody, and prefills stand in line", () => {
      const { time, log, submit, report } = setUp({ ...shared, prefillTokensPerSecond: 100 });
      submit("a", 100, 10);
      time.goTo(1_500);
      submit("b", 50, 10);
      submit("c", 50, 10);
      time.goTo(100_000);
      // a: 5 steps alone, 1 s of the others' prefills, 5 steps of three rows; then 5 steps of two
      expect(log.filter((line) => line.includes("finished"))).toEqual([
        "a finished at 3500",
        "b finished at 4250",
        "c finished at 4250",
      ]);
      expect(["a", "b", "c"].map((name) => report(name).prefillMs)).toEqual([1_000, 500, 500]);
    });

    test("more rows are faster together until the cache is too small for them, then slower", () => {
      const tokensIn100s = (rows: number): number => {
        const { time, loop, submit } = setUp({ ...shared, prefillTokensPerSecond: 40 }, 30);
        let next = 0;
        const again = (): void => {
          next += 1;
          submit(`${next}`, 8, 20, undefined, again);
        };
        for (let row = 0; row < rows; row += 1) again();
        time.goTo(100_000);
        loop.settle();
        return loop.counters.generationTokens;
      };
      const [one, four, eight] = [tokensIn100s(1), tokensIn100s(4), tokensIn100s(8)];
      expect(four).toBeGreaterThan(1.3 * one);
      expect(four).toBeGreaterThan(eight);
    });
  });
});
