import type { Profile } from "../profile.ts";

/** nvidia/Llama-3.3-Nemotron-70B-Reward-Principle: no reasoning, the first token is the verdict (model card). */
export const scalarPrinciple: Profile = {
  name: "scalar-principle",
  description: "Llama-3.3-Nemotron-70B-Reward-Principle: one token, under 0.1 s a row",
  models: ["nvidia/Llama-3.3-Nemotron-70B-Reward-Principle", "Llama-3.3-Nemotron-70B-Reward-Principle"],
  messages: {
    roles: ["system", "user", "assistant"],
    principle: {
      as: "user-turn",
      text: "Evaluate the response to the previous prompt in terms of whether it satisfies this principle: {principle}. Only answer Yes or No.",
    },
    template_kwargs: {},
  },
  sampling: { temperature: 0, top_p: 1, top_k: -1, min_p: 0, repetition_penalty: 1 },
  max_tokens: 1,
  verdict: {
    position: "first",
    anchor: null,
    // ids of the Llama 3 tokenizer, no leading space
    forms: [{ yes: "Yes", no: "No", yes_id: 9642, no_id: 2822 }],
    pair: "sampled",
    min_mass: 0.5,
    read: "ids",
  },
  specials: {
    openers: ["<|start_header_id|>"],
    closers: ["<|eot_id|>"],
    others: ["<|end_header_id|>", "<|begin_of_text|>", "<|end_of_text|>", "<|eom_id|>", "<|python_tag|>"],
  },
  thinking: null,
  golden: { prompt: "What is 1+1?", better: "1+1=2", worse: "1+1=3", principle: "correctness" },
  rate: {
    rows_per_node_hour: 107_000,
    tokens_per_row: 1,
    source:
      "prefill-bound estimate for a 32B model on 8 x H100 with 2,000-token prompts; a 70B model is about half of it",
  },
};
