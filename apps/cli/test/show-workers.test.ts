import type { WorkerState } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { workerLines } from "../src/show-workers.ts";

const state = (changed: Partial<WorkerState> = {}): WorkerState => ({
  name: "host7:4711",
  root: "s3://bucket/root",
  model: "judge",
  does: "scores",
  since: "2026-11-26T17:03:12.345Z",
  why: null,
  batches: ["b"],
  refused: [],
  rows_on_disk: 0,
  rows_in_memory: 0,
  is_full: false,
  ...changed,
});
const away = (changed: Partial<WorkerState> = {}): WorkerState =>
  state({ does: "waits-for-store", why: "503 SlowDown", rows_on_disk: 1_200, rows_in_memory: 4, ...changed });

describe("what workers do", () => {
  test("those that work are counted, those that wait are named, a line for each reason", () => {
    expect(workerLines([away(), state({ name: "host1:1" }), state({ name: "host2:1" })], "b")).toEqual([
      "3: 2 score",
      "1 on host7:4711 waits for the store since 2026-11-26T17:03:12Z (503 SlowDown): 1,204 finished rows kept, 1,200 on disk and 4 in memory",
    ]);
  });

  test("many that wait for one reason are one line, since the first of them", () => {
    const names = ["e", "d", "c", "b", "a"];
    const states = names.map((name, i) => away({ name, since: `2026-11-26T17:0${i}:00.000Z`, is_full: i === 0 }));
    expect(workerLines(states, "b")).toEqual([
      "5: 5 on a, b, c and 2 more wait for the store since 2026-11-26T17:00:00Z (503 SlowDown): 6,020 finished rows kept, 6,000 on disk and 20 in memory; on 1 both are full, so no row is sent",
    ]);
  });

  test("a worker for other batches, one without work, one without an engine, one that leaves the batch alone", () => {
    const states = [
      state({ batches: ["other"] }),
      state({ does: "rests", batches: [] }),
      state({ does: "waits-for-engine", why: "no engine takes rows" }),
      state({ does: "rests", batches: [], refused: [{ batch: "b", why: "E_PIN_MISMATCH not alike" }] }),
    ];
    expect(workerLines(states, "b")).toEqual([
      "4: 1 scores other batches",
      "1 has nothing to do",
      "1 on host7:4711 waits for an engine since 2026-11-26T17:03:12Z (no engine takes rows)",
      "1 on host7:4711 leaves this batch alone (E_PIN_MISMATCH not alike)",
    ]);
  });

  test("none", () => {
    expect(workerLines([], "b")).toEqual(["none says that it works for this root and model"]);
  });

  test("nothing that a worker says moves the cursor", () => {
    const lines = workerLines([away({ name: "a\u001b[2J", why: "x\u0007\n" })], null);
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f]/);
  });
});
