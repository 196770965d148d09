import type { Profile } from "../profile.ts";

/** Any chat model with log-probabilities, asked for one word. Ids differ per tokenizer: the probe resolves them. */
export const yesNo: Profile = {
  name: "yes-no",
  description: "any chat model with log-probabilities: one token, Yes or No",
  models: [],
  messages: {
    roles: ["system", "user", "assistant"],
    principle: {
      as: "user-turn",
      text: "Does your last answer satisfy this principle: {principle}? Only answer Yes or No.",
    },
    // templates of hybrid thinking models know it, the others ignore it
    template_kwargs: { enable_thinking: false },
  },
  sampling: { temperature: 0, top_p: 1, top_k: -1, min_p: 0, repetition_penalty: 1 },
  max_tokens: 1,
  verdict: {
    position: "first",
    anchor: null,
    forms: [
      { yes: "Yes", no: "No", yes_id: null, no_id: null },
      { yes: " Yes", no: " No", yes_id: null, no_id: null },
      { yes: "yes", no: "no", yes_id: null, no_id: null },
      { yes: " yes", no: " no", yes_id: null, no_id: null },
      { yes: "YES", no: "NO", yes_id: null, no_id: null },
      { yes: " YES", no: " NO", yes_id: null, no_id: null },
    ],
    pair: "logsumexp",
    min_mass: 0.5,
    read: "ids",
  },
  // unknown template: neutraliseSpecials falls back to its general pattern
  specials: { openers: [], closers: [], others: [] },
  thinking: null,
  golden: null,
  rate: null,
};
