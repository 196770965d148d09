import { AssayError, pinKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { ProbeEngines } from "../src/batch-context.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { pin, probing, profile, records, submit } from "./build-batch.ts";
import { until } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { code, shards, testWorkers, verify } from "./worker-world.ts";

testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

describe("run-worker: engines that do not fit", () => {
  const mismatches: [string, Parameters<typeof probing>[0]][] = [
    ["E_PIN_MISMATCH", { template: "another" }],
    ["E_SIMULATED_MIX", { simulated: true }],
  ];
  test.each(mismatches)(
    "%s: nothing is asked, the others are served, and the worker says so at its end",
    async (expected, found) => {
      const file = await submit(store, records(20));
      await pinBatch(store, file.batch, pin);
      const other = await submit(store, records(20, 100));
      const only = startWorker({ store, queue, probe: probing(found) }, { only: file.batch });
      expect(code(await only.ended)).toBe(expected);
      const worker = startWorker({ store, queue, probe: probing(found) });
      expect(code(await worker.ended)).toBe(expected);
      expect(worker.pool.log.map(({ batch }) => batch)).not.toContain(file.batch);
      expect(await verify(store, other)).toMatchObject({ complete: true, broken: null });
      // its jobs are still there for workers that fit
      expect(await startWorker({ store, queue }).ended).toBe("idle");
      expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, simulated: false });
    },
  );

  test("a second worker whose engines render another template is refused with both fingerprints and its engine", async () => {
    const file = await submit(store, records(40));
    const probeOf = (template: string, origin: string) => probing({ template }, [origin]);
    const pool = scriptedPool({ script: () => "hang" });
    const first = startWorker({ store, queue, pool, probe: probeOf("a1a1", "http://a") });
    await until(() => pool.log.length > 0);
    first.abort.abort();
    expect(await first.ended).toBe("drained");
    const second = startWorker({ store, queue, probe: probeOf("b2b2", "http://b") }, { only: file.batch });
    const end = await second.ended;
    expect(typeof end === "object" && end.error).toMatchObject({
      code: "E_PIN_MISMATCH",
      expected: 'template "a1a1"',
      got: 'template "b2b2"',
      where: `http://b, against ${pinKey(file.batch)}`,
    });
    expect(second.pool.log).toEqual([]);
    expect(await startWorker({ store, queue, probe: probeOf("a1a1", "http://a") }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("engines that do not answer the probe are waited for", async () => {
    const file = await submit(store, records(20));
    let refusals = 3;
    const probe: ProbeEngines = async (...asked) => {
      if (refusals-- > 0) throw new AssayError("E_ENGINE_UNREACHABLE", "played");
      return probing()(...asked);
    };
    const worker = startWorker({ store, queue, probe });
    expect(await worker.ended).toBe("idle");
    expect(worker.events).toContainEqual(expect.objectContaining({ type: "away", what: "engine" }));
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("a batch one of whose engines does not answer the probe waits, and rows of another get the engines", async () => {
    const open = await submit(store, records(600));
    const other = { ...profile, max_tokens: profile.max_tokens - 1 };
    const waits = await submit(store, records(40), { batch: { profile: other } });
    let isAway = true;
    const probe: ProbeEngines = async (asked, revision) => {
      if (isAway && asked.max_tokens === other.max_tokens) throw new AssayError("E_ENGINE_UNREACHABLE", "played");
      return probing()(asked, revision);
    };
    const worker = startWorker({ store, queue, probe });
    const probes = () => worker.events.filter(({ type }) => type === "away").length;
    await until(() => shards(store, open) === open.chunks.length || probes() === 50);
    const doneMeanwhile = shards(store, open);
    isAway = false;
    expect(await worker.ended).toBe("idle");
    expect(doneMeanwhile).toBe(open.chunks.length);
    expect(await verify(store, waits)).toMatchObject({ complete: true, broken: null });
  });

  test("two engines of one worker that differ are refused before anything is pinned", async () => {
    const file = await submit(store, records(3));
    const probe: ProbeEngines = async (...asked) => {
      const found = await probing({}, ["http://a", "http://b"])(...asked);
      return { ...found, facts: found.facts.map((facts, i) => ({ ...facts, pin: { ...pin, template: `t${i}` } })) };
    };
    const { ended } = startWorker({ store, queue, probe }, { only: file.batch });
    const end = await ended;
    expect(typeof end === "object" && end.error).toMatchObject({
      code: "E_PIN_MISMATCH",
      where: "http://a and http://b",
      expected: 'template "t0"',
      got: 'template "t1"',
    });
    expect(store.objects.has(pinKey(file.batch))).toBe(false);
  });
});
