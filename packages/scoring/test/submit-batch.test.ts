import {
  type AssayError,
  type BatchFile,
  batchKey,
  isAssayError,
  openPrefix,
  type RowsLine,
  rowsKey,
  sha256,
} from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import { memoryStore, seeded } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readRows } from "../src/read-rows.ts";
import { planBatch, stageBatch } from "../src/submit-batch.ts";
import {
  type Changed,
  contents,
  input,
  never,
  plan,
  profile,
  record,
  records,
  settings,
  submit,
} from "./build-batch.ts";
import { faultyStore, killed, killedAt } from "./faulty-store.ts";
import { turn } from "./immediate-clock.ts";

const caught = (error: unknown): unknown => error;
const text = records(70);

async function allRows(store: ReturnType<typeof memoryStore>, file: BatchFile): Promise<RowsLine[]> {
  const lines: RowsLine[] = [];
  for (const chunk of file.chunks.keys()) lines.push(...(await readRows(store, file, chunk)));
  return lines;
}

/** No put under a batch's rows/ holds anything but what its plan says. */
async function assertNothingWrong(store: ReturnType<typeof memoryStore>, planned: BatchFile): Promise<void> {
  for (const [chunk] of planned.chunks.entries()) {
    if (store.objects.has(rowsKey(planned.batch, chunk))) await readRows(store, planned, chunk);
  }
}

describe("submit-batch: identity", () => {
  test("the same inputs and settings are the same batch, and submitting again stores nothing", async () => {
    const store = memoryStore();
    const file = await submit(store, text);
    const before = contents(store.objects);
    const counting = faultyStore(
      store,
      () => null,
      () => null,
    );
    const again = await stageBatch(counting, await plan(text), [input(text)], settings(), readOwnRecords, {
      signal: never,
    });
    expect(again).toEqual({ file, result: "exists" });
    expect(contents(store.objects)).toBe(before);
    // nothing is read a second time either: batch.json says it all
    expect(counting.log.filter(({ kind }) => kind === "put").map(({ key }) => key)).toEqual([
      expect.stringContaining(openPrefix),
    ]);
  });

  const others: [string, Changed, string][] = [
    ["another model", { batch: { model: "another" } }, text],
    ["a stated revision", { batch: { revision: "abc" } }, text],
    ["--set", { batch: { profile: { ...profile, max_tokens: 8_000 } } }, text],
    ["--strip-reasoning", { batch: { strip: "off" } }, text],
    ["--specials", { batch: { specials: "reject" } }, text],
    ["--seed", { batch: { seed: 1 } }, text],
    ["a principle", { records: { ...settings().records, principles: ["is it short"] } }, text],
    ["--limit", { limit: 69 }, text],
    ["one more row", {}, `${text}${record(70)}\n`],
    ["another order", {}, `${record(1)}\n${record(0)}\n${text.split("\n").slice(2).join("\n")}`],
  ];
  test.each(others)("%s is another batch", async (_name, changed, other) => {
    expect((await plan(other, changed)).file.sha256).not.toBe((await plan(text)).file.sha256);
  });

  const same: [string, Changed][] = [
    ["tags", { tags: { team: "rl" } }],
    ["a name", { name: "nightly" }],
    ["limits", { maxBad: 0, maxFailed: 1 }],
    ["the order of its chunks", { order: "file" }],
    ["what is kept of the reasoning", { keepReasoning: "all" }],
    ["the software", { software: "9.9.9", createdAt: "2027-01-01T00:00:00.000Z" }],
  ];
  test.each(same)("%s changes nothing of the identity", async (_name, changed) => {
    expect((await plan(text, changed)).file.sha256).toBe((await plan(text)).file.sha256);
  });

  test("a name that another identity holds is E_NAME_TAKEN, never the same batch", async () => {
    const store = memoryStore();
    const planned = await plan(text);
    const forged = { ...planned.file, sha256: `${planned.file.sha256.slice(0, 16)}${"0".repeat(48)}` };
    store.objects.set(batchKey(forged.batch), Buffer.from(JSON.stringify(forged)));
    const error = await stageBatch(store, planned, [input(text)], settings(), readOwnRecords, { signal: never }).catch(
      caught,
    );
    expect(isAssayError(error, "E_NAME_TAKEN")).toBe(true);
  });
});

describe("submit-batch: every record comes out", () => {
  test("bad ones as one row each, with kind and place, in order; --limit counts them, too", async () => {
    const store = memoryStore();
    const lines = [record(0), "{", '{"prompt": 1, "response": "x"}', "", record(1, { principles: ["a", "b"] })];
    const file = await submit(store, `${lines.join("\n")}\n`);
    expect(file.counts).toEqual({ records: 4, responses: 2, rows: 5, bad: 2, equal_ids: 0 });
    const rows = await allRows(store, file);
    expect(rows.map((line) => ("bad" in line ? line.bad : line.response))).toEqual([
      "r0",
      "invalid_json",
      "wrong_type",
      "r1",
    ]);
    expect(rows.map((line) => line.row_index)).toEqual([0, 1, 2, 3]);
    expect(rows.map((line) => line.input_line)).toEqual([1, 2, 3, 5]);
    expect((await submit(store, `${lines.join("\n")}\n`, { limit: 2 })).counts).toMatchObject({
      records: 2,
      rows: 2,
      bad: 1,
    });
  });

  test("more bad records than --max-bad: E_INPUT_BAD with counts and the first place of each, and nothing is stored", async () => {
    const bad = `${record(0)}\n{\n[]\n{"prompt":"p"}\n{\n`;
    const error = (await plan(bad, { maxBad: 0.5 }).catch(caught)) as AssayError;
    expect(error.code).toBe("E_INPUT_BAD");
    expect(error.message).toContain("4 of 5");
    expect(error.got).toBe(
      "2 invalid_json, first at /data/in.jsonl:2; 1 not_an_object, first at /data/in.jsonl:3; 1 missing_response (response), first at /data/in.jsonl:4",
    );
    expect((await plan(bad, { maxBad: 0.8 })).file.counts.bad).toBe(4);
  });

  test.each(["", "\n\n", '{"torn'])("an input without a record is E_INPUT_EMPTY: %j", async (empty) => {
    expect(isAssayError(await plan(empty).catch(caught), "E_INPUT_EMPTY")).toBe(true);
  });

  test("property: what is staged is the input, whatever the records", async () => {
    const line = fc.oneof(
      fc.nat(99).map((k) => record(k)),
      fc.nat(99).map((k) => record(k, { responses: ["x", "y"], response: null, principles: ["p", "q", "r"] })),
      fc.constantFrom("{", "[]", "", "{}"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 80 }), async (lines) => {
        const given = `${record(0)}\n${lines.join("\n")}\n`;
        const store = memoryStore();
        const file = await submit(store, given, { maxBad: 1 });
        const rows = await allRows(store, file);
        const indices = rows.flatMap((one) =>
          "bad" in one ? [one.row_index] : one.principles.map(({ row_index }) => row_index),
        );
        expect(indices).toEqual([...Array(file.counts.rows).keys()]);
        const recordLines = given.split("\n").flatMap((one, i) => (one.trim() === "" ? [] : [i + 1]));
        expect([...new Set(rows.map(({ input_line }) => input_line))]).toEqual(recordLines);
      }),
      { numRuns: 40 },
    );
  });
});

describe("submit-batch: kills, races, changes", () => {
  test.each(["before", "after"] as const)(
    "killed %s its k-th operation, for every k, and run again: the bytes of an undisturbed run",
    async (when) => {
      const undisturbed = memoryStore();
      const planned = await plan(text);
      const stage = (store: Parameters<typeof stageBatch>[0]) =>
        stageBatch(store, planned, [input(text)], settings(), readOwnRecords, { signal: never });
      await stage(undisturbed);
      for (let k = 1; ; k += 1) {
        const store = memoryStore();
        const error = await stage(killedAt(store, k, when)).then(() => null, caught);
        if (error === null) {
          expect(k).toBeGreaterThan(planned.file.chunks.length);
          break;
        }
        expect(error).toBe(killed);
        // a folder without batch.json is no batch; with it, it is wholly staged
        if (store.objects.has(batchKey(planned.file.batch))) await allRows(store, planned.file);
        const left = contents(store.objects);
        await turn();
        expect(contents(store.objects)).toBe(left);
        await stage(store);
        expect(contents(store.objects)).toBe(contents(undisturbed.objects));
      }
    },
  );

  test("property: two submitters at once, either killed anywhere; name and tags are the first one's", async () => {
    const planned = await plan(text);
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(14), fc.nat(14), async (seed, killA, killB) => {
        const random = seeded(seed);
        const memory = memoryStore(async () => {
          if (random() < 0.5) await turn();
        });
        const stage = (store: Parameters<typeof stageBatch>[0], name: string) => {
          const own = { ...planned, file: { ...planned.file, name } };
          return stageBatch(store, own, [input(text)], settings({ name }), readOwnRecords, { signal: never }).catch(
            caught,
          );
        };
        await Promise.all([
          stage(killedAt(memory, killA, "before"), "a"),
          stage(killedAt(memory, killB, "after"), "b"),
        ]);
        const [one, two] = await Promise.all([stage(memory, "c"), stage(memory, "d")]);
        expect(one).toMatchObject({ file: { sha256: planned.file.sha256 } });
        expect((one as { file: BatchFile }).file).toEqual((two as { file: BatchFile }).file);
        expect(await allRows(memory, planned.file)).toHaveLength(70);
        expect([...memory.objects.keys()].filter((key) => key.startsWith(openPrefix))).toHaveLength(1);
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    ["a row in the middle", text.replace("r40", "r4O")],
    ["rows at the end", `${text}${records(30, 70)}`],
    ["fewer rows", records(40)],
    ["a torn line that is whole now", `${text}{"prompt":"p","response":"q"}\n`],
    ["nothing left", ""],
  ])(
    "the input changed between the passes (%s): E_INPUT_CHANGED, no batch, and not one wrong chunk",
    async (_name, later) => {
      const store = memoryStore();
      const source = input(text, later);
      const planned = await planBatch([source], settings(), readOwnRecords);
      const error = await stageBatch(store, planned, [source], settings(), readOwnRecords, { signal: never }).catch(
        caught,
      );
      expect(isAssayError(error, "E_INPUT_CHANGED")).toBe(true);
      expect(store.objects.has(batchKey(planned.file.batch))).toBe(false);
      await assertNothingWrong(store, planned.file);
      // when the input is the old one again, the same folder is carried on
      await submit(store, text);
      expect(await allRows(store, planned.file)).toHaveLength(70);
    },
  );

  test("nothing is put any more once it has ended in an error", async () => {
    const late: string[] = [];
    let ended = false;
    const store = memoryStore(async (operation, key) => {
      for (let i = 0; i < 5; i += 1) await turn();
      if (operation === "put" && ended) late.push(key);
    });
    const source = input(text, text.replace("r60", "r6O"));
    const planned = await planBatch([source], settings(), readOwnRecords);
    await stageBatch(store, planned, [source], settings(), readOwnRecords, { signal: never }).catch(caught);
    ended = true;
    for (let i = 0; i < 20; i += 1) await turn();
    expect(late).toEqual([]);
    expect([...store.objects.keys()].some((key) => key.startsWith(`${planned.file.batch}/rows/`))).toBe(true);
  });

  test("stopped by a signal: E_ABORTED, no batch.json", async () => {
    const store = memoryStore();
    const planned = await plan(text);
    const error = await stageBatch(store, planned, [input(text)], settings(), readOwnRecords, {
      signal: AbortSignal.abort(),
    }).catch(caught);
    expect(isAssayError(error, "E_ABORTED")).toBe(true);
    expect(store.objects.has(batchKey(planned.file.batch))).toBe(false);
  });

  test("identity: the name and the bytes of one fixed input never change by accident", async () => {
    const { file } = await plan(records(3));
    expect(file.chunks).toEqual([{ sha256: file.chunks[0]?.sha256, rows: 3, row_start: 0 }]);
    const store = memoryStore();
    await submit(store, records(3));
    const [line] = await readRows(store, file, 0);
    expect(line).toEqual({
      row_index: 0,
      id: "in:1",
      group: sha256('[{"content":"say it","role":"user"}]').slice(0, 16),
      input: "in.jsonl",
      input_line: 1,
      response_index: 0,
      messages: [{ role: "user", content: "say it" }],
      response: "r0",
      principles: [{ row_index: 0, principle_index: 0, text: "is it right" }],
      carried: null,
    });
    expect(file.batch).toBe(`test-${file.sha256.slice(0, 16)}`);
  });
});
