import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSimulator } from "@assay/simulator";
import { startS3Server } from "@assay/testkit";
import { startEngineGate } from "../chaos/processes/engine-gate.ts";
import { makeInput } from "../chaos/processes/make-input.ts";
import { startRedis } from "../chaos/processes/redis-server.ts";
import { startTcpProxy } from "../chaos/processes/tcp-proxy.ts";
import { command } from "../chaos/processes/worker-crew.ts";

/**
 * What is left of the throughput when Redis or the store is far away: `npm run bench test/bench/latency.bench.ts
 * [records]`. The built worker, a real redis-server, an S3 server, one simulated engine of 64 slots whose rows take
 * about a second; proxies make the way long. Rows a second from the first row that is sent to the last answer, beside
 * those of the same run without any way.
 */

const records = Number(process.argv[2] ?? 350);
const folder = await mkdtemp(join(tmpdir(), "assay-latency-"));
const simulator = await startSimulator({
  slots: 64,
  tokensPerSecond: 60,
  reasoningTokens: 50,
  promptTokensDetails: true,
});
const redis = await startRedis(folder);
const s3 = await startS3Server({ bucket: "bench" });
const redisWire = await startTcpProxy({ port: redis.port });
const storeWire = await startTcpProxy({ port: Number(new URL(s3.url).port) });
let asks: number[] = [];
let answers: number[] = [];
const gate = await startEngineGate(
  () => simulator.url,
  () => "",
  ({ at }) => asks.push(at),
  ({ at }) => answers.push(at),
);
const env = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  XDG_CACHE_HOME: join(folder, "cache"),
  AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${storeWire.port}`,
  AWS_ACCESS_KEY_ID: "bench",
  AWS_SECRET_ACCESS_KEY: "bench",
  AWS_REGION: "us-east-1",
  REDIS_URL: `redis://127.0.0.1:${redisWire.port}`,
};

try {
  // the first run finds everything cold
  await rowsPerSecond("cold", 0, 0);
  const near = await rowsPerSecond("near", 0, 0);
  console.log(`nothing is far: ${near.toFixed(1)} rows/s`);
  for (const [what, toRedis, toStore] of [
    ["Redis", 1, 0],
    ["the store", 0, 1],
    ["both", 1, 1],
  ] as const)
    for (const ms of [1, 10, 100]) {
      const far = await rowsPerSecond(`${toRedis}${toStore}-${ms}`, toRedis * ms, toStore * ms);
      console.log(`${what} ${ms} ms away, there and back: ${(far / near).toFixed(3)} of it`);
    }
  console.log(`nothing is far, again: ${((await rowsPerSecond("again", 0, 0)) / near).toFixed(3)} of it`);
} finally {
  for (const each of [gate, redisWire, storeWire, simulator, s3, redis]) await each.close();
  await rm(folder, { recursive: true, force: true });
}

/** Of one batch in a root of its own, with the ways as long as they say, there and back. */
async function rowsPerSecond(name: string, redisMs: number, storeMs: number): Promise<number> {
  const root = ["--root", `s3://bench/${name}`];
  const input = join(folder, `${name}.jsonl`);
  const { text, rows } = makeInput(1, records);
  await writeFile(input, text);
  await run(["submit", input, ...root, "--model", "simulator"]);
  redisWire.setDelay(redisMs / 2);
  storeWire.setDelay(storeMs / 2);
  [asks, answers] = [[], []];
  await run(["worker", ...root, "--engine", gate.url, "--in-flight", "64", "--model", "simulator", "--until-idle"]);
  redisWire.setDelay(0);
  storeWire.setDelay(0);
  const seconds = ((answers.at(-1) ?? 0) - (asks[0] ?? 0)) / 1_000;
  return rows.length / seconds;
}

async function run(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [command, ...args], { env, stdio: "ignore" });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`assay ${args.join(" ")}: exit ${code}`);
}
