import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { localStore } from "../src/local.ts";

const here = dirname(fileURLToPath(import.meta.url));
let root: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "assay-store-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

interface Putter {
  readonly name: string;
  put(keys: readonly string[]): void;
  /** the next line that the process says */
  next(): Promise<string>;
  kill(): Promise<void>;
}

async function startPutter(name: string, bytes: number): Promise<Putter> {
  const args = [
    "--import",
    pathToFileURL(join(here, "../../testkit/typescript.mjs")).href,
    "--conditions=@assay/source",
  ];
  const child = spawn(process.execPath, [...args, join(here, "put-keys.ts"), root, name, String(bytes)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const putter: Putter = {
    name,
    put: (keys) => void child.stdin?.write(keys.map((key) => `${key}\n`).join("")),
    next: async () => (await lines.next()).value ?? "ended",
    async kill() {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
  expect(await putter.next()).toBe("ready");
  return putter;
}

test("of four processes that put the same 200 keys one wins each, and its bytes are stored", async () => {
  const putters = await Promise.all(["a", "b", "c", "d"].map((name) => startPutter(name, 10_000)));
  const keys = Array.from({ length: 200 }, (_, i) => `b-1/rewards/${String(i).padStart(6, "0")}.parquet`);
  for (const putter of putters) putter.put(keys);
  const winners = new Map<string, string[]>(keys.map((key) => [key, []]));
  await Promise.all(
    putters.map(async (putter) => {
      for (const key of keys) {
        const said = await putter.next();
        if (said === `${key} created`) winners.get(key)?.push(putter.name);
        else expect(said).toBe(`${key} exists`);
      }
    }),
  );
  const store = localStore(root);
  for (const [key, names] of winners) {
    expect([key, names.length]).toEqual([key, 1]);
    const stored = (await store.get(key))!;
    expect([key, stored.length, Buffer.from(stored).equals(Buffer.alloc(10_000, names[0]))]).toEqual([
      key,
      10_000,
      true,
    ]);
  }
  expect(await readdir(join(root, "_tmp"))).toEqual([]);
  // the race was one: no process won all
  expect(new Set([...winners.values()].flat()).size).toBeGreaterThan(1);
});

test("a process that is killed while it puts leaves whole objects and at most a temp, and its keys stay free", async () => {
  const bytes = 4_000_000;
  const store = localStore(root);
  for (let round = 0; round < 3; round += 1) {
    const putter = await startPutter("k", bytes);
    const keys = Array.from({ length: 50 }, (_, i) => `b-${round}/rewards/${i}`);
    putter.put(keys);
    // somewhere in the puts behind the first ones
    for (let i = 0; i <= round; i += 1) await putter.next();
    await putter.kill();
    let created = 0;
    for (const key of keys) {
      const found = await store.get(key);
      if (found === null) {
        expect(await store.putIfAbsent(key, Buffer.from("next"))).toBe("created");
      } else {
        created += 1;
        expect([key, found.length]).toEqual([key, bytes]);
      }
    }
    expect(created).toBeGreaterThan(round);
    expect(created).toBeLessThan(keys.length);
  }
  for await (const { key } of store.list("")) expect(key).not.toMatch(/^_tmp/);
});
