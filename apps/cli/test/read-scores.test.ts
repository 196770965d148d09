import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { isAssayError } from "@assay/core";
import {
  evaluateJudgeBench,
  evaluateLabels,
  evaluateRewardBench2,
  evaluateRmBench,
  judgeBenchItems,
  judgeBenchOfScores,
  labelItems,
  labelsOfScores,
  rewardBench2Items,
  rewardBench2OfScores,
  rmBenchItems,
  rmBenchOfScores,
} from "@assay/evaluation";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readScores } from "../src/read-scores.ts";

/** Whatever a score file holds: figures of finite numbers, or a code with the file's name. */

const seed = 20_261_127;
const run = promisify(execFile);

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-scores-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Every benchmark's figures from what was read, as JSON; or the codes of those that refuse it. */
async function figures(content: string | Uint8Array, name = "scores.jsonl"): Promise<string[]> {
  const path = join(folder, name);
  await writeFile(path, content);
  return Promise.all(
    [
      (read: Read) =>
        evaluateRmBench(read.rows === null ? rmBenchOfScores(read.records, null) : rmBenchItems(read.rows).items),
      (read: Read) =>
        evaluateJudgeBench(read.rows === null ? judgeBenchOfScores(read.records) : judgeBenchItems(read.rows).items),
      (read: Read) =>
        evaluateRewardBench2(
          read.rows === null ? rewardBench2OfScores(read.records) : rewardBench2Items(read.rows).items,
        ),
      (read: Read) => evaluateLabels(read.rows === null ? labelsOfScores(read.records) : labelItems(read.rows).items),
    ].map(async (evaluate) => {
      try {
        const { rows, records } = await readScores(path);
        return JSON.stringify(evaluate({ rows, records: records ?? [] } as Read), (_, value: unknown) => {
          if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`a figure is ${value}`);
          return value;
        });
      } catch (error) {
        if (!isAssayError(error)) throw error;
        expect(["E_INPUT_BAD", "E_INPUT_EMPTY", "E_INPUT_UNREADABLE", "E_USAGE"]).toContain(error.code);
        if (error.code !== "E_USAGE") expect(error.where).toContain(path);
        return error.code;
      }
    }),
  );
}

type Read = {
  readonly rows: Awaited<ReturnType<typeof readScores>>["rows"];
  readonly records: NonNullable<Awaited<ReturnType<typeof readScores>>["records"]>;
};

const deep = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test.each<[string, string | Uint8Array, string]>([
  ["nothing", "", "E_INPUT_EMPTY"],
  ["blank lines", "\n \n", "E_INPUT_EMPTY"],
  ["null", "null", "E_INPUT_BAD"],
  ["true", "true", "E_INPUT_BAD"],
  ["a number", "1", "E_INPUT_BAD"],
  ["a number beyond all measure", "1e999", "E_INPUT_BAD"],
  ["a text", '"x"', "E_INPUT_BAD"],
  ["no record in a list", "[]", "E_INPUT_EMPTY"],
  ["an object of nothing", "{}", "E_INPUT_BAD"],
  ["lists of nothing", '{"id":[],"scores":[]}', "E_INPUT_EMPTY"],
  ["lists of other lengths", '{"id":[1],"scores":[]}', "E_INPUT_BAD"],
  ["a list of nulls", "[null]", "E_INPUT_BAD"],
  ["a list in a list", deep(200_000), "E_INPUT_BAD"],
  ["lines of lists in lists", `${deep(50_000)}\n${deep(50_000)}\n`, "E_INPUT_UNREADABLE"],
  ["a list that does not end", "[{", "E_INPUT_UNREADABLE"],
  ["lists in lists that do not end", "[".repeat(200_000), "E_INPUT_UNREADABLE"],
  ["half a line", '{"reward":1,"label":"Yes"}\n{"rew', "E_INPUT_BAD"],
  ["__proto__ alone", '{"__proto__":{"reward":1,"label":"Yes"}}', "E_INPUT_BAD"],
  ["no UTF-8", Uint8Array.of(0x22, 0xff, 0x22), "E_INPUT_BAD"],
  ["a text of UTF-16", Buffer.from('\ufeff{"a":1}\n', "utf16le"), "E_INPUT_UNREADABLE"],
  ["gzip that is cut", gzipSync('{"reward":1,"label":"Yes"}\n'.repeat(99)).subarray(0, 30), "E_INPUT_UNREADABLE"],
])("%s is a code in every benchmark", async (_, content, code) => {
  const told = await figures(content);
  expect(new Set(told)).toEqual(new Set([code]));
});

test.each<[string, string, string | Uint8Array, string]>([
  ["Parquet", "scores.parquet", "PAR1\u0015\u0004\u0015", "parquet"],
  ["Arrow", "scores.arrow", "ARROW1\0\0\u0010", "Arrow"],
  ["CSV", "scores.csv", "row_index,id,reward\n0,a,1.5\n", "CSV"],
  ["CSV in gzip", "scores.csv.gz", gzipSync("row_index,id,reward\n0,a,1.5\n"), "CSV"],
  ["text", "scores.txt", "so good\n", "a first line that is no JSON"],
])("%s is told what a score file is, and how a batch becomes one", async (_, name, content, got) => {
  const path = join(folder, name);
  await writeFile(path, content);
  await expect(readScores(path)).rejects.toMatchObject({
    exit: 4,
    message: expect.stringContaining("JSON or JSON Lines"),
    got,
    next: expect.stringMatching(/assay export BATCH scores\.jsonl$/),
  });
});

test("a field of the prototype is nobody's reward", async () => {
  const [, , , labels] = await figures('{"__proto__":{"reward":9},"label":"Yes"}\n{"label":"No","reward":-1}\n');
  expect(labels).toBe("E_INPUT_BAD");
});

const exported = {
  row_index: 0,
  id: "a",
  input: "in.jsonl",
  input_line: 1,
  response_index: 0,
  principle_index: 0,
  principle: "p",
  status: "ok",
  reward: 1,
  in_label: "Yes",
  in_style: 0,
  in_chosen: true,
  in_domain: "chat",
  in_subset: "Math",
  in_num_correct: 1,
  in_source: "mmlu",
  in_side: "A",
};
const records: readonly object[] = [
  { domain: "chat", score_chosen: [1, 2, 3], score_rejected: [[0], 1, null] },
  { source: "mmlu-pro-law", label: "A>B", judgments: [{ decision: "A>B", judgment: { scores: [1, 2] } }] },
  { id: "tied:1", subset: "Ties", scores: [2, 1, 0], num_correct: 1 },
  { id: 1, subset: "Math", scores: [[2], [1]], num_correct: 1 },
  { id: "x", label: "Yes", reward: 1, principle: "p", domain: "d" },
  exported,
];

const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    "x",
    "\ud800",
    "\0",
    -1,
    0.5,
    2 ** 53,
    1e308,
    4_000_000_000,
    [],
    {},
    [[]],
    [null],
    "A>B",
    "No",
  ),
  fc.constant(JSON.parse('{"__proto__":{"length":3}}')),
  fc.constant({ length: 3, toString: 1 }),
  fc.array(fc.constantFrom<unknown>(0, 1, null, "1", [1], [null]), { maxLength: 4 }),
);

test(`records with anything in any place are figures or a code (seed ${seed})`, async () => {
  const one = fc.constantFrom(...records).chain((record) =>
    fc
      .tuple(fc.constantFrom(...Object.keys(record), "__proto__", "in_x"), anything, fc.boolean())
      .map(([key, value, drop]) => {
        const entries = Object.entries(record).filter(([name]) => name !== key);
        return Object.fromEntries(drop ? entries : [...entries, [key, value]]);
      }),
  );
  const told = { figures: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 3 }), fc.boolean(), async (some, asList) => {
      const content = asList ? JSON.stringify(some) : some.map((record) => `${JSON.stringify(record)}\n`).join("");
      for (const said of await figures(content)) told[said.startsWith("E_") ? "refused" : "figures"] += 1;
    }),
    { seed, numRuns: 400 },
  );
  expect(Math.min(told.figures, told.refused)).toBeGreaterThan(50);
}, 60_000);

describe("a line of an export that was changed", () => {
  test.each<[string, object]>([
    ["status", { status: "fine" }],
    ["status", { status: 7 }],
    ["reward", { reward: "1" }],
    ["input_line", { input_line: {} }],
    ["row_index", { row_index: -1 }],
    ["response_index", { response_index: 0.5 }],
    ["principle", { principle: 1 }],
    ["in_label", { in_label: { toString: 1 } }],
  ])("says which column: %s", async (column, change) => {
    const path = join(folder, "rows.jsonl");
    await writeFile(path, `${JSON.stringify(exported)}\n${JSON.stringify({ ...exported, row_index: 1, ...change })}\n`);
    await expect(readScores(path)).rejects.toMatchObject({
      code: "E_INPUT_BAD",
      where: `${path}:2`,
      expected: expect.stringContaining(column),
    });
  });
});

test("what --missing wrote in the place of no reward is in no figure", async () => {
  const lines = (missing: number | null): string =>
    ["Yes", "No", "No", "Yes"]
      .map((label, i) => ({ ...exported, row_index: i, id: `${i}`, input_line: i + 1, in_label: label }))
      .map((row, i) => (i % 2 === 1 ? { ...row, status: "no_verdict", reward: missing } : row))
      .map((row) => `${JSON.stringify(row)}\n`)
      .join("");
  const truth = await figures(lines(null));
  expect(truth[3]).toMatch(/^\{/);
  for (const missing of [0, -50, 50]) expect(await figures(lines(missing))).toEqual(truth);
});

test("the lines of two exports in one file are two batches' pairs, those of a retry its batch's", async () => {
  const side = (batch: string, index: number, reward: number): string =>
    `${JSON.stringify({ ...exported, batch, row_index: index, response_index: index, reward, in_side: "AB"[index], in_label: "A>B" })}\n`;
  const [one, other] = [`one-${"0".repeat(16)}`, `other-${"1".repeat(16)}`];
  const path = join(folder, "two-exports.jsonl");
  await writeFile(path, [side(one, 0, 2), side(`${one}-r1`, 1, 1), side(other, 0, 1), side(other, 1, 2)].join(""));
  const { items } = judgeBenchItems((await readScores(path)).rows ?? []);
  expect(items.map(({ decisions }) => decisions)).toEqual([["A>B"], ["B>A"]]);
});

test("rows whose labels are none are in no figure, however large their numbers", () => {
  const row = (columns: object) => ({ ...exported, batch: "b", status: "ok" as const, columns: columns as never });
  const rm = rmBenchItems([
    row({ in_domain: "chat", in_chosen: true, in_style: 0 }),
    row({ in_domain: "chat", in_chosen: true, in_style: 4_000_000_000 }),
  ]);
  expect(rm.unplaced).toBe(1);
  expect(rm.items.every(({ chosen, rejected }) => chosen.length === 3 && rejected.length === 3)).toBe(true);
  for (const total of [4_000_000_000, 2.5]) {
    const placed = rewardBench2Items([row({ in_subset: "Math", in_num_correct: 1, in_total_completions: total })]);
    expect(placed).toEqual({ items: [], unplaced: 1 });
  }
});

test("so many completions of a prompt, and so many subsets, as nobody has are figures in the end", () => {
  const scores = Array.from({ length: 200_000 }, (_, i) => i % 7);
  const { ties } = evaluateRewardBench2([{ id: "tied:1", subset: "Ties", scores, numCorrect: 100_000 }]);
  expect(ties?.tiedAccuracy).toBe(0);
  const items = scores.map((_, i) => ({ id: `${i}`, subset: `s${i}`, scores: [1, 0], numCorrect: 1 }));
  expect(evaluateRewardBench2(items).subsets).toHaveLength(items.length);
});

describe("where a score file may come from", () => {
  test("a pipe, read once", async () => {
    const pipe = join(folder, "pipe.jsonl");
    await run("mkfifo", [pipe]);
    const lines = '{"reward":1,"label":"Yes"}\n{"reward":-1,"label":"No"}\n';
    const [{ records: read }] = await Promise.all([readScores(pipe), writeFile(pipe, lines)]);
    expect(read).toHaveLength(2);
  });

  test.each([
    ["a folder", (): string => folder],
    ["a device", (): string => "/dev/zero"],
    ["a name that cannot be", (): string => `${folder}/a\0b`],
  ])("not %s", async (_, path) => {
    await expect(readScores(path())).rejects.toMatchObject({ code: "E_INPUT_UNREADABLE", where: path() });
  });

  test("not a file that is not there", async () => {
    await expect(readScores(join(folder, "none"))).rejects.toMatchObject({ code: "E_INPUT_MISSING" });
  });
});
