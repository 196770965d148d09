import { AssayError, isAssayError } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { waitForStore } from "../src/wait-for-store.ts";
import { never } from "./build-batch.ts";
import { immediateClock } from "./immediate-clock.ts";

const away = () => Promise.reject(new AssayError("E_STORE_UNAVAILABLE", "played"));

describe("wait-for-store", () => {
  test("asks until the store answers, at pauses from 1 s to 30 s, and tells each time that it is away", async () => {
    const clock = immediateClock();
    const told: AssayError[] = [];
    let refusals = 8;
    const work = () => (refusals-- > 0 ? away() : Promise.resolve("answer"));
    expect(await waitForStore(work, { clock, signal: never, onAway: (error) => told.push(error) })).toBe("answer");
    expect(clock.slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(told).toHaveLength(8);
  });

  test("gives up with the signal alone, also in the middle of a pause, and then asks no more", async () => {
    const stop = new AbortController();
    let asked = 0;
    const work = () => {
      asked += 1;
      if (asked === 3) stop.abort();
      return away();
    };
    const options = { clock: immediateClock(), signal: stop.signal };
    for (let i = 0; i < 2; i += 1) {
      const error = await waitForStore(work, options).catch((thrown: unknown) => thrown);
      expect(isAssayError(error, "E_ABORTED")).toBe(true);
    }
    expect(asked).toBe(3);
  });

  test.each(["E_DENIED", "E_BROKEN", "E_ABORTED"] as const)("passes %s on at once", async (code) => {
    const clock = immediateClock();
    const thrown = new AssayError(code, "played");
    const error = await waitForStore(() => Promise.reject(thrown), { clock, signal: never }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBe(thrown);
    expect(clock.slept).toEqual([]);
  });
});
