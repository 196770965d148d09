import type { Importer } from "../importer.ts";
import { labelText, textField, without } from "../raw-fields.ts";
import { readRollout, stepGroup } from "../read-rollout.ts";

/**
 * What verl writes into trainer.rollout_data_dir (and validation_data_dir): prompt and answer as flat text, the score
 * of its reward function, and whatever that function told beside it, which is carried along.
 */
export const verl: Importer = {
  name: "verl",
  title: "verl rollouts: input and output as flat text, score, step",
  signs: { all: ["input", "output", "score", "step"] },
  columns: [
    { name: "step", type: "int64" },
    { name: "score", type: "double" },
    { name: "gts", type: "string" },
  ],
  map: {},
  toRecord(raw) {
    const input = textField(raw, "input", "missing_prompt");
    const { messages, response, note } = readRollout(input, textField(raw, "output", "missing_response"));
    const rest = without(raw, ["input", "output", "prompt", "responses"]);
    return {
      record: { ...rest, gts: labelText(raw, "gts"), messages, response, group: stepGroup(raw.step, messages) },
      note,
    };
  },
};
