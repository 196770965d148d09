import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { decodeShard } from "@assay/datasets";
import { startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import type { StoredObject } from "@assay/testkit";
import { checkRun, type Findings } from "./check-run.ts";
import { type FaultName, kindOf } from "./fault-kinds.ts";
import { injectFault, missingHere } from "./inject-fault.ts";
import { makeInput } from "./make-input.ts";
import { type PlannedFault, planFaults } from "./plan-faults.ts";
import { type ChaosRun, recordRun } from "./record-run.ts";
import { engines, type Rig, startRig, workers } from "./start-rig.ts";
import { command } from "./worker-crew.ts";

/**
 * `npm run chaos -- [--seed N] [--minutes M] [--record]`: real processes, and everything that can go wrong with them.
 * The plan of faults is a pure function of the seed; what they hit is not, since the clock of a real machine is not:
 * the same seed is the same plan and not the same run. A run whose promises broke keeps its folder. `--record` adds
 * the counts to test/chaos/last-run.json, from which docs/reference/faults.md is made.
 */

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "5" },
    record: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? Math.floor(Date.now() / 1_000) % 1_000_000);
const minutes = Number(values.minutes);
if (!Number.isSafeInteger(seed) || !(minutes > 0)) throw new RangeError("--seed is a whole number, --minutes above 0");

/** So long, without faults, may the rest take: a minute of work on two free cores, many of them on busy ones. */
const healMs = 480_000;
/** Batches that are under way at once. */
const openBatches = 2;
/** Records behind the long one: 500 rows a batch. */
const records = 100;
/** No new batch so shortly before the end: most faults are to fall into work. */
const lastSubmitMs = 20_000;

interface Batch {
  readonly name: string;
  readonly input: string;
  readonly rows: readonly string[];
}

let startedAt = Date.now();
const folder = await mkdtemp(join(tmpdir(), `assay-chaos-${seed}-`));
const tell = (text: string): void =>
  console.log(`${((Date.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
tell(`seed ${seed}, ${minutes} min, ${folder}`);
const rig = await startRig(folder);
const missing = missingHere(rig.faketime);
for (const [name, why] of missing) tell(`!!! NOT INJECTED: ${name}: ${why}`);
const faults = planFaults(seed, minutes, workers, engines).filter(({ name }) => !missing.has(name));

// the rig takes its time to stand on a busy machine
startedAt = Date.now();
const batches: Batch[] = [];
const done = (batch: string): boolean => object(`${batch}/_SUCCESS`) !== undefined;
const broken: string[] = [];
/** faults that another one was in the way of: a Redis that is stopped takes no setting */
const notMade: string[] = [];
const counts = new Map<FaultName, number>();
const storeFaults: { atMs: number; untilMs: number }[] = [];
let findings: Findings | null = null;
try {
  const faultsOver = runFaults();
  const oldLogs = setInterval(() => void rig.redis.keepOld().catch(() => {}), 20_000);
  const resuming = setInterval(() => void resumePaused(), 3_000);
  const endAt = startedAt + minutes * 60_000;
  for (let n = 0; Date.now() < endAt - lastSubmitMs; ) {
    if (batches.filter(({ name }) => !done(name)).length < openBatches) {
      batches.push(await submit(n));
      n += 1;
    } else await sleep(250);
  }
  await faultsOver;
  clearInterval(oldLogs);
  tell(`all healed; ${batches.filter(({ name }) => done(name)).length} of ${batches.length} batches are complete`);
  const healedBy = Date.now() + healMs;
  while (batches.some(({ name }) => !done(name)) && Date.now() < healedBy) await sleep(250);
  clearInterval(resuming);
  for (const { name } of batches) {
    if (!done(name)) broken.push(`${name} is not complete ${healMs / 1_000} s after the last fault`);
    const verified = await assay(["verify", name, "--deep"]);
    if (verified.code !== 0) broken.push(`verify --deep of ${name} ends with ${verified.code}: ${verified.text}`);
  }
  for (const { name, end, killed } of rig.crew.lives) {
    // 5 denied, 6 something is away at the start, 75 drained: a supervisor starts it again
    const isFine = end === null || killed || ["SIGKILL", "SIGTERM", "SIGABRT", "0", "5", "6", "75"].includes(end);
    if (!isFine) broken.push(`${name} ended with ${end}: ${await lastWords(name)}`);
  }
  if (batches.length === 0) broken.push("no batch was submitted: nothing was tried");
  if (notMade.length > faults.length / 5) broken.push(`${notMade.length} of ${faults.length} faults could not be made`);
  await rig.crew.close();
  findings = await checkRun({
    batches: new Map(batches.map(({ name, rows }) => [name, rows])),
    objects: new Map([...objects()].map(([key, value]) => [key.slice(5), value])),
    log: rig.s3.requests.map((entry) => ({ ...entry, key: entry.key.replace(/^root\//, "") })),
    asks: rig.asks,
    lives: rig.crew.lives,
    storeFaults,
    expected: await expectedRewards(),
  });
  broken.push(...findings.broken);
} finally {
  await rig.close();
}
report(findings);

async function runFaults(): Promise<void> {
  const heals: Promise<void>[] = [];
  for (const fault of faults) {
    await sleep(startedAt + fault.atMs - Date.now());
    heals.push(runFault(fault));
  }
  await Promise.all(heals);
}

async function runFault(fault: PlannedFault): Promise<void> {
  const { name, atMs, untilMs, worker, engine } = fault;
  const { part } = kindOf(name);
  const where = part === "worker" || part === "link" ? ` (w${worker})` : part === "engine" ? ` (engine ${engine})` : "";
  tell(`${name}${where}${untilMs > atMs ? `, ${((untilMs - atMs) / 1_000).toFixed(0)} s` : ""}`);
  try {
    const heal = await injectFault(rig, fault);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await sleep(startedAt + untilMs - Date.now());
    await heal();
    if (part === "store" || name.includes("disk") || name.includes("store"))
      storeFaults.push({ atMs: startedAt + atMs, untilMs: Date.now() });
  } catch (error) {
    notMade.push(`${name}: ${(error as Error).message}`);
  }
}

/** The same command until it ends well, as a person or a scheduler would. */
async function submit(n: number): Promise<Batch> {
  const { text, rows } = makeInput(n, records);
  const input = join(folder, `batch-${n}.jsonl`);
  await writeFile(input, text);
  for (;;) {
    const {
      code,
      text: said,
      stdout,
    } = await assay(["submit", input, "--model", "simulator"], (child) =>
      rig.onKillSubmit(() => void child.kill("SIGKILL")),
    );
    if (code === 0) return { name: stdout.trim(), input, rows };
    if (code !== null && ![5, 6, 75].includes(code)) broken.push(`submit ended with ${code}: ${said}`);
    await sleep(500);
  }
}

/** A person looks at what has stopped, and lets it go on. */
async function resumePaused(): Promise<void> {
  for (const { name } of batches) {
    if (done(name)) continue;
    const last = [...objects().keys()]
      .filter((key) => key.startsWith(`root/${name}/control/`))
      .sort()
      .at(-1);
    const state =
      last === undefined
        ? null
        : (JSON.parse(new TextDecoder().decode(objects().get(last)?.bytes)) as { state: string });
    if (state?.state === "paused") await assay(["resume", name]);
  }
}

function objects(): ReadonlyMap<string, StoredObject> {
  return rig.s3.buckets.get("chaos") ?? new Map();
}

function object(key: string): StoredObject | undefined {
  return objects().get(`root/${key}`);
}

async function assay(
  args: readonly string[],
  onStart: (child: ChildProcess) => void = () => {},
  env: Rig["env"] = rig.env,
): Promise<{ code: number | null; text: string; stdout: string }> {
  const child = spawn(process.execPath, [command, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  onStart(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    stdout += piece;
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    stderr += piece;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, text: stderr.trim().split("\n").slice(-4).join(" | ") };
}

/** The same inputs on an engine that nothing happens to. */
async function expectedRewards(): Promise<Map<string, (number | null)[]>> {
  const engine = await startSimulator({ slots: 64, reasoningTokens: 40, promptTokensDetails: true });
  const root = join(folder, "undisturbed");
  const expected = new Map<string, (number | null)[]>();
  try {
    for (const { name, input } of batches) {
      const args = ["score", input, "--root", root, "--engine", engine.url, "--model", "simulator"];
      const { code, text } = await assay(args, () => {}, { ...rig.env, REDIS_URL: "" });
      if (code !== 0) throw new Error(`the undisturbed run ends with ${code}: ${text}`);
      const store = localStore(root);
      const rewards: (number | null)[] = [];
      for await (const { key } of store.list(`${name}/rewards/`)) {
        const { rows } = await decodeShard((await store.get(key)) ?? new Uint8Array());
        for (const row of rows) rewards[row.row_index] = row.reward;
      }
      expected.set(name, rewards);
    }
  } finally {
    await engine.close();
  }
  return expected;
}

async function lastWords(life: string): Promise<string> {
  const text = await readFile(join(folder, "logs", `${life}.log`), "utf8").catch(() => "");
  return text.trim().split("\n").slice(-6).join(" | ");
}

function report(found: Findings | null): void {
  const byKind = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  console.log(`\nseed ${seed}: the same seed is the same plan of faults, not the same run`);
  for (const [name, times] of byKind) console.log(`  ${String(times).padStart(4)}  ${name}`);
  const injected = byKind.reduce((sum, [, times]) => sum + times, 0);
  if (found !== null) {
    console.log(`faults ${injected}, processes killed ${found.kills}, rows ${found.rows}`);
    console.log(`rows lost ${found.lost}, rows doubled ${found.doubled}, rewards invented ${found.invented}`);
    console.log(`rows without a reward, told by their status: ${found.withoutReward}`);
    console.log(`largest waste of one kill: ${found.largestWaste} rows, bound ${found.boundThere}`);
    console.log(
      `asked again for any reason ${found.askedAgain}, although a checkpoint held them ${found.checkpointedAskedAgain}`,
    );
  }
  for (const sentence of notMade) console.log(`NOT MADE  ${sentence}`);
  for (const sentence of broken) console.log(`BROKEN  ${sentence}`);
  const failed = found === null || broken.length > 0;
  if (failed) console.log(`FAILED with --seed ${seed} --minutes ${minutes}; everything is in ${folder}`);
  const run: ChaosRun = {
    seed,
    minutes,
    at: new Date(startedAt).toISOString(),
    redis: rig.redis.version,
    node: process.version,
    faults: Object.fromEntries(byKind),
    notInjected: Object.fromEntries(missing),
    held: !failed,
    ...(found === null ? {} : withoutText(found)),
  };
  if (values.record) recordRun(run);
  process.exitCode = failed ? 1 : 0;
}

function withoutText({ broken: _, ...counts }: Findings): Omit<Findings, "broken"> {
  return counts;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

if (process.exitCode === 0 && !values.keep) await rm(folder, { recursive: true, force: true });
