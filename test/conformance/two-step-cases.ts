import {
  completionFromText,
  findVerdict,
  logprobsAt,
  profileByName,
  readVerdict,
  type VerdictRead,
  verdictIds,
} from "@assay/core";
import { expect } from "@jest/globals";
import { type Case, chat, complete, completionOf, type EngineUnderTest, metric, row } from "./engine-under-test.ts";

const profile = profileByName("genrm-principle") ?? raise("no such profile");
const ids = verdictIds(profile);

/** Two kernels compute the two: the second request's last token is a prefill, the first one's a decode step. */
const apart = 0.05;

/** An answer in one request with exact ids, and what the second request reads `shift` ids behind the right place. */
async function readBothWays(engine: EngineUnderTest, shift = 0, messages: object = row("1+1=2")) {
  const answer = await chat(engine, {
    messages,
    logprobs: true,
    top_logprobs: 0,
    logprob_token_ids: ids,
    return_token_ids: true,
  });
  const completion = completionOf(answer, ids);
  const found = findVerdict(completion, profile);
  if (!found.found) return raise(found.why);
  const prefix = [
    ...(completion.promptTokenIds ?? []),
    ...(completion.tokenIds ?? []).slice(0, found.position + shift),
  ];
  const second = await complete(engine, prefix, { logprob_token_ids: ids, return_tokens_as_token_ids: true });
  const one = readVerdict(logprobsAt(completion, found.position) ?? raise("not told"), found.form, profile, "ids");
  const at = logprobsAt(completionFromText(second, 0), 0) ?? raise("not told");
  return { one, two: readVerdict(at, found.form, profile, "two-step"), prefix, second };
}

export const twoStepCases: readonly Case[] = [
  {
    topic: "Two steps",
    holds: "a second request on the ids before the verdict tells the two log-probabilities that one request tells",
    on: "plain",
    async run(engine) {
      for (const response of ["1+1=2", "1+1=3", "", "Two, or in binary: 10."]) {
        const { one, two } = await readBothWays(engine, 0, row(response));
        expect([one.status, two.status]).toEqual(["ok", "ok"]);
        expect(distance(one, two)).toBeLessThan(apart);
        expect(two.mass).toBeGreaterThan(0.9);
      }
      return `each within ${apart}, 4 rows`;
    },
  },
  {
    topic: "Two steps",
    holds: "cut one token early or late, both are far off, though their difference may look fine; the mass tells",
    on: "plain",
    async run(engine) {
      for (const shift of [-1, 1]) {
        const { one, two } = await readBothWays(engine, shift);
        expect(distance(one, two)).toBeGreaterThan(3);
        expect(two.status).toBe("no_verdict");
        expect(two.mass).toBeLessThan(profile.verdict.min_mass);
      }
      return `mass under ${profile.verdict.min_mass}: \`no_verdict\``;
    },
  },
  {
    topic: "Two steps",
    holds: "the second request comes out of the prefix cache, but for less than two blocks; the counters show it",
    on: "plain",
    async run(engine) {
      const block = await blockSize(engine);
      const messages = row("so it goes and ".repeat(200), "A story?", `fits in ${Math.random()} words`);
      const before = await counters(engine);
      const { prefix, second } = await readBothWays(engine, 0, messages);
      const after = await counters(engine);
      expect(prefix.length).toBeGreaterThan(4 * block);
      expect(after.hits - before.hits).toBeGreaterThan(prefix.length - 2 * block);
      expect(after.queries - before.queries).toBeGreaterThanOrEqual(prefix.length);
      expect(second.usage.prompt_tokens_details).toBeNull();
      return "hits grow; `prompt_tokens_details` is null";
    },
  },
  {
    topic: "Two steps",
    holds: "with `--enable-prompt-tokens-details` the answer itself tells how much came from the cache",
    on: "tuned",
    async run(engine) {
      const block = await blockSize(engine);
      const messages = row("so it goes and ".repeat(200), "A story?", `fits in ${Math.random()} words`);
      const { prefix, second } = await readBothWays(engine, 0, messages);
      expect(second.usage.prompt_tokens_details?.cached_tokens).toBeGreaterThan(prefix.length - 2 * block);
      return "`cached_tokens`";
    },
  },
];

async function blockSize(engine: EngineUnderTest): Promise<number> {
  const page = await fetch(`${engine.url}/metrics`);
  const match = /^vllm:cache_config_info\{.*\bblock_size="(\d+)"/m.exec(await page.text());
  return match?.[1] === undefined ? raise("no block_size in vllm:cache_config_info") : Number(match[1]);
}

async function counters(engine: EngineUnderTest): Promise<{ hits: number; queries: number }> {
  return {
    hits: await metric(engine, "vllm:prefix_cache_hits_total"),
    queries: await metric(engine, "vllm:prefix_cache_queries_total"),
  };
}

function distance(one: VerdictRead, other: VerdictRead): number {
  const between = (a: number | null, b: number | null) => Math.abs((a ?? Number.NaN) - (b ?? Number.NaN));
  return Math.max(between(one.logprobYes, other.logprobYes), between(one.logprobNo, other.logprobNo));
}

function raise(what: string): never {
  throw new Error(what);
}
