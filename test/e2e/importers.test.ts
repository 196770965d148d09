import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeShard } from "@assay/datasets";
import { loadBatch, readShards } from "@assay/scoring";
import { localStore } from "@assay/store/local";
import { startS3Server } from "@assay/testkit";
import { expect, jest, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

// processes start in seconds on a busy machine
jest.setTimeout(120_000);

/** Data sets as they are published, through the commands: from the fields' names to typed columns of the shards. */

const fixtures = fileURLToPath(new URL("../../packages/datasets/test/fixtures/", import.meta.url));

interface Plan {
  readonly batch: string;
  readonly format: string;
  readonly records: number;
  readonly rows: number;
  readonly strip: string;
  readonly sample: { readonly size: number; readonly of: number; readonly seed: number } | null;
}

async function plan(args: readonly string[], env: Record<string, string> = {}): Promise<Plan> {
  const { stdout } = await expectExit(0, ["plan", ...args, "--model", "simulator", "--max-bad", "1", "--json"], {
    env,
  });
  return JSON.parse(stdout) as Plan;
}

test("labels of a data set are columns of its shards, and what was bad stands beside them", async () => {
  const root = join(await tempFolder(), "root");
  const input = join(fixtures, "helpsteer3-principle.jsonl");
  const args = ["score", input, "--root", root, "--engine", "sim", "--max-bad", "1", "--max-failed", "1", "--json"];
  const { stdout, stderr } = await expectExit(0, args);
  expect(stderr).toContain("read as helpsteer3-principle");
  const { batch } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string };
  await expectExit(0, ["verify", batch, "--root", root]);
  const store = localStore(root);
  const file = await loadBatch(store, batch);
  expect(file.strip).toBe("off");
  const rows = [];
  for await (const shard of readShards({ store, decodeShard }, file)) rows.push(...shard.rows);
  expect(rows.map(({ status, principle, columns }) => [status, principle, columns])).toEqual([
    ["ok", "conciseness", { in_domain: "code", in_language: "python", in_fulfilment: "Yes" }],
    ["ok", "accuracy of information", { in_domain: "general", in_language: "english", in_fulfilment: "No" }],
    ["bad_input", null, { in_domain: null, in_language: null, in_fulfilment: null }],
  ]);
  expect(rows[2]?.error_message).toBe("helpsteer3-principle.jsonl:3: wrong type (fulfilment)");
});

test("a Parquet file in a bucket is read by ranges, and its records are those of the same file on disk", async () => {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const scores = join(folder, "scores.parquet");
  const mine = join(folder, "mine.jsonl");
  const { batch } = await plan([join(fixtures, "judgebench.jsonl"), "--principle", "correctness"]);
  expect(batch).toMatch(/^judgebench-/);
  // an export with texts is an input again
  await expectExit(0, ["score", "-", "--root", root, "--engine", "sim"], {
    input: '{"prompt":"Q","response":"A","principle":"p"}\n{"prompt":"R","response":"B","principle":"p"}\n',
  });
  await expectExit(0, ["export", "latest", scores, "--text", "--root", root]);
  await expectExit(0, ["export", "latest", mine, "--text", "--root", root]);
  const server = await startS3Server();
  try {
    const bytes = await readFile(scores);
    server.buckets.get(server.bucket)?.set("in/scores.parquet", { bytes, etag: '"1"', metadata: {} });
    const env = { AWS_ENDPOINT_URL: server.url, AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x" };
    const there = await plan([`s3://${server.bucket}/in/`], env);
    expect(there).toMatchObject({ format: "records", records: 2, rows: 2 });
    expect(await plan([scores])).toEqual({ ...there, inputs: expect.anything() });
    expect(server.requests.filter(({ action }) => action === "GetObject").length).toBeGreaterThan(2);
  } finally {
    await server.close();
  }
});

test("a format is named where it is not to be guessed, and a sample is the same whenever it is drawn", async () => {
  const input = join(fixtures, "verl.jsonl");
  const own = await plan([input, "--map", "prompt=input,response=output", "--principle", "p"]);
  expect(own.format).toBe("records");
  const named = await plan([input, "--format", "verl", "--principle", "p"]);
  expect(named).toMatchObject({ format: "verl", records: 4, strip: "auto", sample: null });
  const drawn = await plan([input, "--sample", "2", "--principle", "p"]);
  expect(drawn).toMatchObject({ records: 2, sample: { size: 2, of: 4, seed: 0 } });
  expect(await plan([input, "--sample", "2", "--principle", "p"])).toEqual(drawn);
  const { stderr } = await expectExit(2, ["plan", fixtures, "--model", "simulator"]);
  expect(stderr).toContain("the inputs are of several formats");
  expect(stderr).toContain("--format helpsteer3-edit-quality");
});
