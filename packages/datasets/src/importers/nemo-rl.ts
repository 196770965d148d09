import { BadRecord, inputStem, type Message } from "@assay/core";
import type { ImportedRecord, Importer } from "../importer.ts";
import { textsField, without } from "../raw-fields.ts";
import { readRollout, stepGroup } from "../read-rollout.ts";
import { type SplitText, splitTurns } from "../split-turns.ts";

/**
 * What NeMo-RL logs as train_data_step<N>.jsonl and val_data_step<N>.jsonl. Each value is a list of one, for a batch of
 * one; the content is a list of the messages' rendered texts, without their roles. The arrays of one value a token are
 * tens of megabytes and never held. The step is in the file's name.
 */
export const nemoRl: Importer = {
  name: "nemo-rl",
  title: "NeMo-RL train_data and val_data logs: content, rewards, idx; arrays of tokens are skipped",
  signs: { all: ["content", "idx"], any: ["rewards", "input_lengths"] },
  columns: [
    { name: "step", type: "int64" },
    { name: "idx", type: "int64" },
    { name: "reward", type: "double" },
  ],
  map: {},
  cut: [
    "token_ids",
    "token_loss_mask",
    "sample_loss_mask",
    "advantages",
    "generation_logprobs",
    "prev_logprobs",
    "reference_policy_logprobs",
    "self_distillation_mask",
  ],
  toRecord(raw, { input }) {
    const record = Object.fromEntries(Object.entries(raw).map(([field, value]) => [field, single(value)]));
    const texts =
      typeof record.content === "string" ? [record.content] : textsField(record, "content", "missing_prompt");
    const { messages, response, note } = conversation(texts);
    const step = /step_?(\d+)/.exec(inputStem(input))?.[1];
    return {
      record: {
        ...without(record, ["content", "rewards", "prompt", "responses", ...(nemoRl.cut ?? [])]),
        messages,
        response,
        reward: record.rewards,
        step: step === undefined ? null : Number(step),
        group: stepGroup(step ?? "", messages),
      },
      ...(note === undefined ? {} : { note }),
    };
  },
};

/** A batch of one is a list of one; the content may be a list of one list. */
function single(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? value[0] : value;
}

/** Whether the last text, which the policy wrote, holds turns beyond the one that it answers with: a mark is spelt in a line. */
function writesTurns(whole: SplitText, before: SplitText): boolean {
  const begun = before.turns.at(-1)?.role === "assistant" ? 0 : 1;
  return whole.turns.length > before.turns.length + begun;
}

/** The texts joined are what the template rendered; without one, the last text is taken for the policy's. */
function conversation(texts: readonly string[]): {
  messages: readonly Message[];
  response: string;
  note?: ImportedRecord["note"] & string;
} {
  const split = splitTurns(texts.join(""));
  if (split !== null) {
    const before = splitTurns(texts.slice(0, -1).join(""));
    if (before !== null && writesTurns(split, before)) {
      // begun by its own text: the mark that begins it is no text of the policy's, and nobody can cut it off again
      if (before.turns.at(-1)?.role !== "assistant") throw new BadRecord("unsupported_content", "content");
      return readRollout(texts.slice(0, -1).join(""), texts.at(-1) ?? "");
    }
    const last = split.turns.at(-1);
    if (last?.role !== "assistant") throw new BadRecord("missing_response", "content");
    const note = `content read as turns of ${split.template}`;
    return { messages: split.turns.slice(0, -1), response: last.content, note };
  }
  if (texts.length < 2) throw new BadRecord("missing_response", "content");
  return readRollout(texts.slice(0, -1).join(""), texts.at(-1) ?? "");
}
