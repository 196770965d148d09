import { type ChatRequest, completionFromChat } from "@assay/core";
import { createAnswerReader } from "@assay/engine/openai";

/**
 * What one large answer costs the worker's event loop: a body of 16,000 tokens with exact ids, read with and without
 * the cut. Prints ratios of this run. `npm run bench test/bench/large-answers.bench.ts`
 */

const tokens = 16_000;
const asked = [7414, 2308];
const rounds = 30;

const position = (i: number): object => ({
  token: ` word${i % 977}`,
  logprob: -0.001 * (i % 89),
  bytes: [32, 119, 111, 114, 100],
  top_logprobs: [` word${i % 977}`, " Yes", " No"].map((token, k) => ({
    token,
    logprob: -k - 0.1,
    bytes: [32, 78, 111],
  })),
});
const body = {
  id: "chatcmpl-1",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: " word".repeat(tokens), reasoning: null },
      logprobs: { content: Array.from({ length: tokens }, (_, i) => position(i)) },
      finish_reason: "stop",
      token_ids: Array.from({ length: tokens }, (_, i) => i),
    },
  ],
  prompt_token_ids: Array.from({ length: 2_000 }, (_, i) => i),
  usage: { prompt_tokens: 2_000, completion_tokens: tokens },
};
const bytes = new TextEncoder().encode(JSON.stringify(body));
const request = { kind: "chat", text: null, logprobTokenIds: asked } as unknown as ChatRequest;
const read = createAnswerReader(() => {});

const whole = timed(() => completionFromChat(JSON.parse(new TextDecoder().decode(bytes)), 0, asked));
const cut = timed(() => read(request, bytes, 0));
console.log(
  `body                 ${(bytes.length / 1e6).toFixed(1)} MB, ${tokens.toLocaleString("en-US")} tokens with exact ids`,
);
console.log(`parsed whole         median ${whole.median.toFixed(1)} ms, worst ${whole.worst.toFixed(1)} ms`);
console.log(`cut, then parsed     median ${cut.median.toFixed(1)} ms, worst ${cut.worst.toFixed(1)} ms`);
console.log(`whole over cut       ${(whole.median / cut.median).toFixed(1)}`);

function timed(work: () => unknown): { median: number; worst: number } {
  const took: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    work();
    took.push(performance.now() - start);
  }
  took.sort((a, b) => a - b);
  return { median: took[rounds >> 1] ?? 0, worst: took.at(-1) ?? 0 };
}
