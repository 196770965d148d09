import { manualClock } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { never } from "./build-batch.ts";
import { turn } from "./immediate-clock.ts";

describe("rows ahead", () => {
  /** Whether fewer than `rows` are ahead, told while it is waited for. */
  function below(ahead: ReturnType<typeof openRowsAhead>, rows: number, signal = never): () => boolean {
    let is = false;
    void ahead
      .whenBelow(() => rows, signal)
      .then(() => {
        is = true;
      });
    return () => is;
  }

  test("are those of chunks on their way and those that wait for a slot, each once", async () => {
    const ahead = openRowsAhead(manualClock());
    const here = ahead.fetch("x", 16);
    const served = ahead.wait("x");
    const [seventeen, sixteen] = [below(ahead, 17), below(ahead, 16)];
    await turn();
    expect([seventeen(), sixteen()]).toEqual([false, false]);
    served();
    served();
    await turn();
    expect([seventeen(), sixteen()]).toEqual([true, false]);
    here();
    here();
    await turn();
    expect([sixteen(), below(ahead, 0)()]).toEqual([true, false]);
  });

  test("of chunks that hang one does not count, the oldest, and the next when that one is here", async () => {
    const clock = manualClock();
    const ahead = openRowsAhead(clock);
    const here = ahead.fetch("x", 16);
    await clock.advance(1_000);
    ahead.fetch("x", 8);
    const [nine, eight] = [below(ahead, 9), below(ahead, 8)];
    await clock.advance(999);
    expect([nine(), eight()]).toEqual([false, false]);
    await clock.advance(1);
    expect([nine(), eight()]).toEqual([true, false]);
    // both hang
    await clock.advance(60_000);
    expect(eight()).toBe(false);
    here();
    await turn();
    expect(eight()).toBe(true);
    expect(clock.sleepers()).toBe(0);
    // the second stays the one that is not counted
    ahead.fetch("x", 8);
    const again = below(ahead, 8);
    await turn();
    expect(again()).toBe(false);
  });

  test("of one batch count as what is enough for it at most", async () => {
    const ahead = openRowsAhead(manualClock());
    ahead.fetch("narrow", 100);
    ahead.fetch("wide", 10);
    const enough = (rows: number) => (batch?: string) => (batch === "narrow" ? 4 : rows);
    let is = false;
    void ahead.whenBelow(enough(14), never).then(() => {
      is = true;
    });
    await turn();
    expect([ahead.of("narrow"), ahead.of("wide"), is]).toEqual([100, 10, false]);
    await ahead.whenBelow(enough(15), never);
  });

  test("what is enough may change and is looked at again when fewer are ahead, and the signal ends the waiting", async () => {
    const ahead = openRowsAhead(manualClock());
    let enough = 1;
    const stop = new AbortController();
    const [grown, stopped] = [ahead.whenBelow(() => enough, never), below(ahead, 1, stop.signal)];
    await grown;
    ahead.fetch("x", 16);
    const later = ahead.whenBelow(() => enough, never);
    const other = below(ahead, 1, stop.signal);
    enough = 64;
    ahead.wait("x")();
    await later;
    expect(other()).toBe(false);
    stop.abort();
    await turn();
    expect([stopped(), other()]).toEqual([true, true]);
  });
});
