import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeShard } from "@assay/datasets";
import type { Fate } from "@assay/engine";
import { expect, test } from "@jest/globals";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { chunkOf, openChunk } from "./attempt-chunk.ts";
import { contextOf } from "./build-batch.ts";
import { immediateClock, turns } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";

test("an engine that never comes back keeps no chunk in memory that lost rows to it", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const { store, file } = await openChunk(chunkOf(40));
  const clock = immediateClock();
  const fate = new Promise<Fate>(() => {});
  const pool = scriptedPool({
    slots: 100,
    script: ({ kind, nth }) => (kind === "chat" && nth === 1 ? "lost" : "verdict"),
  });
  const acquire: typeof pool.acquire = async (...asked) => ({ ...(await pool.acquire(...asked)), fate: () => fate });

  async function scored(): Promise<WeakRef<object>> {
    const onLined = (): void => {};
    const never = new AbortController().signal;
    const ports = { store, spool: null, memory: openRowMemory(), ahead: openRowsAhead(clock), encodeShard, clock };
    const outcome = await scoreChunk({ ...ports, pool: { ...pool, acquire } }, contextOf(file), 0, {
      drain: never,
      signal: never,
      abort: never,
      software: "0.0.0-test",
      onLined,
      onAway: () => {},
      onSpooled: () => {},
      onRefused: () => {},
    });
    expect(outcome).toMatchObject({ kind: "committed", ok: 40 });
    return new WeakRef(onLined);
  }

  const held = await scored();
  await turns(10);
  gc();
  expect(held.deref()).toBeUndefined();
  expect(fate).toBeInstanceOf(Promise);
});
