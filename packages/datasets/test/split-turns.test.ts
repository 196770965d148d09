import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { oneUserTurn, readRollout } from "../src/read-rollout.ts";
import { splitTurns } from "../src/split-turns.ts";

const seed = 20_261_125;

/** How the templates render, written down apart from how they are read. */
const templates = {
  ChatML: (role: string, content: string) => `<|im_start|>${role}\n${content}<|im_end|>\n`,
  "Llama 3": (role: string, content: string) => `<|start_header_id|>${role}<|end_header_id|>\n\n${content}<|eot_id|>`,
  Gemma: (role: string, content: string) =>
    `<start_of_turn>${role === "assistant" ? "model" : role}\n${content}<end_of_turn>\n`,
};
const begin = { ChatML: "<|endoftext|><|endoftext|>", "Llama 3": "<|begin_of_text|>", Gemma: "<bos>" };
const ask = {
  ChatML: "<|im_start|>assistant\n",
  "Llama 3": "<|start_header_id|>assistant<|end_header_id|>\n\n",
  Gemma: "<start_of_turn>model\n",
};
const names = ["ChatML", "Llama 3", "Gemma"] as const;

/** Text without a template's marks; roles as words may well stand in it. */
const content = fc
  .oneof(fc.string({ unit: "binary" }), fc.constantFrom("user", "\nuser\n", "assistant\n\n", "", " \n", "<think>"))
  .filter((text) => !/<\|(im_|start_|end_h|eot|begin)|<(start|end)_of_turn>|<bos>/.test(text));

describe("split-turns", () => {
  const role = fc.constantFrom("system", "user", "assistant");
  const turns = fc.array(fc.record({ role, content }), { minLength: 1, maxLength: 5 });

  test.each(names)(`%s: what the template rendered comes back, with or without padding (seed ${seed})`, (name) => {
    fc.assert(
      fc.property(turns, fc.boolean(), (rendered, padded) => {
        const text = rendered.map((turn) => templates[name](turn.role, turn.content)).join("");
        const split = splitTurns((padded ? begin[name] : "") + text + ask[name]);
        expect(split).toEqual({ template: name, turns: [...rendered, { role: "assistant", content: "" }] });
      }),
      { seed },
    );
  });

  test.each([
    ["text", "2+2="],
    ["nothing", ""],
    ["words that stand twice", "user\nSay\nuser\nagain\nassistant\n"],
    ["an answer before the question", "assistant\nA\nuser\nQ\n"],
    ["a word within the text", "user\nThe word\nassistant\nstands here\nassistant\n"],
    ["a system word that begins nothing", "user\nsystem\nassistant\n\nassistant\n"],
    ["something before the first mark", "x<|im_start|>user\nQ<|im_end|>\n"],
    ["a turn without its end before another", "<|im_start|>user\nQ<|im_start|>assistant\n"],
    ["something behind a turn's end", "<|im_start|>user\nQ<|im_end|>x<|im_start|>assistant\n"],
    ["a role that is none", "<|im_start|>User 1\nQ<|im_end|>\n<|im_start|>assistant\n"],
  ])("%s is no conversation", (_name, text) => {
    expect(splitTurns(text)).toBeNull();
  });

  test.each([
    ["ChatML", "user\nQ\n\nmore\nassistant\n", "user: Q\n\nmore"],
    ["ChatML", "system\nBe brief.\nTruly.\nuser\nQ\nassistant\n<think>\n", "system: Be brief.\nTruly. | user: Q"],
    ["Gemma", "user\nQ\nmodel\n", "user: Q"],
    ["Llama 3", "user\n\nWhat?assistant\n\n", "user: What?"],
    ["Llama 3", "system\n\nBe brief.user\n\nQassistant\n\n", "system: Be brief. | user: Q"],
  ])("%s without its marks, as verl writes it: %j", (name, text, asked) => {
    const { messages, response, note } = readRollout(text, "A");
    expect(messages.map((message) => `${message.role}: ${message.content}`).join(" | ")).toBe(asked);
    expect(response).toBe("A");
    expect(note).toBe(`flat prompt read as turns of ${name} without its marks`);
  });

  test("what the template began of the answer is a part of it, but for the opening of a thought", () => {
    const prompt = (begun: string): string => `<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n${begun}`;
    expect(readRollout(prompt("Sure, "), "A").response).toBe("Sure, A");
    for (const begun of ["", "\n", "<think>\n", "<think>\n\n</think>\n\n"])
      expect(readRollout(prompt(begun), "A").response).toBe("A");
  });

  test("a conversation that asks for no answer is one user turn, as it is", () => {
    for (const text of ["<|im_start|>user\nQ<|im_end|>\n", "<|im_start|>assistant\n", "Q"])
      expect(readRollout(text, "A")).toEqual({
        messages: [{ role: "user", content: text }],
        response: "A",
        note: oneUserTurn,
      });
  });

  test("role words without end are given up at once", () => {
    for (const word of ["user\n", "user\n\n", "system\n\n", "<|im_start|>"])
      expect(splitTurns(word.repeat(20_000))).toBeNull();
  });
});
