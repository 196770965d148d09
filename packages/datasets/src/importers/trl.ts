import { BadRecord, type Message } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { isObject, textField, without } from "../raw-fields.ts";
import { readRollout, stepGroup } from "../read-rollout.ts";

/**
 * TRL's log of completions (output_dir/completions/*.parquet): prompt and completion as text, or as messages where the
 * data set is conversational. The columns of the reward functions are named by their functions and carried along;
 * --carry name:double makes one a column.
 */
export const trl: Importer = {
  name: "trl",
  title: "TRL completions: prompt and completion, step, advantage",
  signs: { all: ["prompt", "completion", "step"] },
  columns: [
    { name: "step", type: "int64" },
    { name: "advantage", type: "double" },
  ],
  map: {},
  toRecord(raw) {
    const response = completionText(raw);
    const rest = without(raw, ["prompt", "completion", "responses"]);
    if (Array.isArray(raw.prompt)) {
      const messages = raw.prompt as readonly Message[];
      return { record: { ...rest, messages, response, group: stepGroup(raw.step, messages) } };
    }
    const rollout = readRollout(textField(raw, "prompt", "missing_prompt"), response);
    const { messages, note } = rollout;
    return { record: { ...rest, messages, response: rollout.response, group: stepGroup(raw.step, messages) }, note };
  },
};

function completionText(raw: RawRecord): string {
  const { completion } = raw;
  if (!Array.isArray(completion)) return textField(raw, "completion", "missing_response");
  const turn: unknown = completion[0];
  // several turns are a dialogue with tools: no single text was the policy's answer
  if (completion.length !== 1 || !isObject(turn)) throw new BadRecord("unsupported_content", "completion");
  return textField({ "completion[0].content": turn.content }, "completion[0].content", "missing_response");
}
