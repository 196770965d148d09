import { getEventListeners } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { untilOver } from "../src/until-over.ts";

const hanging = new Promise<never>(() => {});

describe("until-over", () => {
  const signal = new AbortController().signal;
  const listeners = (): number => getEventListeners(signal, "abort").length;

  test("work that never ends leaves no listener behind, by time or by a signal", async () => {
    for (let i = 0; i < 12; i += 1) expect(await untilOver(hanging, [signal], performance.now())).toBe("over");
    expect(listeners()).toBe(0);
    const other = new AbortController();
    const waiting = untilOver(hanging, [signal, other.signal], performance.now() + 60_000);
    expect(listeners()).toBe(1);
    other.abort();
    expect(await waiting).toBe("over");
    expect(await untilOver(hanging, [signal, other.signal], performance.now() + 60_000)).toBe("over");
    expect(listeners()).toBe(0);
  });

  test("work that ends first is what comes of it, and leaves none either", async () => {
    expect(await untilOver(Promise.resolve(7), [signal], performance.now() + 60_000)).toBe(7);
    await expect(untilOver(Promise.reject(new Error("played")), [signal], performance.now() + 60_000)).rejects.toThrow(
      "played",
    );
    await Promise.resolve();
    expect(listeners()).toBe(0);
  });
});
