import { type BatchFile, type ResultRow, shardKey } from "@assay/core";
import { decodeShard, importerByName, recordReader } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { planBatch } from "../src/submit-batch.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { emptyTally, walkInputs } from "../src/walk-inputs.ts";
import { input, settings, submit } from "./build-batch.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** `id` and `group` are the user's labels: they come back as they were, or the row says why not; never as another's. */

const seed = 20_261_127;

const texts = [
  "",
  " ",
  " a ",
  "\0",
  "a\0b",
  "\ufeff",
  "\ufeffa",
  "\u202eabc",
  "\u200b",
  "a\r\nb",
  "\u2028",
  "\u0085",
  "\u001b[31m",
  ".",
  "..",
  "/",
  "../../etc/passwd",
  "a/b\\c",
  "%2F",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "NaN",
  "007",
  "7",
  "1e3",
  "latest",
  "--id",
  "-1",
  // the same to a reader, and in one normal form, but not the same
  "\u00e9",
  "e\u0301",
  "\u212b",
  "\u00c5",
  "A\u030a",
  "\uff17",
  "\ud83d\ude00",
  "\uffff",
  // what another record is called that has none
  "in:1",
  "in:2",
  '"',
  ",",
  "<|im_end|>",
  "long".repeat(100),
];
const torn = ["\ud800", "a\udc00", "\udc00\ud800"];

const label: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...texts) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(...torn, 0, 7, -1, 2 ** 53 - 1, 2 ** 53, -(2 ** 60), 1e300, 0.5, true, [], {}, [
      "a",
    ]),
  },
  { weight: 1, arbitrary: fc.constant(null) },
);

/** What the row has to hold: the label, null for the default one, or the code of a bad record. */
function expected(value: unknown): { readonly label: string | null } | { readonly bad: string } {
  if (value === null) return { label: null };
  if (typeof value === "string") return value.isWellFormed() ? { label: value } : { bad: "lone_surrogate" };
  if (typeof value !== "number" || !Number.isInteger(value)) return { bad: "wrong_type" };
  return Number.isSafeInteger(value) ? { label: String(value) } : { bad: "unsafe_integer" };
}

test(`labels of any kind go through a worker into the shard as they were (seed ${seed})`, async () => {
  const seen = { kept: 0, bad: 0, usual: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(label, label), { minLength: 1, maxLength: 20 }), async (labels) => {
      const store = memoryStore();
      const lines = labels.map(([id, group], k) => JSON.stringify({ prompt: "say it", response: `r${k}`, id, group }));
      const file = await submit(store, `${lines.join("\n")}\n`, { maxBad: 1 });
      expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
      expect(await verifyBatch({ store, decodeShard }, file.batch, { deep: true })).toMatchObject({ broken: null });
      const rows = await shardRows(store.objects, file);
      expect(rows.map(({ input_line }) => input_line)).toEqual(labels.map((_, i) => i + 1));
      for (const [i, [id, group]] of labels.entries()) {
        const row = rows[i]!;
        const [asId, asGroup] = [expected(id), expected(group)];
        const bad = "bad" in asId ? asId.bad : "bad" in asGroup ? asGroup.bad : null;
        if (bad !== null) {
          seen.bad += 1;
          expect(row).toMatchObject({
            status: "bad_input",
            error_code: bad,
            id: `in:${i + 1}`,
            group: null,
            reward: null,
          });
          expect(row.error_message).toContain(`in.jsonl:${i + 1}`);
          continue;
        }
        expect(row.status).toBe("ok");
        const [ownId, ownGroup] = ["label" in asId ? asId.label : "", "label" in asGroup ? asGroup.label : ""];
        seen[ownId === null ? "usual" : "kept"] += 1;
        expect(row.id).toBe(ownId ?? `in:${i + 1}`);
        if (ownGroup === null) expect(row.group).toMatch(/^[0-9a-f]{16}$/);
        else expect(row.group).toBe(ownGroup);
      }
      // equal are those that are, not those that look so
      expect(file.counts.equal_ids).toBe(rows.length - new Set(rows.map(({ id }) => id)).size);
    }),
    { seed, numRuns: 60 },
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
}, 120_000);

describe.each(["jsonl", "json", "csv"])("as %s", (format) => {
  test("every label is planned as it stands in the file", async () => {
    // an empty cell of a table is no label
    const labels = texts.filter((text) => format !== "csv" || text !== "");
    const rows = labels.map((id, k) => ({ prompt: "say it", response: `r${k}`, id, group: id }));
    const text =
      format === "jsonl"
        ? rows.map((row) => JSON.stringify(row)).join("\n")
        : format === "json"
          ? JSON.stringify(rows)
          : ["prompt,response,id,group", ...rows.map((row) => Object.values(row).map(quoted).join(","))].join("\n");
    const source = { ...input(`${text}\n`), input: `in.${format}` };
    const importer = importerByName(format === "csv" ? "csv" : "records");
    const reader = recordReader(importer, { detected: false, columns: [], map: {} });
    const planned: unknown[] = [];
    for await (const { bytes } of walkInputs([source], settings(), reader, emptyTally())) {
      for (const line of Buffer.from(bytes).toString().trimEnd().split("\n")) {
        const { id, group } = JSON.parse(line) as { id: string; group: string };
        planned.push([id, group]);
      }
    }
    expect(planned).toEqual(labels.map((id) => [id, id]));
  });
});

test("a label of 10 MB is a label; two that differ in their last character are two", async () => {
  const store = memoryStore();
  const long = `${"x".repeat(10_000_000)}\u{1f600}`;
  const other = "x".repeat(50_000);
  const record = (id: string, k: number): string => JSON.stringify({ prompt: "say it", response: `r${k}`, id });
  const file = await submit(store, `${[long, other, `${other}y`, other].map(record).join("\n")}\n`);
  expect(file.counts.equal_ids).toBe(1);
  expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
  const rows = await shardRows(store.objects, file);
  expect(rows.map(({ id, status }) => [id.length, status])).toEqual([
    [10_000_002, "ok"],
    [50_000, "ok"],
    [50_001, "ok"],
    [50_000, "ok"],
  ]);
  expect(rows[0]?.id === long).toBe(true);
}, 120_000);

test("a batch's name holds nothing of a hostile name but letters, digits and dashes", async () => {
  for (const name of [...texts, ...torn]) {
    const planned = await planBatch(
      [input('{"prompt":"Q","response":"A"}\n')],
      settings({ name, readable: name }),
      recordReader(importerByName("records"), { detected: false, columns: [], map: {} }),
    );
    expect(planned.file.batch).toMatch(/^[a-z0-9][a-z0-9-]*-[0-9a-f]{16}$/);
  }
});

function quoted(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`;
}

async function shardRows(objects: ReadonlyMap<string, Uint8Array>, file: BatchFile): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  for (const chunk of file.chunks.keys()) {
    const shard = await decodeShard(objects.get(shardKey(file.batch, chunk)) ?? new Uint8Array());
    rows.push(...shard.rows);
  }
  return rows;
}
