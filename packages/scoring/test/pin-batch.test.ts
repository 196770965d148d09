import { type AssayError, type Pin, pinKey } from "@assay/core";
import { decodeKeys, decodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { openBatch, type ProbeEngines, probeOnce } from "../src/batch-context.ts";
import { pinBatch, readPin } from "../src/pin-batch.ts";
import { model, pin, probing, profile, records, submit } from "./build-batch.ts";
import { turn } from "./immediate-clock.ts";

const batch = "b-0000000000000000";
const thrown = (error: unknown): AssayError => error as AssayError;

describe("pin-batch", () => {
  test("the first worker pins, the same again is harmless", async () => {
    const store = memoryStore();
    expect(await readPin(store, batch)).toBeNull();
    for (let i = 0; i < 2; i += 1) await pinBatch(store, batch, pin);
    expect(await readPin(store, batch)).toEqual(pin);
  });

  test("of two that differ at once exactly one is refused, with both values", async () => {
    const store = memoryStore(() => turn());
    const results = await Promise.allSettled([
      pinBatch(store, batch, pin),
      pinBatch(store, batch, { ...pin, template: "t2" }),
    ]);
    const refused = results.filter((result) => result.status === "rejected").map(({ reason }) => thrown(reason));
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({ code: "E_PIN_MISMATCH", where: pinKey(batch) });
    expect(`${refused[0]?.expected} ${refused[0]?.got}`).toMatch(/template/);
    const pinned = (await readPin(store, batch))?.template ?? "";
    expect(refused[0]?.expected).toContain(pinned);
  });

  test.each([
    ["model", "E_PIN_MISMATCH", { model: "another" }],
    ["revision", "E_PIN_MISMATCH", { revision: "r2" }],
    ["template", "E_PIN_MISMATCH", { template: "t2" }],
    ["delimiters", "E_PIN_MISMATCH", { delimiters: [] }],
    ["logprobs", "E_PIN_MISMATCH", { logprobs: "processed" }],
    ["simulated", "E_SIMULATED_MIX", { simulated: true }],
    ["simulated and more", "E_SIMULATED_MIX", { simulated: true, template: "t2" }],
  ] satisfies [string, string, Partial<Pin>][])("another %s is %s", async (_field, code, found) => {
    const store = memoryStore();
    await pinBatch(store, batch, pin);
    await expect(pinBatch(store, batch, { ...pin, ...found })).rejects.toMatchObject({ code });
    expect(await readPin(store, batch)).toEqual(pin);
  });

  test.each(["{", "{}", "null"])("a pin.json that is %s is E_BROKEN", async (text) => {
    const store = memoryStore();
    store.objects.set(pinKey(batch), Buffer.from(text));
    await expect(pinBatch(store, batch, pin)).rejects.toMatchObject({ code: "E_BROKEN" });
  });
});

describe("open-batch", () => {
  const opened = async (probe: ProbeEngines, changed: Parameters<typeof submit>[2] = {}) => {
    const store = memoryStore();
    const file = await submit(store, records(3), changed);
    return {
      store,
      file,
      context: await openBatch({ store, decodeShard, decodeKeys }, file.batch, model, probe, () => {}).catch(thrown),
    };
  };
  const withWays =
    (...ways: ("two-step" | "ids")[][]): ProbeEngines =>
    async (asked, revision) => {
      const found = await probing(
        {},
        ways.map((_, i) => `http://${i}`),
      )(asked, revision);
      return { ...found, facts: found.facts.map((facts, i) => ({ ...facts, ways: ways[i] ?? [] })) };
    };

  test("the profile's own way where every engine can do it, else the other, else refused before anything is pinned", async () => {
    expect((await opened(withWays(["two-step", "ids"], ["ids", "two-step"]))).context).toMatchObject({
      reading: { first: "two-step" },
    });
    expect((await opened(withWays(["two-step", "ids"], ["ids"]))).context).toMatchObject({ reading: { first: "ids" } });
    const { context, store, file } = await opened(withWays(["two-step"], ["ids"]));
    expect(context).toMatchObject({ code: "E_ENGINE_REFUSED" });
    expect(store.objects.has(pinKey(file.batch))).toBe(false);
  });

  test("the version is what its engines have had so far, one that came back with another included", async () => {
    const seen = ["0.9"];
    const { context } = await opened(async (...asked) => ({ ...(await probing()(...asked)), versions: () => seen }));
    if (!("engineVersion" in context)) throw context;
    expect(context.engineVersion()).toBe("0.9");
    seen.push("0.10", "0.9");
    expect(context.engineVersion()).toBe("0.10,0.9");
  });

  test("a profile that reads position 0 has no second step", async () => {
    const first = { ...profile, verdict: { ...profile.verdict, position: "first" as const, read: "ids" as const } };
    const { context } = await opened(withWays(["two-step"]), { batch: { profile: first } });
    expect(context).toMatchObject({ code: "E_ENGINE_REFUSED" });
  });

  test("no engine, engines of another model, and the revision that submit stated", async () => {
    expect((await opened(withWays())).context).toMatchObject({ code: "E_ENGINE_REFUSED" });
    const another = await opened(probing(), { batch: { model: "another" } });
    expect(another.context).toMatchObject({ code: "E_NO_SUCH_BATCH" });
    expect(another.store.objects.has(pinKey(another.file.batch))).toBe(false);
    const stated = await opened(probing(), { batch: { revision: "abc" } });
    expect((await readPin(stated.store, stated.file.batch))?.revision).toBe("abc");
  });

  test("one probe per profile and revision, also for batches opened at once; a failed one is asked again", async () => {
    let probes = 0;
    let failing = true;
    const probe = probeOnce(async (asked, revision) => {
      probes += 1;
      await turn();
      if (failing) throw new Error("down");
      return probing()(asked, revision);
    });
    await Promise.allSettled([probe(profile, null), probe({ ...profile, description: "other words" }, null)]);
    expect(probes).toBe(1);
    failing = false;
    await Promise.all([
      probe(profile, null),
      probe(profile, null),
      probe(profile, "r"),
      probe({ ...profile, max_tokens: 1 }, null),
    ]);
    expect(probes).toBe(4);
  });
});
