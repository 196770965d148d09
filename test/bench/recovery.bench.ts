import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shardKey } from "@assay/core";
import { startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { startEngineGate } from "../chaos/processes/engine-gate.ts";
import { makeInput } from "../chaos/processes/make-input.ts";
import { startRedis } from "../chaos/processes/redis-server.ts";
import { command } from "../chaos/processes/worker-crew.ts";

/**
 * How long until work goes on, with the built command, a real redis-server and a simulated engine of 64 slots:
 * `npm run bench test/bench/recovery.bench.ts [committed rows]`. The shards of the committed rows are copies of one:
 * a reconcile lists them and reads none.
 */

const committedRows = Number(process.argv[2] ?? 1_000_000);
const folder = await mkdtemp(join(tmpdir(), "assay-recovery-"));
const simulator = await startSimulator({
  slots: 64,
  tokensPerSecond: 400,
  reasoningTokens: 60,
  promptTokensDetails: true,
});
const redis = await startRedis(folder);
const asks: { row: string; at: number }[] = [];
const answers: { row: string | null; at: number }[] = [];
const gate = await startEngineGate(
  () => simulator.url,
  () => "",
  (ask) => asks.push(ask),
  (answer) => answers.push(answer),
);
const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME };
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

try {
  await scoreAgain();
  await workerKilled();
  await flushed();
} finally {
  await gate.close();
  await simulator.close();
  await redis.close();
  await rm(folder, { recursive: true, force: true });
}

async function scoreAgain(): Promise<void> {
  const root = join(folder, "score");
  const input = join(folder, "score.jsonl");
  const { text, rows } = makeInput(1, 300);
  await writeFile(input, text);
  const score = ["score", input, "--root", root, "--engine", gate.url, "--in-flight", "32", "--model", "simulator"];
  const first = start(score);
  await until(() => asks.length >= rows.length / 2);
  first.kill("SIGKILL");
  await once(first, "close");
  const before = asks.length;
  const saved = await savedRows(root, rows);
  const startedAt = Date.now();
  const second = start(score);
  const ended = once(second, "close");
  await until(() => asks.length > before);
  const firstAsk = asks[before]?.at ?? 0;
  const probed = answers.findLast(({ at }) => at <= firstAsk)?.at ?? 0;
  const [code] = await ended;
  const endedAt = Date.now();
  const lastAnswer = answers.at(-1)?.at ?? 0;
  const again = asks.slice(before).filter(({ row }) => saved.has(row)).length;
  console.log(`score killed with -9 at half of ${rows.length} rows and started again (exit ${code}):`);
  console.log(
    `  first new row ${seconds(firstAsk - probed)} after the engine's last answer to the probe (goal 2 s), ${seconds(firstAsk - startedAt)} after its start`,
  );
  console.log(`  ${seconds(endedAt - lastAnswer)} from the last answer to the end of the process`);
  console.log(`  rows asked again of ${saved.size} that a checkpoint or shard held: ${again} (goal 0)`);
}

async function workerKilled(): Promise<void> {
  const root = join(folder, "shared");
  const input = join(folder, "shared.jsonl");
  // the long record is one chunk of 100 rows: who dies holds all of it, and one row at a time keeps it for 20 s
  await writeFile(input, makeInput(2, 0).text);
  const at = ["--root", root, "--redis", `redis://127.0.0.1:${redis.port}`];
  await run(["submit", input, ...at, "--model", "simulator"]);
  const work = ["worker", ...at, "--engine", gate.url, "--in-flight", "1", "--model", "simulator"];
  const before = asks.length;
  const first = start(work);
  await until(() => asks.length >= before + 10);
  const second = start(work);
  // it has looked and found nothing to take
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  first.kill("SIGKILL");
  const killedAt = Date.now();
  await once(first, "close");
  const atKill = asks.length;
  await until(() => asks.length > atKill);
  console.log("a worker of a shared Redis killed with -9 in the middle of a chunk, another one idle:");
  console.log(`  its chunk runs elsewhere after ${seconds((asks[atKill]?.at ?? 0) - killedAt)} (goal 40 s)`);
  second.kill("SIGKILL");
  await once(second, "close");
}

async function flushed(): Promise<void> {
  const root = join(folder, "large");
  const input = join(folder, "large.jsonl");
  const line = (i: number): string =>
    JSON.stringify({ prompt: `q3.${i}: what is ${i}?`, response: `${i}`, principle: `p0 of q3.${i}` });
  const text = Array.from({ length: committedRows + 10_000 }, (_, i) => line(i)).join("\n");
  await writeFile(input, text);
  const stagedFrom = Date.now();
  const at = ["--root", root, "--redis", `redis://127.0.0.1:${redis.port}`];
  const batch = (await run(["submit", input, ...at, "--model", "simulator", "--order", "file"])).trim();
  const stagedMs = Date.now() - stagedFrom;
  const { chunks } = JSON.parse(await readFile(join(root, batch, "batch.json"), "utf8")) as {
    chunks: { rows: number }[];
  };
  const store = localStore(root);
  let rows = 0;
  let committed = 0;
  for (; rows < committedRows; committed += 1) {
    await store.putIfAbsent(shardKey(batch, committed), new Uint8Array([80]));
    rows += chunks[committed]?.rows ?? 0;
  }
  await redis.admin((admin) => admin.flushall());
  const before = asks.length;
  const worker = start(["worker", ...at, "--engine", gate.url, "--in-flight", "16", "--model", "simulator"]);
  await until(() => asks.length >= before + 100);
  await redis.admin((admin) => admin.flushall());
  const flushedAt = Date.now();
  const chunkOf = (row: string): number => Math.floor((Number(row.split(".")[1]) - rows) / 256);
  const known = new Set(asks.slice(before).map(({ row }) => chunkOf(row)));
  // rows of chunks that it held go on; what counts is the first of a chunk that came out of the new queue
  let next: { row: string; at: number } | undefined;
  let nextInHand: { row: string; at: number } | undefined;
  await until(() => {
    const since = asks.filter(({ at: asked }) => asked > flushedAt);
    nextInHand ??= since[0];
    next = since.find(({ row }) => !known.has(chunkOf(row)));
    return next !== undefined;
  });
  console.log(
    `FLUSHALL at ${rows} committed rows in ${committed} chunks (staged in ${seconds(stagedMs)}; their shards are placeholders, which are listed and not read):`,
  );
  const times = [flushedAt, ...asks.map(({ at: asked }) => asked).filter((asked) => asked > flushedAt)];
  const longestGap = Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? time)));
  console.log(
    `  next row ${seconds((nextInHand?.at ?? 0) - flushedAt)} after it (goal 10 s); first row of a chunk from the new queue after ${seconds((next?.at ?? 0) - flushedAt)}; until then never longer than ${seconds(longestGap)} without a new row`,
  );
  worker.kill("SIGKILL");
  await once(worker, "close");
}

/** Names of rows that checkpoints and shards of the root's only batch hold. */
async function savedRows(root: string, names: readonly string[]): Promise<Set<string>> {
  const { decodeShard } = await import("@assay/datasets");
  const { gunzipSync } = await import("node:zlib");
  const [batch = ""] = (await readdir(root)).filter((name) => name.startsWith("score-"));
  const store = localStore(root);
  const saved = new Set<string>();
  const add = (row: number): void => void saved.add(names[row] ?? "");
  for await (const { key } of store.list(`${batch}/`)) {
    const bytes = await store.get(key);
    if (bytes === null) continue;
    if (key.endsWith(".parquet")) for (const { row_index } of (await decodeShard(bytes)).rows) add(row_index);
    if (key.includes("/partial/") && key.endsWith(".gz"))
      for (const row of gunzipSync(bytes).toString().trimEnd().split("\n").slice(1)) add(JSON.parse(row).row_index);
  }
  return saved;
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [command, ...args], { env, stdio: ["ignore", "ignore", "inherit"] });
}

async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    stdout += piece;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`assay ${args.join(" ")}: exit ${code}`);
  return stdout;
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 300_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > end) throw new Error(`recovery.bench: 5 minutes without ${condition}`);
  }
}
