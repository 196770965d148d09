import { describe, expect, test } from "@jest/globals";
import {
  type ControlState,
  controlEntrySchema,
  controlStates,
  initialControl,
  isEnded,
  isRunnable,
  mayFollow,
} from "../src/control.ts";

describe("control: what may follow what", () => {
  /** The table of the model-checked protocol: cancel and complete never both, complete is the end. */
  const allowed: { readonly [current in ControlState]: readonly ControlState[] } = {
    running: ["running", "paused", "cancelled", "complete"],
    paused: ["running", "cancelled", "complete"],
    cancelled: ["running", "cancelled"],
    complete: [],
  };
  const cases = controlStates.flatMap((current) =>
    controlStates.map((wanted) => [current, wanted, allowed[current].includes(wanted)] as const),
  );

  test.each(cases)("%s, then %s: %s", (current, wanted, expected) => {
    expect(mayFollow(current, wanted)).toBe(expected);
  });

  test("only a running batch is scored; two states have an end", () => {
    expect(controlStates.filter(isRunnable)).toEqual(["running"]);
    expect(controlStates.filter(isEnded)).toEqual(["cancelled", "complete"]);
    expect(initialControl).toEqual({ state: "running", weight: 1, accept_failures: false });
  });
});

describe("control: an entry", () => {
  const entry = { ...initialControl, id: "r", at: "2026-08-01T00:00:00.000Z", by: "host", reason: null };

  test("is the whole state", () => {
    expect(controlEntrySchema.parse(entry)).toEqual(entry);
    for (const key of Object.keys(entry)) {
      const { [key as keyof typeof entry]: _gone, ...rest } = entry;
      expect([key, controlEntrySchema.safeParse(rest).success]).toEqual([key, false]);
    }
  });

  test.each([{ state: "stopped" }, { weight: 0 }, { weight: 1.5 }, { more: 1 }])("refuses %j", (changed) => {
    expect(controlEntrySchema.safeParse({ ...entry, ...changed }).success).toBe(false);
  });
});
