import { aloneKey, type BatchFile, shardKey, startKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { describe, expect, test } from "@jest/globals";
import { verifyBatch } from "../src/verify-batch.ts";
import { attempt, chunkOf, type Memory, number, openChunk, partial, rowsIn, shard } from "./attempt-chunk.ts";
import { turn, until } from "./immediate-clock.ts";
import { type Ask, lifeOf } from "./scripted-pool.ts";

/** Rows that kill engines, rows that seem to, and who is never taken for one. */

describe("poison", () => {
  const failed = async (chunk: { store: Memory; file: BatchFile }) =>
    (await shard(chunk.store, chunk.file))
      .filter(({ status }) => status !== "ok")
      .map(({ row_index, status, reward, error_code }) => [row_index, status, reward, error_code]);

  test.each([
    [256, 0],
    [256, 131],
    [256, 255],
    [16, 8],
    [1, 0],
  ])("of %i rows row %i kills every engine: quarantined within 5 deaths, the others are ok", async (rows, guilty) => {
    const chunk = await openChunk(chunkOf(rows));
    const one = attempt(chunk, (ask) => (number(ask) === guilty ? "dies" : "verdict"), { slots: 64 });
    expect(await one.ended).toMatchObject({ kind: "committed", rows, ok: rows - 1 });
    expect(one.pool.deaths()).toBeLessThanOrEqual(5);
    expect(await failed(chunk)).toEqual([[guilty, "quarantined", null, "E_QUARANTINED"]]);
    expect(await verifyBatch({ store: chunk.store, decodeShard }, chunk.file.batch)).toMatchObject({ broken: null });
    // of the others few go alone: those that were in flight at the third death
    const lone = [...chunk.store.objects.keys()].filter((key) => key.includes(".alone-"));
    expect(lone.length).toBeLessThanOrEqual(8);
  });

  test("a result of a lone row is in the store before the next one is sent", async () => {
    const chunk = await openChunk(chunkOf(16));
    const unsaved: string[] = [];
    let lastLone: number | null = null;
    const one = attempt(chunk, (ask) => {
      const keys = [...chunk.store.objects.keys()];
      const isAlone = keys.some((key) => key.includes(`.alone-${number(ask)}-`));
      if (ask.kind === "chat" && isAlone && lastLone !== null && lastLone !== number(ask) && lastLone !== 5) {
        const saved = partial(chunk.store, chunk.file).flatMap((key) => rowsIn(chunk.store, key));
        if (!saved.includes(lastLone)) unsaved.push(ask.row);
      }
      if (isAlone) lastLone = number(ask);
      return number(ask) === 5 ? "dies" : "verdict";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 15 });
    expect(lastLone).not.toBeNull();
    expect(unsaved).toEqual([]);
  });

  test("two rows that kill: both are quarantined, no other", async () => {
    const chunk = await openChunk(chunkOf(64));
    const one = attempt(chunk, (ask) => ([7, 40].includes(number(ask)) ? "dies" : "verdict"), { slots: 64 });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 62 });
    expect((await failed(chunk)).map(([row, status]) => [row, status])).toEqual([
      [7, "quarantined"],
      [40, "quarantined"],
    ]);
    expect(one.pool.deaths()).toBeLessThanOrEqual(8);
  });

  test("what an engine did to a lone row is no death and no result: it is asked again", async () => {
    const chunk = await openChunk(chunkOf(20));
    const rejected = new Set<string>();
    const isAlone = (ask: Ask): boolean =>
      [...chunk.store.objects.keys()].some((key) => key.includes(`.alone-${number(ask)}-`));
    const one = attempt(chunk, (ask) => {
      if (number(ask) === 3) return "dies";
      if (!isAlone(ask) || rejected.has(ask.row)) return "verdict";
      rejected.add(ask.row);
      return "rejected";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 19 });
    expect(rejected.size).toBeGreaterThan(0);
    expect((await failed(chunk)).map(([row]) => row)).toEqual([3]);
  });

  test("samples of a row that may kill go one after another, and its deaths are one row's", async () => {
    const chunk = await openChunk(chunkOf(16), { batch: { samples: 3 } });
    const together: number[] = [];
    const running = new Map<string, number>();
    const isNamed = (ask: Ask): boolean =>
      [...chunk.store.objects.keys()].some((key) => key.endsWith(`.among-${number(ask)}`));
    const one = attempt(chunk, (ask) => (number(ask) === 5 ? "dies" : "verdict"), {
      origins: ["http://a", "http://b", "http://c"],
      before: async (ask) => {
        running.set(ask.row, (running.get(ask.row) ?? 0) + 1);
        await turn();
        if (isNamed(ask)) together.push(running.get(ask.row) ?? 0);
        running.set(ask.row, (running.get(ask.row) ?? 1) - 1);
      },
    });
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 16, ok: 15 });
    expect((await failed(chunk)).map(([row, status]) => [row, status])).toEqual([[5, "quarantined"]]);
    // at first the three samples meet three engines; from then on one death each
    expect(one.pool.deaths()).toBeLessThanOrEqual(3 + 3);
    expect(Math.max(...together)).toBe(1);
  });
});

describe("a connection that is cut while its engine lives", () => {
  test.each([3, 50])("%i times is no death: the row is asked again, and nothing is narrowed", async (most) => {
    const chunk = await openChunk(chunkOf(4));
    let cuts = 0;
    const one = attempt(chunk, (ask) => {
      if (number(ask) !== 1 || cuts === most) return "verdict";
      cuts += 1;
      return "lost";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 4, ok: 4 });
    const names = [...chunk.store.objects.keys()].filter((key) => key.includes("/partial/"));
    expect(names).toEqual([expect.stringMatching(/\.start$/)]);
  });
});

describe("an engine that died before a row came", () => {
  test("is no death of that row, alone or not, however often", async () => {
    const chunk = await openChunk(chunkOf(1));
    await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, "f".repeat(16)), new Uint8Array());
    let left = 9;
    const one = attempt(chunk, () => (left-- > 0 ? "unreached" : "verdict"));
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 1 });
    const starts = [...chunk.store.objects.keys()].filter((key) => key.endsWith(".start"));
    expect(starts).toHaveLength(2);
  });

  test("is one of a row whose first request it has answered", async () => {
    const chunk = await openChunk(chunkOf(16));
    const one = attempt(chunk, (ask) =>
      number(ask) !== 5 ? "verdict" : ask.kind === "chat" ? "verdict" : "dies-before",
    );
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 15 });
    expect(one.pool.deaths()).toBeLessThanOrEqual(5);
  });
});

describe("an attempt that lives beside another", () => {
  /** Whoever begins here finds one row, and one death of another worker. */
  async function lone() {
    const chunk = await openChunk(chunkOf(1));
    const { batch } = chunk.file;
    await chunk.store.putIfAbsent(startKey(batch, 0, "f".repeat(16)), new Uint8Array());
    return chunk;
  }
  const aloneOf = ({ objects }: Memory): number => [...objects.keys()].filter((key) => key.includes(".alone-")).length;

  test("makes way when it is alone with its row: any number of wipes condemn nobody", async () => {
    const chunk = await lone();
    const living = [];
    for (let n = 1; n <= 5; n += 1) {
      living.push(attempt(chunk, () => "hang", { origins: [`http://engine-${n}`] }));
      for (let turns = 0; turns < 20; turns += 1) await turn();
    }
    // from the third on they wait and see whether the ones before are alive
    expect(aloneOf(chunk.store)).toBe(2);
    const last = attempt(chunk, () => "verdict");
    for (let turns = 0; turns < 20; turns += 1) await turn();
    for (let n = 0; n < 10; n += 1) await chunk.clock.advance(30_000);
    expect(await Promise.all(living.map(({ ended }) => ended))).toEqual(Array(5).fill({ kind: "overtaken" }));
    expect(await last.ended).toMatchObject({ kind: "committed", ok: 1 });
  });

  test("who died while we stood in line is known before the first row is sent: start first, then look", async () => {
    const chunk = await openChunk(chunkOf(16));
    const foreign = startKey(chunk.file.batch, 0, "f".repeat(16));
    const one = attempt(chunk, () => "hang", {
      befalls: ({ kind, key }) => {
        if (kind === "put" && key.endsWith(".start")) chunk.store.objects.set(foreign, new Uint8Array());
        return null;
      },
    });
    await until(() => one.pool.inFlight() > 0 && one.chats().length > 0);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(one.chats()).toHaveLength(2);
    const starts = [...chunk.store.objects.keys()].filter((key) => key.endsWith(".start"));
    expect(starts).toHaveLength(2);
    one.stop.abort();
    expect(await one.ended).toBe("E_ABORTED");
  });

  /** So many attempts that were killed while they were alone with the row, each on an engine whose process is `life`. */
  async function killed(lives: readonly string[]) {
    const chunk = await lone();
    for (const [n, life] of lives.entries()) {
      const id = `${n}`.repeat(16);
      await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, id), new Uint8Array());
      await chunk.store.putIfAbsent(aloneKey(chunk.file.batch, 0, id, 0, life), new Uint8Array());
    }
    return chunk;
  }
  const own = lifeOf("http://engine-a:8000", 0);

  test.each([[Array(5).fill(own)], [Array(5).fill("0000dead")], [[own, "0000dead", own]]])(
    "workers that were killed beside an engine that lived on condemn no row: %j",
    async (lives) => {
      const chunk = await killed(lives);
      // at once: nobody has to be waited for
      expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed", ok: 1 });
      const named = [...chunk.store.objects.keys()].filter((key) => key.endsWith(`.alone-0-${own}`));
      expect(named.length).toBe(lives.filter((life) => life === own).length + 1);
    },
  );

  test.each([[["0000dead", "0001dead"]], [Array(6).fill(own)]])(
    "engines that died twice, or worker after worker, do: %j",
    async (lives) => {
      const chunk = await killed(lives);
      const one = attempt(chunk, () => "verdict");
      await chunk.clock.untilSleeping(1);
      await chunk.clock.advance(90_000);
      expect(await one.ended).toMatchObject({ kind: "committed", ok: 0 });
      expect(one.pool.log).toEqual([]);
    },
  );

  test("two that died alone with the row are waited for, and then it is asked no more", async () => {
    const chunk = await lone();
    for (const id of ["d", "e"]) {
      await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, id.repeat(16)), new Uint8Array());
      await chunk.store.putIfAbsent(aloneKey(chunk.file.batch, 0, id.repeat(16), 0, null), new Uint8Array());
    }
    const one = attempt(chunk, () => "verdict");
    await chunk.clock.untilSleeping(1);
    await chunk.clock.advance(89_999);
    expect(partial(chunk.store, chunk.file)).toEqual([]);
    expect(chunk.store.objects.has(shardKey(chunk.file.batch, 0))).toBe(false);
    await chunk.clock.advance(1);
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 1, ok: 0 });
    expect(one.pool.log).toEqual([]);
  });
});
