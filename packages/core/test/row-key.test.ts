import { describe, expect, test } from "@jest/globals";
import type { Profile } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { rowKey } from "../src/row-key.ts";

const asked = {
  messages: [
    { role: "user", content: "Q" },
    { role: "assistant", content: "A" },
    { role: "principle", content: "p" },
  ],
  model: "judge",
  profile: genrmPrinciple,
  samples: 1,
  seed: null as number | null,
};
const base = rowKey(asked);

describe("row-key", () => {
  const { verdict, sampling, messages } = genrmPrinciple;

  test.each<[string, Profile]>([
    ["token budget", { ...genrmPrinciple, max_tokens: 1 }],
    ["way of reading", { ...genrmPrinciple, verdict: { ...verdict, read: "ids" } }],
    ["least mass", { ...genrmPrinciple, verdict: { ...verdict, min_mass: 0.5 } }],
    ["anchor and forms", { ...genrmPrinciple, verdict: { ...verdict, anchor: "x", forms: verdict.forms.slice(0, 1) } }],
    ["names and notes", { ...genrmPrinciple, name: "x", description: "x", models: [], golden: null, rate: null }],
    [
      "specials and thinking",
      { ...genrmPrinciple, thinking: null, specials: { openers: [], closers: [], others: [] } },
    ],
  ])("not part of it: %s", (_name, profile) => {
    expect(rowKey({ ...asked, profile })).toBe(base);
  });

  const others: [string, Partial<typeof asked>][] = [
    ["a text", { messages: asked.messages.map((message) => ({ ...message, content: `${message.content}.` })) }],
    ["a role", { messages: asked.messages.map((message) => ({ ...message, role: "user" })) }],
    ["the order of turns", { messages: asked.messages.toReversed() }],
    ["a turn less", { messages: asked.messages.slice(1) }],
    ["Unicode written another way", { messages: [{ role: "user", content: "\u00e9" }] }],
    ["and that way", { messages: [{ role: "user", content: "e\u0301" }] }],
    ["model", { model: "judge2" }],
    ["samples", { samples: 2 }],
    ["a seed", { seed: 0 }],
    ["another seed", { seed: 1 }],
    ...(Object.keys(sampling) as (keyof typeof sampling)[]).map((key): [string, Partial<typeof asked>] => [
      `sampling: ${key}`,
      { profile: { ...genrmPrinciple, sampling: { ...sampling, [key]: 0.123 } } },
    ]),
    [
      "layout: template_kwargs",
      { profile: { ...genrmPrinciple, messages: { ...messages, template_kwargs: { a: 1 } } } },
    ],
    [
      "layout: how the principle is put",
      {
        profile: { ...genrmPrinciple, messages: { ...messages, principle: { as: "user-turn", text: "{principle}" } } },
      },
    ],
  ];

  test.each(others)("part of it: %s", (_name, changed) => {
    expect(rowKey({ ...asked, ...changed })).not.toBe(base);
  });

  test("and no two of these are the same", () => {
    expect(new Set([base, ...others.map(([, changed]) => rowKey({ ...asked, ...changed }))]).size).toBe(
      others.length + 1,
    );
  });

  test("the keys of a message have no order", () => {
    expect(rowKey({ ...asked, messages: asked.messages.map(({ role, content }) => ({ content, role })) })).toBe(base);
  });
});
