import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type BatchFile, type BatchSettings, batchFileSchema, batchName, batchSha256 } from "../src/batch-file.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { setProfile } from "../src/set-profile.ts";
import { jobId } from "../src/store-keys.ts";
import { settings } from "./pin-identity.ts";

const seed = 20_261_125;
const chunks = ["a".repeat(64), "b".repeat(64)];
const file: BatchFile = {
  ...settings,
  batch: "demo-0123456789abcdef",
  sha256: "c".repeat(64),
  format: 1,
  layout: 1,
  schema: 1,
  chunks: [{ sha256: "a".repeat(64), rows: 16, row_start: 0 }],
  name: null,
  tags: {},
  keep_reasoning: "failed",
  max_bad: 0.01,
  max_failed: 0.05,
  order: "mixed",
  created_at: "2026-08-01T00:00:00.000Z",
  software: "0.1.0",
  inputs: [{ input: "a.jsonl", bytes: 1, records: 1, bad: 0, blank: 0, torn: 0 }],
  counts: { records: 1, responses: 4, rows: 16, bad: 0, equal_ids: 0 },
};

describe("batch-file: the full hash", () => {
  const base = batchSha256(settings, chunks);

  test.each<[string, Partial<BatchFile>]>([
    ["name", { name: "other" }],
    ["tags", { tags: { run: "7" } }],
    ["--max-bad and --max-failed", { max_bad: 1, max_failed: 1 }],
    ["--keep-reasoning", { keep_reasoning: "all" }],
    ["--order", { order: "file" }],
    ["software and time", { software: "9.9.9", created_at: "later" }],
    ["names and sizes of the inputs", { inputs: [], counts: { ...file.counts, rows: 7 } }],
    ["schema", { schema: 2 }],
  ])("not part of it: %s", (_name, changed) => {
    expect(batchSha256({ ...file, ...changed }, chunks)).toBe(base);
  });

  test("nor what the profile says beside what is asked and read", () => {
    const profile = { ...genrmPrinciple, name: "x", description: "x", models: [], golden: null, rate: null };
    expect(batchSha256({ ...settings, profile }, chunks)).toBe(base);
  });

  const others: [string, Partial<BatchSettings>][] = [
    ["model", { model: "other" }],
    ["revision", { revision: "abc" }],
    ["profile", { profile: scalarPrinciple }],
    ["--set", { profile: setProfile(genrmPrinciple, new Map([["max_tokens", "8000"]])) }],
    ["--strip-reasoning", { strip: "off" }],
    ["--specials", { specials: "allow" }],
    ["--seed 0", { seed: 0 }],
    ["--seed 1", { seed: 1 }],
    ["--carry", { columns: [{ name: "domain", type: "string" }] }],
    ["--carry of another type", { columns: [{ name: "domain", type: "double" }] }],
  ];
  test.each(others)("part of it: %s", (_name, changed) => {
    expect(batchSha256({ ...settings, ...changed }, chunks)).not.toBe(base);
  });
  test("the chunks, their number and their order", () => {
    const hashes = [
      base,
      ...others.map(([, changed]) => batchSha256({ ...settings, ...changed }, chunks)),
      batchSha256(settings, chunks.slice(0, 1)),
      batchSha256(settings, chunks.toReversed()),
      batchSha256(settings, []),
    ];
    expect(new Set(hashes).size).toBe(others.length + 4);
  });
});

describe("batch-file: the name", () => {
  const full = `0123456789abcdef${"f".repeat(48)}`;

  test.each([
    ["Rollouts 7", "rollouts-7"],
    ["a", "a"],
    ["--a__b--", "a-b"],
    ["data/night 3.jsonl", "data-night-3-jsonl"],
    ["\u65e5\u672c", "batch"],
    ["", "batch"],
    ["...", "batch"],
    ["\u00c9t\u00e9", "t"],
    ["x".repeat(50), "x".repeat(40)],
    [`${"x".repeat(39)} y`, "x".repeat(39)],
    ["../../etc", "etc"],
  ])("%j is %s-<16 hex>", (readable, expected) => {
    expect(batchName(readable, full)).toBe(`${expected}-0123456789abcdef`);
  });

  test(`any text makes a name of the pattern, which is a folder and a job id (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (readable) => {
        const name = batchName(readable, full);
        expect(name).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,39})-[0-9a-f]{16}$/);
        expect(name.length).toBeLessThanOrEqual(57);
        expect(jobId(name, 0)).toMatch(/^[a-z0-9.-]+$/);
      }),
      { seed, numRuns: 1_000 },
    );
  });
});

describe("batch-file: batch.json", () => {
  test("comes back from its JSON text", () => {
    expect(batchFileSchema.parse(JSON.parse(JSON.stringify(file)))).toEqual(file);
  });

  test("one that was planned before there was an order runs mixed", () => {
    const { order: _order, ...older } = file;
    expect(batchFileSchema.parse(older)).toEqual(file);
  });

  test.each<[string, object]>([
    ["a field that nobody knows", { more: 1 }],
    ["no chunk", { chunks: [] }],
    ["a chunk without rows", { chunks: [{ sha256: "a".repeat(64), rows: 0, row_start: 0 }] }],
    ["a hash cut short", { sha256: "a".repeat(16) }],
    ["no model", { model: "" }],
    ["no samples", { samples: 0 }],
    ["more samples than anybody asks for", { samples: 65 }],
    ["a mode that nobody knows", { strip: "last" }],
    ["half a seed", { seed: 0.5 }],
  ])("refuses %s", (_name, changed) => {
    expect(batchFileSchema.safeParse({ ...file, ...changed }).success).toBe(false);
  });
});
