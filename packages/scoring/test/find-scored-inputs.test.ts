import { successKey } from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { expect, test } from "@jest/globals";
import { findScoredInputs } from "../src/find-scored-inputs.ts";
import { planBatch, stageBatch } from "../src/submit-batch.ts";
import type { InputSource } from "../src/walk-inputs.ts";
import { type Changed, input, plan, profile, records, settings, submit } from "./build-batch.ts";

const never = new AbortController().signal;
const named = (name: string, text: string): InputSource => ({ ...input(text), input: name, where: name });

/** Stages a batch of several inputs and, where wanted, ends it. */
async function staged(
  store: ReturnType<typeof memoryStore>,
  texts: { [name: string]: string },
  complete: boolean,
  changed: Changed = {},
) {
  const sources = () => Object.entries(texts).map(([name, text]) => named(name, text));
  const planned = await planBatch(sources(), settings(changed), readOwnRecords);
  await stageBatch(store, planned, sources(), settings(changed), readOwnRecords, { signal: never });
  if (complete) await store.putIfAbsent(successKey(planned.file.batch), new Uint8Array());
  return planned.file;
}

test("the complete batch that shares most inputs is named, with how many", async () => {
  const store = memoryStore();
  const [a, b, c] = [records(3), records(4, 10), records(5, 20)];
  await staged(store, { "a.jsonl": a }, true);
  const both = await staged(store, { "a.jsonl": a, "b.jsonl": b }, true, { createdAt: "2026-01-02T00:00:00.000Z" });
  await staged(store, { "a.jsonl": a, "b.jsonl": b, "d.jsonl": c }, false, { createdAt: "2026-01-03T00:00:00.000Z" });
  const mine = await staged(store, { "a.jsonl": a, "b.jsonl": b, "c.jsonl": c }, false);
  expect(await findScoredInputs(store, mine)).toEqual({ batch: both.batch, inputs: 2 });
  // what is reused already is not told again
  expect(await findScoredInputs(store, { ...mine, reuse: [both.batch] })).toMatchObject({ inputs: 1 });
});

test("a file that grew, another model, other sampling, another rule: nothing to keep", async () => {
  const store = memoryStore();
  await staged(store, { "a.jsonl": records(3) }, true);
  const file = async (text: string, changed: Changed = {}) =>
    (await planBatch([named("a.jsonl", text)], settings(changed), readOwnRecords)).file;
  expect(await findScoredInputs(store, await file(records(4)))).toBeNull();
  expect(await findScoredInputs(store, await file(records(3), { batch: { model: "other" } }))).toBeNull();
  const warmer = { ...profile, sampling: { ...profile.sampling, temperature: 0.9 } };
  expect(await findScoredInputs(store, await file(records(3), { batch: { profile: warmer } }))).toBeNull();
  const stricter = { ...profile, verdict: { ...profile.verdict, min_mass: 0.9 } };
  expect(await findScoredInputs(store, await file(records(3), { batch: { profile: stricter } }))).toBeNull();
  const longer = { ...profile, max_tokens: 17_000 };
  expect(await findScoredInputs(store, await file(records(3), { batch: { profile: longer } }))).toMatchObject({
    inputs: 1,
  });
});

test("equal rows are counted by text, whatever their ids, and not when a principle differs", async () => {
  const line = (id: string, principles: string[]): string =>
    `${JSON.stringify({ id, prompt: "p", response: "r", principles })}\n`;
  const { tally } = await plan(line("a", ["x", "y"]) + line("b", ["y", "z"]) + line("c", ["x", "z"]));
  expect(tally.equalRows?.equal).toBe(3);
  expect((await submit(memoryStore(), line("a", ["x"]) + line("a", ["x"]))).counts.rows).toBe(2);
});
