import { buildReadRequest, findVerdict, logprobsAt, profileByName, readVerdict } from "@assay/core";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { type Simulator, type SimulatorOptions, startSimulator } from "../src/index.ts";
import { askChat, askRead, post, row, verdictIds } from "./ask.ts";

const profile = profileByName("genrm-principle");
if (profile === null) throw new Error("no profile genrm-principle");
const genrm = profile;

// hundreds of requests a test
jest.setTimeout(120_000);

const seed = Math.floor(Math.random() * 2 ** 31);
const say = (what: unknown): string => `seed ${seed}: ${JSON.stringify(what)}`;

async function withSimulator<T>(options: SimulatorOptions, run: (simulator: Simulator) => Promise<T>): Promise<T> {
  const simulator = await startSimulator(options);
  try {
    return await run(simulator);
  } finally {
    await simulator.close();
  }
}

const words = ["tea", "is Yes", "hot", "No", "für", "😀", "Final Judgement:", "weigh", "x y z", "one\ntwo", "</think>"];
function conversation(i: number) {
  const word = (j: number): string => words[(i * 7 + j * 3 + Math.floor(i / words.length)) % words.length] ?? "";
  return row(`${word(1)} ${i}?`, `${word(2)} ${word(3)} ${i}`, `${word(4)} ${seed}`);
}

/** One row in one request: the completion and both log-probabilities at its verdict. */
async function askInOne(simulator: Simulator, i: number, fields: { [field: string]: unknown } = {}) {
  const completion = await askChat(simulator, {
    messages: conversation(i),
    max_tokens: 4_000,
    logprobs: true,
    logprob_token_ids: verdictIds,
    return_token_ids: true,
    ...fields,
  });
  const found = findVerdict(completion, genrm);
  if (!found.found || completion.promptTokenIds === null || completion.tokenIds === null)
    throw new Error(say({ i, found }));
  const at = logprobsAt(completion, found.position);
  if (at === null) throw new Error(say({ i }));
  const { promptTokenIds, tokenIds } = completion;
  return {
    found,
    promptTokenIds,
    tokenIds,
    read: readVerdict(at, found.form, genrm, "ids"),
    /** the second request's prompt, cut so many ids too early (below 0) or too late */
    cut: (off: number) => buildReadRequest("", promptTokenIds, tokenIds, found.position + off, genrm).promptTokenIds,
  };
}

async function readCut(simulator: Simulator, prompt: readonly number[]) {
  const at = logprobsAt(await askRead(simulator, prompt), 0);
  if (at === null) throw new Error(say("no log-probabilities"));
  return { at, read: readVerdict(at, genrm.verdict.forms[0] ?? null, genrm, "two-step") };
}

describe("verdict: reasoning rows", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ seed, reasoningTokens: 60 });
  });
  afterAll(() => simulator.close());

  test("one request and two requests give exactly the same log-probabilities, 200 times", async () => {
    for (let i = 0; i < 200; i += 1) {
      const one = await askInOne(
        simulator,
        i,
        i % 2 === 0 ? {} : { temperature: 0.6, top_k: 20, top_p: 0.95, seed: i },
      );
      const two = await readCut(simulator, one.cut(0));
      expect([say(i), two.read.logprobYes, two.read.logprobNo]).toEqual([
        say(i),
        one.read.logprobYes,
        one.read.logprobNo,
      ]);
      expect([say(i), one.read.status, two.read.status]).toEqual([say(i), "ok", "ok"]);
      expect(one.read.mass).toBeGreaterThan(0.99);
    }
  });

  test.each([-3, -2, -1, 1, 2])("a cut %d ids off: a margin that looks fine, and next to no mass", async (off) => {
    let fine = 0;
    for (let i = 0; i < 30; i += 1) {
      const one = await askInOne(simulator, i);
      // behind the end token there is nothing to cut
      if (one.found.position + off > one.tokenIds.length) continue;
      const { read } = await readCut(simulator, one.cut(off));
      expect([say({ i, off }), read.status]).toEqual([say({ i, off }), "no_verdict"]);
      expect(read.mass).toBeLessThan(1e-5);
      expect(read.mass).toBeGreaterThan(1e-9);
      const right = (one.read.logprobYes ?? 0) - (one.read.logprobNo ?? 0);
      const wrong = (read.logprobYes ?? 0) - (read.logprobNo ?? 0);
      if (Math.abs(right - wrong) < 4) fine += 1;
    }
    expect([say(off), fine > 20]).toEqual([say(off), true]);
  });

  test("margins lie around 0 with a standard deviation of about 5, and temperature 0 says the likelier word", async () => {
    const margins: number[] = [];
    for (let i = 0; i < 300; i += 1) {
      const { read, found } = await askInOne(simulator, i, { logprob_token_ids: [7414, 2308] });
      const margin = (read.logprobYes ?? 0) - (read.logprobNo ?? 0);
      expect([say(i), found.answer]).toEqual([say(i), margin > 0 ? " Yes" : " No"]);
      margins.push(margin);
    }
    const mean = margins.reduce((sum, margin) => sum + margin, 0) / margins.length;
    const sd = Math.sqrt(margins.reduce((sum, margin) => sum + (margin - mean) ** 2, 0) / margins.length);
    // four standard errors of 300 draws
    expect([say({ mean, sd }), Math.abs(mean) < 1.2, sd > 4.2 && sd < 5.8]).toEqual([say({ mean, sd }), true, true]);
  });

  test("at temperature 1 the sampled word mostly has the margin's sign, and not always", async () => {
    let agree = 0;
    for (let i = 0; i < 200; i += 1) {
      const { read, found } = await askInOne(simulator, i, {
        logprob_token_ids: [7414, 2308],
        temperature: 1,
        top_k: 0,
        top_p: 1,
      });
      const isYes = (read.logprobYes ?? 0) > (read.logprobNo ?? 0);
      if ((found.answer === " Yes") === isYes) agree += 1;
    }
    expect([say(agree), agree > 150 && agree < 200]).toEqual([say(agree), true]);
  });

  test("the same request is answered with the same bytes, apart from id and time; another seed samples otherwise", async () => {
    const body = {
      messages: conversation(1),
      temperature: 1,
      max_tokens: 4_000,
      logprobs: true,
      top_logprobs: 20,
      seed: 5,
    };
    const plain = (text: string): string => text.replace(/"id":"[^"]*"/, "").replace(/"created":\d+/, "");
    const first = plain((await post(simulator, "/v1/chat/completions", body)).text);
    expect(plain((await post(simulator, "/v1/chat/completions", body)).text)).toBe(first);
    expect(plain((await post(simulator, "/v1/chat/completions", { ...body, seed: 6 })).text)).not.toBe(first);
  });

  test("the log-probabilities of every position add up to one", async () => {
    const said = await post(simulator, "/v1/chat/completions", {
      messages: conversation(3),
      max_tokens: 4_000,
      logprobs: true,
      top_logprobs: 20,
    });
    const { content } = JSON.parse(said.text).choices[0].logprobs;
    for (const { token, top_logprobs } of content) {
      const mass = top_logprobs.reduce((sum: number, { logprob }: { logprob: number }) => sum + Math.exp(logprob), 0);
      expect([say(token), mass > 0.999 && mass < 1.000_01]).toEqual([say(token), true]);
    }
  });
});

describe("verdict: what the model knows", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8].map((n) => seed + n))(
    "the profile's golden pair has opposite signs under seed %d",
    async (modelSeed) => {
      await withSimulator({ seed: modelSeed, reasoningTokens: 30 }, async (simulator) => {
        const { golden } = genrm;
        if (golden === null) throw new Error("no golden pair");
        const reward = async (response: string): Promise<number> => {
          const messages = row(golden.prompt, response, golden.principle);
          const { read } = await askInOne(simulator, 0, { messages });
          return (read.logprobYes ?? Number.NaN) - (read.logprobNo ?? Number.NaN);
        };
        expect(await reward(golden.better)).toBeGreaterThan(1);
        expect(await reward(golden.worse)).toBeLessThan(-1);
      });
    },
  );

  test("another seed of the simulator is another model", async () => {
    const rewardOf = (modelSeed: number) =>
      withSimulator({ seed: modelSeed }, async (simulator) => (await askInOne(simulator, 0)).read.logprobYes);
    expect(await rewardOf(seed)).toBe(await rewardOf(seed));
    expect(await rewardOf(seed)).not.toBe(await rewardOf(seed + 1));
  });

  test("one-token rows: Yes or No at position 0, all six forms told, mass near one", async () => {
    const yesNo = profileByName("yes-no");
    if (yesNo === null) throw new Error("no profile yes-no");
    const forms = genrm.verdict.forms;
    const oneToken = { ...yesNo, verdict: { ...yesNo.verdict, forms } };
    await withSimulator({ seed }, async (simulator) => {
      for (const kwargs of [{}, { chat_template_kwargs: { enable_thinking: false } }]) {
        for (let i = 0; i < 50; i += 1) {
          const completion = await askChat(simulator, {
            messages: [
              ...conversation(i).slice(0, 2),
              { role: "user", content: "Does your last answer satisfy this principle: x? Only answer Yes or No." },
            ],
            max_tokens: 1,
            logprobs: true,
            logprob_token_ids: verdictIds,
            return_token_ids: true,
            ...kwargs,
          });
          const at = logprobsAt(completion, 0);
          if (at === null) throw new Error(say(i));
          expect(at.told.length).toBe(12);
          expect(["Yes", "No"]).toContain(completion.content);
          const read = readVerdict(at, null, oneToken, "ids");
          expect([say(i), read.status]).toEqual([say(i), "ok"]);
          expect(read.mass).toBeGreaterThan(0.99);
          expect((read.logprobYes ?? 0) > (read.logprobNo ?? 0)).toBe(completion.content === "Yes");
        }
      }
    });
  });
});

describe("verdict: lengths, forms and modes", () => {
  test("reasoning lengths have the asked mean and a long tail, and max_tokens cuts them off", async () => {
    await withSimulator({ seed, reasoningTokens: 100, maxModelLen: 8_192 }, async (simulator) => {
      const lengths: number[] = [];
      for (let i = 0; i < 400; i += 1) {
        const { usage, finishReason } = await askChat(simulator, { messages: conversation(i), max_tokens: 6_000 });
        expect(finishReason).toBe("stop");
        // <think>, </think>, the blank line, four of the anchor, the verdict and the end
        lengths.push(usage.completionTokens - 9);
      }
      const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
      expect([say(mean), mean > 75 && mean < 130]).toEqual([say(mean), true]);
      expect([say("tail"), Math.max(...lengths) > 3 * mean]).toEqual([say("tail"), true]);
      const cut = await askChat(simulator, { messages: conversation(0), max_tokens: 5, return_token_ids: true });
      expect(findVerdict(cut, genrm)).toMatchObject({ found: false, status: "truncated" });
    });
  });

  test("oddities: every form is met, each verdict reads the same in two steps, and the rest has a reason", async () => {
    await withSimulator({ seed, oddities: 1, reasoningTokens: 20 }, async (simulator) => {
      const seen = new Set<string>();
      for (let i = 0; i < 120; i += 1) {
        const completion = await askChat(simulator, {
          messages: conversation(i),
          max_tokens: 600,
          logprobs: true,
          logprob_token_ids: verdictIds,
          return_token_ids: true,
        });
        const found = findVerdict(completion, genrm);
        seen.add(
          found.found ? completion.content.replace(/^[\s\S]*<\/think>\s*/, "").replace(/Yes|No/, "V") : found.status,
        );
        if (!found.found) continue;
        const one = logprobsAt(completion, found.position);
        const ids = [...(completion.promptTokenIds ?? []), ...(completion.tokenIds ?? []).slice(0, found.position)];
        const two = logprobsAt(await askRead(simulator, ids), 0);
        const logprobs = (at: typeof one) => at?.told.map(({ id, logprob }) => `${id} ${logprob}`).sort();
        expect([say(i), logprobs(two)]).toEqual([say(i), logprobs(one)]);
      }
      expect([...seen].sort()).toEqual([
        "**Final Judgement:** V",
        "Final Judgement:\nV",
        "Final Judgement: **V**",
        "Final Judgement: V.",
        "no_verdict",
        "truncated",
      ]);
    });
  });

  test("processed log-probabilities are scaled by the temperature, and -9999 behind a filter; temperature 0 is raw", async () => {
    const margin = async (mode: "raw" | "processed", sampling: { [field: string]: number }) =>
      withSimulator({ seed, logprobsMode: mode }, async (simulator) => {
        const prompt = (await askInOne(simulator, 2, { temperature: 0 })).cut(0);
        const said = await post(simulator, "/v1/completions", {
          prompt,
          max_tokens: 1,
          logprobs: 0,
          logprob_token_ids: verdictIds,
          return_tokens_as_token_ids: true,
          ...sampling,
        });
        const [map] = JSON.parse(said.text).choices[0].logprobs.top_logprobs;
        return {
          margin: map["token_id:7414"] - map["token_id:2308"],
          least: Math.min(...(Object.values(map) as number[])),
        };
      });
    const open = { top_k: 0, top_p: 1 };
    const raw = (await margin("raw", { temperature: 0.5, ...open })).margin;
    expect((await margin("processed", { temperature: 1, ...open })).margin).toBeCloseTo(raw, 3);
    expect((await margin("processed", { temperature: 0.5, ...open })).margin).toBeCloseTo(2 * raw, 3);
    expect((await margin("processed", { temperature: 0 })).margin).toBeCloseTo(raw, 3);
    expect((await margin("processed", { temperature: 0.5, top_k: 1, top_p: 1 })).least).toBe(-9_999);
  });

  test("an old server ignores logprob_token_ids and return_token_ids", async () => {
    await withSimulator({ seed, knows: { logprobTokenIds: false, returnTokenIds: false } }, async (simulator) => {
      const completion = await askChat(simulator, {
        messages: conversation(0),
        logprobs: true,
        top_logprobs: 20,
        logprob_token_ids: verdictIds,
        return_token_ids: true,
      });
      expect(completion.tokenIds).toBeNull();
      expect(completion.promptTokenIds).toBeNull();
      expect(completion.logprobs?.at(-1)?.told.length).toBe(20);
    });
  });
});
