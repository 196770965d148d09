import type { Profile } from "../profile.ts";

/** nvidia/Qwen3-Nemotron-32B-GenRM-Principle: reasons, then ends in "Final Judgement: Yes" or "… No" (model card). */
export const genrmPrinciple: Profile = {
  name: "genrm-principle",
  description: "Qwen3-Nemotron-32B-GenRM-Principle: reasons up to 16,000 tokens, then a verdict on one principle",
  models: ["nvidia/Qwen3-Nemotron-32B-GenRM-Principle", "Qwen3-Nemotron-32B-GenRM-Principle", "simulator"],
  messages: {
    roles: ["system", "user", "assistant"],
    principle: { as: "principle-role" },
    template_kwargs: {},
  },
  // the Qwen3 thinking defaults, which the card's snippet falls back to
  sampling: { temperature: 0.6, top_p: 0.95, top_k: 20, min_p: 0, repetition_penalty: 1 },
  max_tokens: 16_000,
  verdict: {
    position: "last-after-anchor",
    anchor: "final judge?ment",
    // ids of the Qwen3 tokenizer
    forms: [
      { yes: " Yes", no: " No", yes_id: 7414, no_id: 2308 },
      { yes: "Yes", no: "No", yes_id: 9454, no_id: 2753 },
      { yes: " yes", no: " no", yes_id: 9834, no_id: 902 },
      { yes: "yes", no: "no", yes_id: 9693, no_id: 2152 },
      { yes: " YES", no: " NO", yes_id: 14080, no_id: 5664 },
      { yes: "YES", no: "NO", yes_id: 14004, no_id: 8996 },
    ],
    pair: "sampled",
    // a prompt cut one token off gives a plausible margin and a mass of 4e-7
    min_mass: 0.01,
    read: "two-step",
  },
  specials: {
    openers: ["<|im_start|>"],
    closers: ["<|im_end|>"],
    others: ["<|endoftext|>", "<think>", "</think>"],
  },
  plain: {
    start: "",
    turns: {
      system: { before: "<|im_start|>system\n", behind: "<|im_end|>\n", drop_leading_newlines: false },
      user: { before: "<|im_start|>user\n", behind: "<|im_end|>\n", drop_leading_newlines: false },
      assistant: { before: "<|im_start|>assistant\n", behind: "<|im_end|>\n", drop_leading_newlines: true },
      principle: { before: "<|im_start|>principle\n", behind: "<|im_end|>\n", drop_leading_newlines: false },
    },
    answer: "<|im_start|>assistant\n",
  },
  thinking: { open: "<think>", close: "</think>", open_id: 151667, close_id: 151668 },
  golden: { prompt: "What is 1+1?", better: "1+1=2", worse: "1+1=3", principle: "correctness" },
  rate: {
    rows_per_node_hour: 21_000,
    tokens_per_row: 2_000,
    source: "interpolated from published Qwen3-32B figures (ML.ENERGY, gpustack) for 8 x H100, 2,000-token prompts",
  },
};
