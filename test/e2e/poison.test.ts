import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { localStore } from "@assay/store/local";
import { afterAll, expect, test } from "@jest/globals";
import { expectExit, type Running, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Real processes: a row that ends each engine that works on it, and somebody who starts the engines again. */

const rows = 256;
const guilty = 131;
const text = "the row that kills";

const supervised: { stop: () => Promise<void> }[] = [];
afterAll(async () => {
  await Promise.all(supervised.splice(0).map(({ stop }) => stop()));
});

/** A simulator that is started again at its port whenever it ends, as systemd or a pod's restart policy does. */
async function supervise(): Promise<{ url: string; restarts: () => number }> {
  let restarts = 0;
  let stopped = false;
  let running: Running;
  const start = (port: string): Promise<string> => {
    const flags = ["--slots", "64", "--reasoning-tokens", "20", "--dies-of", text];
    running = startAssay(["sim", "--port", port, ...flags]);
    return new Promise((resolve) => running.child.stdout?.once("data", (told) => resolve(String(told).trim())));
  };
  const url = await start("0");
  const { port } = new URL(url);
  const keepAlive = async (): Promise<void> => {
    for (;;) {
      const { code } = await running.ended;
      if (stopped) return;
      expect(code).toBe(139);
      restarts += 1;
      await start(port);
    }
  };
  const kept = keepAlive();
  supervised.push({
    stop: async () => {
      stopped = true;
      running.child.kill("SIGTERM");
      await kept;
    },
  });
  return { url, restarts: () => restarts };
}

test("one row that kills engines costs five restarts at most, is quarantined, and every other row is scored", async () => {
  const root = join(await tempFolder(), "root");
  const input = join(root, "..", "rows.jsonl");
  const principles = Array.from({ length: rows }, (_, i) => (i === guilty ? text : `principle ${i}`));
  await writeFile(input, `${JSON.stringify({ id: "one", prompt: "What is 1+1?", response: "2", principles })}\n`);
  const engines = [await supervise(), await supervise()];
  const urls = engines.map(({ url }) => url).join(",");

  await expectExit(0, ["score", input, "--root", root, "--engine", urls, "--in-flight", "32"]);
  const restarts = engines.reduce((sum, engine) => sum + engine.restarts(), 0);
  expect(restarts).toBeGreaterThanOrEqual(4);
  expect(restarts).toBeLessThanOrEqual(5);

  await expectExit(0, ["verify", "latest", "--root", root]);
  const store = localStore(root);
  const statuses = new Map<number, string>();
  for await (const { key } of store.list("")) {
    if (!key.endsWith(".parquet")) continue;
    for (const row of (await decodeShard((await store.get(key)) ?? new Uint8Array())).rows)
      statuses.set(row.row_index, row.status);
  }
  expect(statuses.size).toBe(rows);
  expect([...statuses].filter(([, status]) => status !== "ok")).toEqual([[guilty, "quarantined"]]);

  const failures = (await expectExit(0, ["failures", "latest", "--root", root])).stdout;
  expect(failures).toMatch(/1 of 256 rows have no reward/);
  expect(failures).toMatch(/1 quarantined\n/);
  expect(failures).toMatch(/example +row 131, id one, .*rows\.jsonl:1\n/);
  expect(failures).toMatch(/next +\S*assay retry rows-[0-9a-f]{16} --status quarantined --root /);
}, 240_000);
