import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { controlPrefix, retryKey, retryName } from "@assay/core";
import { checkExport } from "./check-export.ts";
import { checkPeople } from "./check-people.ts";
import { checkRun, type Findings } from "./check-run.ts";
import { type FaultName, kindOf } from "./fault-kinds.ts";
import { injectFault, missingHere } from "./inject-fault.ts";
import { makeInput } from "./make-input.ts";
import { type PlannedFault, planFaults } from "./plan-faults.ts";
import { readFamilies } from "./read-families.ts";
import { type ChaosRun, recordRun } from "./record-run.ts";
import { runCommand, runUntilOver } from "./run-command.ts";
import { engines, startRig, storeNames, workers } from "./start-rig.ts";
import { undisturbedRewards } from "./undisturbed.ts";

/**
 * `npm run chaos -- [--seed N] [--minutes M] [--store testkit|versitygw] [--record]`: real processes, and everything that can go wrong with them.
 * The plan of faults is a pure function of the seed; what they hit is not, since the clock of a real machine is not:
 * the same seed is the same plan and not the same run. A run whose promises broke keeps its folder. `--record` adds
 * the counts to test/chaos/last-run.json, from which docs/reference/faults.md is made.
 */

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    minutes: { type: "string", default: "5" },
    store: { type: "string", default: "testkit" },
    record: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? Math.floor(Date.now() / 1_000) % 1_000_000);
const minutes = Number(values.minutes);
if (!Number.isSafeInteger(seed) || !(minutes > 0)) throw new RangeError("--seed is a whole number, --minutes above 0");
const storeName = storeNames.find((name) => name === values.store);
if (storeName === undefined) throw new RangeError(`--store is one of ${storeNames.join(", ")}`);

/** So long, without faults, may the rest take: a minute of work on two free cores, many of them on busy ones. */
const healMs = 480_000;
/** Batches that are under way at once. */
const openBatches = 2;
/** Records behind the long one: 500 rows a batch, 180 the first, which is complete before the first fault. */
const records = 100;
const firstRecords = 20;
/** A budget that a row in thirty does not get along with: what a person asks again. */
const settings = ["--model", "simulator", "--set", "max_tokens=140", "--max-failed", "50%"];
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
const batches: Batch[] = [];
const rig = await startRig(folder, storeName, (has) =>
  batches.map(({ name }) => ({ name, isDone: has(`${name}/_SUCCESS`) })),
);
tell(`store: ${rig.store.name}`);
const missing = missingHere(rig);
for (const [name, why] of missing) tell(`!!! NOT INJECTED: ${name}: ${why}`);
const faults = planFaults(seed, minutes, workers, engines).filter(({ name }) => !missing.has(name));

const broken: string[] = [];
/** faults that another one was in the way of: a Redis that is stopped takes no setting */
const notMade: string[] = [];
const counts = new Map<FaultName, number>();
const storeFaults: { atMs: number; untilMs: number }[] = [];
const engineEnds: { engine: string; atMs: number; untilMs: number }[] = [];
/** What ends an engine, or is as good as that to who waits for it. */
const ends: readonly FaultName[] = ["engine: hangs", "engine: its core dies", "engine: gone, and started again"];
let findings: Findings | null = null;
try {
  batches.push(await submit(0, firstRecords));
  await untilAllEnded();
  // the rig takes its time to stand on a busy machine
  startedAt = Date.now();
  const faultsOver = runFaults();
  const oldLogs = setInterval(() => void rig.redis.keepOld().catch(() => {}), 20_000);
  const resuming = setInterval(() => void resumePaused(), 3_000);
  const endAt = startedAt + minutes * 60_000;
  for (let n = 1; Date.now() < endAt - lastSubmitMs; ) {
    if (batches.filter(({ name }) => !isOver(name)).length < openBatches) {
      batches.push(await submit(n, records));
      n += 1;
    } else await sleep(250);
  }
  await faultsOver;
  clearInterval(oldLogs);
  tell(`all healed; ${batches.filter(({ name }) => isDone(name)).length} of ${batches.length} batches are complete`);
  await untilAllEnded();
  clearInterval(resuming);
  for (const batch of batches) await checkBatch(batch);
  for (const { name, end, killed } of rig.crew.lives) {
    // 5 denied, 6 something is away at the start, 75 drained: a supervisor starts it again
    const isFine = end === null || killed || ["SIGKILL", "SIGTERM", "SIGABRT", "0", "5", "6", "75"].includes(end);
    if (!isFine) broken.push(`${name} ended with ${end}: ${await lastWords(name)}`);
  }
  if (notMade.length > faults.length / 5) broken.push(`${notMade.length} of ${faults.length} faults could not be made`);
  await rig.crew.close();
  findings = await check();
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
  const url = rig.engines[engine]?.url ?? "";
  tell(`${name}${where}${untilMs > atMs ? `, ${((untilMs - atMs) / 1_000).toFixed(0)} s` : ""}`);
  try {
    const heal = await injectFault(rig, fault);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await sleep(startedAt + untilMs - Date.now());
    await heal();
    if (ends.includes(name)) engineEnds.push({ engine: url, atMs: startedAt + atMs, untilMs: Date.now() });
    if (part === "store" || name.includes("disk") || name.includes("store"))
      storeFaults.push({ atMs: startedAt + atMs, untilMs: Date.now() });
  } catch (error) {
    notMade.push(`${name}: ${(error as Error).message}`);
  }
}

/** The same command until it ends well, as a person or a scheduler would. */
async function submit(n: number, size: number): Promise<Batch> {
  const { text, rows } = makeInput(n, size);
  const input = join(folder, `batch-${n}.jsonl`);
  await writeFile(input, text);
  for (;;) {
    const ran = await runUntilOver(["submit", input, ...settings], rig.env, (child) =>
      rig.onKillSubmit(() => void child.kill("SIGKILL")),
    );
    if (ran.code === 0) return { name: ran.stdout.trim(), input, rows };
    broken.push(`submit ended with ${ran.code}: ${ran.text}`);
    await sleep(500);
  }
}

/** A person looks at what has stopped, and lets it go on, where nobody has stopped it on purpose. */
async function resumePaused(): Promise<void> {
  for (const name of names()) {
    if (isOver(name) || rig.people.isHeld(name)) continue;
    const last = rig.store
      .keys()
      .filter((key) => key.startsWith(controlPrefix(name)))
      .sort()
      .at(-1);
    if (last === undefined) continue;
    const { state } = JSON.parse(new TextDecoder().decode(rig.store.read(last))) as { state: string };
    if (state === "paused") await rig.people.resume(name);
  }
}

/** Waits for every batch and every retry that is linked; says which are not complete when the time is up. */
async function untilAllEnded(): Promise<void> {
  const endsAt = Date.now() + healMs;
  while (names().some((name) => !isOver(name)) && Date.now() < endsAt) await sleep(250);
  for (const name of names())
    if (!isOver(name)) broken.push(`${name} is not complete ${healMs / 1_000} s after it could have gone on`);
}

/** What the commands say about it from the store alone. */
async function checkBatch({ name, input }: Batch): Promise<void> {
  const cancelled = rig.people.isCancelled(name);
  const verified = await runCommand(["verify", name, "--deep"], rig.env);
  if (verified.code !== (cancelled ? 75 : 0))
    broken.push(`verify --deep of ${name} ends with ${verified.code}: ${verified.text}`);
  if (!cancelled) return;
  const again = await runCommand(["submit", input, ...settings], rig.env);
  if (again.code !== 2) broken.push(`submit of ${name}, which is cancelled, ends with ${again.code}: ${again.text}`);
}

async function check(): Promise<Findings> {
  const { store } = rig;
  const stored = new Map(store.keys().map((key) => [key, { bytes: store.read(key) ?? new Uint8Array() }]));
  const log = store.log();
  const run = batches.map((batch) => ({ ...batch, isCancelled: rig.people.isCancelled(batch.name) }));
  const families = await readFamilies(run, stored, log, rig.asks);
  const expected = await undisturbedRewards(folder, rig.env, batches, settings);
  const { deeds } = rig.people;
  const { lives } = rig.crew;
  const found = await checkRun({ ...families, objects: stored, log, lives, storeFaults, engineEnds, expected });
  found.broken.push(
    ...checkPeople({ batches: families.batches.keys(), objects: stored, deeds, asks: families.asks, log, storeFaults }),
  );
  for (const { name, rows } of batches) {
    if (!families.batches.has(retryName(name, 1))) continue;
    const file = join(folder, `${name}.export.jsonl`);
    const { code, text } = await runCommand(["export", name, file], rig.env);
    // a retry that somebody cancelled stays unfinished
    const asItShould = isDone(retryName(name, 1)) ? 0 : 75;
    if (code !== asItShould) found.broken.push(`export of ${name} ends with ${code}: ${text}`);
    else found.broken.push(...(await checkExport(file, name, rows.length, expected)));
  }
  if (found.broken.length > 0 || broken.length > 0) await keepStore(stored);
  return found;
}

/** A store of the test kit is gone with the process. */
async function keepStore(stored: ReadonlyMap<string, { readonly bytes: Uint8Array }>): Promise<void> {
  for (const [key, { bytes }] of stored) {
    const file = join(folder, "store", key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
  await writeFile(
    join(folder, "asks.json"),
    JSON.stringify({ asks: rig.asks, lives: rig.crew.lives, engineEnds, log: rig.store.log() }),
  );
}

/** The batches and their retries. */
function names(): string[] {
  return batches.flatMap(({ name }) => (rig.store.has(retryKey(name, 1)) ? [name, retryName(name, 1)] : [name]));
}

function isDone(batch: string): boolean {
  return rig.store.has(`${batch}/_SUCCESS`);
}

function isOver(batch: string): boolean {
  return isDone(batch) || rig.people.isCancelled(batch);
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
    console.log(`quarantined, since engines seemed to die under them, twice: ${found.quarantined}`);
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
    store: rig.store.name,
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
