import { gunzipSync } from "node:zlib";
import {
  AssayError,
  type BatchFile,
  decodeCheckpoint,
  isEngineSide,
  pinSha256,
  readPartialKey,
  shardKey,
  successKey,
} from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { type ManualClock, manualClock, memoryStore, seeded } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readShards } from "../src/finalize-batch.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { pin, record, records, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { turn } from "./immediate-clock.ts";
import { refuseUnhandled } from "./refuse-unhandled.ts";
import { type Ask, lifeOf, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { type QueueView, wipeableQueue } from "./wipeable-queue.ts";

const { unhandled } = refuseUnhandled();

interface Night {
  readonly seed: number;
  readonly rows: number;
  readonly workers: number;
  /** how likely an operation of the store fails */
  readonly faults: number;
  /** how many misfortunes there are, and of which kinds */
  readonly misfortunes: number;
  readonly kinds?: readonly Misfortune[];
  /** rows that end every engine that is asked them; absent = none */
  readonly poison?: readonly number[];
  /** an engine's end is its worker's, too */
  readonly together?: boolean;
  /** absent = nobody waits for the time, which passes alike for all otherwise */
  readonly clock?: ManualClock;
}
type Misfortune = "kill" | "drain" | "wipe" | "lapse" | "away";

/** Plays one night; returns what stands in the store in the morning. */
async function play(night: Night) {
  const random = seeded(night.seed);
  const memory = memoryStore();
  const { kinds = ["kill", "kill", "kill", "kill", "drain", "wipe", "wipe", "wipe", "lapse", "lapse", "away"] } = night;
  const text = `${records(night.rows)}{"broken\n${record(night.rows)}\n`;
  const file = await submit(memory, text, { maxBad: 1 });
  let away = false;
  const queue = wipeableQueue(() => away && random() < 0.5);
  const ended: Promise<void>[] = [];
  const alive = new Set<{ kill: () => void; drain: () => void }>();
  const answers: string[] = [];
  /** rows that were asked although a checkpoint held them */
  const askedAgain: string[] = [];
  const saved = savedRows(memory, file);
  let left = night.misfortunes;
  let deaths = 0;
  /** engines outlive the workers that are killed beside them */
  const deathsOf = new Map<string, number>();

  function misfortune(): void {
    if (left === 0 || random() > 0.02) return;
    left -= 1;
    const kind = kinds[Math.floor(random() * kinds.length)];
    if (kind === "wipe") queue.wipe();
    else if (kind === "lapse") queue.lapse();
    else if (kind === "away") away = !away;
    else if (kind !== undefined) [...alive][Math.floor(random() * alive.size)]?.[kind]();
  }

  function start(): void {
    let dead = false;
    const view: QueueView = queue.view();
    const store = faultyStore(
      memory,
      () => {
        misfortune();
        if (dead) return "before";
        return random() < night.faults ? (random() < 0.5 ? "before" : "after") : null;
      },
      () => new AssayError("E_STORE_UNAVAILABLE", "played"),
    );
    const script = ({ kind, row, origin }: Ask): Say => {
      if (night.poison?.some((k) => row.startsWith(`r${k}|`)) === true) {
        deaths += 1;
        deathsOf.set(origin, (deathsOf.get(origin) ?? 0) + 1);
        if (night.together === true) entry.kill();
        return "dies";
      }
      if (kind === "chat") askedAgain.push(...(saved().has(row) ? [row] : []));
      const x = random();
      if (x < 0.03) return "lost";
      if (x < 0.06) return "busy";
      if (x < 0.09) return "server_error";
      if (x < 0.11) return "rejected";
      return x < 0.13 && kind === "chat" ? { completion: { finishReason: "length" } } : "verdict";
    };
    // sampled: no two asks of a row agree
    const drawn = new Map<string, number>();
    const yes = (row: string, draw: number): number => {
      const known = drawn.get(`${row} ${draw}`) ?? 0.01 + 0.98 * random();
      drawn.set(`${row} ${draw}`, known);
      return known;
    };
    const before = async (): Promise<void> => {
      misfortune();
      for (let turns = Math.floor(random() * 3); turns >= 0; turns -= 1) await turn();
    };
    const pool = scriptedPool({
      origins: ["http://a", "http://b"],
      slots: 1 + Math.floor(random() * 6),
      script,
      yes,
      before,
      life: (origin) => lifeOf(origin, deathsOf.get(origin) ?? 0),
    });
    const { clock } = night;
    const worker = startWorker(
      { store, queue: view, pool, ...(clock === undefined ? {} : { clock }) },
      { drainMs: random() < 0.5 ? 0 : 20_000 },
    );
    const entry = {
      drain: () => {
        alive.delete(entry);
        worker.drain.abort();
        start();
      },
      kill: () => {
        dead = true;
        alive.delete(entry);
        view.cut();
        worker.abort.abort();
        start();
      },
    };
    alive.add(entry);
    ended.push(
      worker.ended.then((end) => {
        alive.delete(entry);
        answers.push(typeof end === "string" ? end : String((end.error as { code?: unknown }).code ?? end.error));
        // a worker goes home when the store says so, and not before
        if (end === "idle") expect(memory.objects.has(successKey(file.batch))).toBe(true);
      }),
    );
  }

  for (let i = 0; i < night.workers; i += 1) start();
  let over = false;
  const time = passTime(night.clock, () => over);
  // who is killed is followed by another
  for (let settled = -1; settled < ended.length; ) {
    settled = ended.length;
    await Promise.all(ended);
  }
  over = true;
  await time;
  return { memory, file, answers, askedAgain, deaths };
}

/** A second a turn: an answer takes a few, and whoever waits for half a minute sees those before who wait for less. */
async function passTime(clock: ManualClock | undefined, isOver: () => boolean): Promise<void> {
  while (clock !== undefined && !isOver()) {
    await turn();
    await clock.advance(1_000);
  }
}

/** What checkpoints hold, as the engines are asked for it; each is read once. */
function savedRows({ objects }: ReturnType<typeof memoryStore>, file: BatchFile) {
  const pinned = pinSha256({ ...pin, read: "two-step" });
  const expected = { batch_sha256: file.sha256, format: file.format, pin_sha256: pinned };
  const saved = new Set<string>();
  const seen = new Set<string>();
  return (): Set<string> => {
    for (const [key, bytes] of objects) {
      if (seen.has(key) || readPartialKey(key)?.kind !== "rows") continue;
      seen.add(key);
      const rows = decodeCheckpoint(gunzipSync(bytes), expected);
      // records stand one a line; what an engine did to a lone row is noted, and the row is asked again
      for (const { input_line, principle, status } of rows ?? [])
        if (!isEngineSide(status)) saved.add(`r${input_line - 1}|${principle}`);
    }
    return saved;
  };
}

describe("exactly once, whatever happens", () => {
  test("property: any number of workers, kills, wipes, lapsed leases and faults of the store; sampled rewards", async () => {
    const night = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 0, max: 70 }),
      workers: fc.integer({ min: 1, max: 3 }),
      faults: fc.constantFrom(0, 0.05, 0.12),
      misfortunes: fc.integer({ min: 0, max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(night, async (played) => {
        const { memory, file, answers } = await play(played);
        expect(answers).toEqual(answers.map((answer) => (answer === "drained" ? "drained" : "idle")));
        expect(await verifyBatch({ store: memory, decodeShard }, file.batch)).toMatchObject({
          complete: true,
          broken: null,
        });
        const indices: number[] = [];
        for await (const { rows } of readShards({ store: memory, decodeShard }, file)) {
          for (const row of rows) {
            indices.push(row.row_index);
            expect(row.status === "ok").toBe(row.reward !== null);
          }
        }
        expect(indices).toEqual([...Array(played.rows + 2).keys()]);
        expect(unhandled).toEqual([]);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  test("property: workers are killed and drained again and again, and no row that a checkpoint holds is asked again", async () => {
    const night = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 30, max: 70 }),
      workers: fc.integer({ min: 1, max: 3 }),
      faults: fc.constantFrom(0, 0.05),
      misfortunes: fc.integer({ min: 1, max: 12 }),
      kinds: fc.constant(["kill", "drain"] as const),
    });
    let saved = 0;
    await fc.assert(
      fc.asyncProperty(night, async (played) => {
        const { memory, file, askedAgain } = await play(played);
        expect(askedAgain).toEqual([]);
        expect(await verifyBatch({ store: memory, decodeShard }, file.batch)).toMatchObject({ broken: null });
        saved += savedRows(memory, file)().size;
      }),
      { numRuns: 20 },
    );
    // the law is about something
    expect(saved).toBeGreaterThan(0);
  }, 120_000);

  test("property: rows that kill engines, alone or with their workers, wipes, lapses, drains, spot kills: no other row is quarantined", async () => {
    const any = { seed: fc.integer(), workers: fc.integer({ min: 1, max: 3 }), faults: fc.constantFrom(0, 0.02) };
    const chance = fc.record({
      ...any,
      rows: fc.integer({ min: 1, max: 50 }),
      misfortunes: fc.integer({ min: 0, max: 8 }),
      kinds: fc.constantFrom<readonly Misfortune[]>(["wipe", "lapse"], ["wipe", "lapse", "drain"], ["lapse"]),
      poison: fc.uniqueArray(fc.nat(49), { minLength: 0, maxLength: 2 }),
      together: fc.constant(false),
    });
    // one chunk: a worker that dies takes no lone row of another with it
    const together = fc.record({
      ...any,
      rows: fc.integer({ min: 1, max: 14 }),
      misfortunes: fc.constant(0),
      kinds: fc.constant<readonly Misfortune[]>([]),
      poison: fc.uniqueArray(fc.nat(13), { minLength: 1, maxLength: 1 }),
      together: fc.constant(true),
    });
    // the first one narrows, and six that met one row alone would be needed beside engines that live
    const spot = fc.record({
      ...any,
      rows: fc.integer({ min: 1, max: 50 }),
      misfortunes: fc.integer({ min: 1, max: 6 }),
      kinds: fc.constant<readonly Misfortune[]>(["kill"]),
      poison: fc.constant([]),
      together: fc.constant(false),
    });
    let quarantined = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(chance, chance, together, spot), async (drawn) => {
        const poison = drawn.poison.filter((k) => k < drawn.rows);
        const { memory, file, deaths } = await play({ ...drawn, poison, clock: manualClock() });
        expect(await verifyBatch({ store: memory, decodeShard }, file.batch)).toMatchObject({
          complete: true,
          broken: null,
        });
        const condemned: number[] = [];
        for await (const { rows } of readShards({ store: memory, decodeShard }, file))
          for (const row of rows) if (row.status === "quarantined") condemned.push(row.row_index);
        expect(condemned).toEqual([...poison].sort((a, b) => a - b));
        // 16, 2, alone, alone; and once more for each attempt that lives beside another
        expect(deaths).toBeLessThanOrEqual(poison.length * (4 + drawn.misfortunes * drawn.workers));
        expect(unhandled).toEqual([]);
        quarantined += condemned.length;
      }),
      { numRuns: 40 },
    );
    expect(quarantined).toBeGreaterThan(0);
  }, 120_000);

  test("two workers that disagree about a row: one shard wins and stays", async () => {
    const { memory, file } = await play({ seed: 7, rows: 40, workers: 2, faults: 0, misfortunes: 6 });
    const shard = memory.objects.get(shardKey(file.batch, 0));
    const again = startWorker({ store: memory, queue: wipeableQueue() });
    expect(await again.ended).toBe("idle");
    expect(again.pool.log).toEqual([]);
    expect(memory.objects.get(shardKey(file.batch, 0))).toBe(shard);
  });
});
