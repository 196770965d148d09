import { describe, expect, test } from "@jest/globals";
import { nemoRl } from "../src/importers/nemo-rl.ts";

const read = (...content: string[]) => {
  const { record } = nemoRl.toRecord({ content, idx: 0 }, { input: "train_data_step1.jsonl", columns: [], map: {} });
  return { messages: record.messages, response: record.response };
};

const prompt = "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n";
const asked = [{ role: "user", content: "2+2?" }];
const turns = "5<|im_end|>\n<|im_start|>user\nAnd now right?<|im_end|>\n<|im_start|>assistant\n4";

describe("nemo-rl: what the policy wrote is one response", () => {
  test("the answer opened by the prompt, or by its own text; with its end or without", () => {
    expect(read(prompt, "4")).toEqual({ messages: asked, response: "4" });
    expect(read(prompt, "4<|im_end|>\n")).toEqual({ messages: asked, response: "4" });
    expect(read("<|im_start|>user\n2+2?<|im_end|>\n", "<|im_start|>assistant\n4<|im_end|>")).toEqual({
      messages: asked,
      response: "4",
    });
  });

  test("turns before it are turns, the policy's earlier ones too", () => {
    expect(read(prompt, "4<|im_end|>\n", "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\n", "Yes")).toEqual({
      messages: [...asked, { role: "assistant", content: "4" }, { role: "user", content: "Sure?" }],
      response: "Yes",
    });
  });

  test("a policy that writes turns is judged on all that it wrote, not on the last of them", () => {
    expect(read(prompt, turns)).toEqual({ messages: asked, response: turns });
    expect(() => read("<|im_start|>user\n2+2?<|im_end|>\n", `<|im_start|>assistant\n${turns}`)).toThrow(
      "unsupported_content",
    );
  });
});
