import { BadRecord } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { isObject, objectField, without } from "../raw-fields.ts";
import { openAiMessages, textOfParts } from "./openai-messages.ts";

/**
 * NeMo Gym: tasks and rollouts around a Responses request. The last message of the output that says something is
 * judged; calls of tools before it are not shown to the judge, which the plan counts.
 */
export const nemoGym: Importer = {
  name: "nemo-gym",
  title: "NeMo Gym rollouts: responses_create_params.input, the last message of the response, reward",
  signs: { all: ["responses_create_params"] },
  columns: [
    { name: "reward", type: "double" },
    { name: "task_index", type: "int64" },
    { name: "rollout_index", type: "int64" },
  ],
  map: {},
  toRecord(raw) {
    const field = "responses_create_params";
    const request = objectField(raw, field, "missing_prompt");
    if (request.input === undefined || request.input === null) throw new BadRecord("missing_prompt", `${field}.input`);
    const { messages, principle } = openAiMessages(request.input, `${field}.input`);
    const { instructions } = request;
    const system =
      typeof instructions === "string" && instructions !== "" ? [{ role: "system", content: instructions }] : [];
    const answer = answerOf(raw);
    const used = [field, "response", "responses", "prompt", "messages", "_ng_task_index", "_ng_rollout_index"];
    return {
      record: {
        ...without(raw, used),
        messages: [...system, ...messages],
        task_index: raw._ng_task_index ?? null,
        rollout_index: raw._ng_rollout_index ?? null,
        ...(answer === null ? {} : { response: answer.text }),
        ...(principle === null ? {} : { principle }),
      },
      ...(answer?.tools === true
        ? { note: "rollout with calls of tools, of which only the last message is judged" }
        : {}),
    };
  },
};

/** null for a task that nobody has answered yet. */
function answerOf(raw: RawRecord): { text: string; tools: boolean } | null {
  if (raw.response === undefined || raw.response === null) return null;
  const { output } = objectField(raw, "response", "missing_response");
  if (!Array.isArray(output)) throw new BadRecord("missing_response", "response.output");
  const texts = output.flatMap((item: unknown, i) => {
    if (!isObject(item) || item.type !== "message") return [];
    const text = textOfParts(item.content, `response.output[${i}].content`);
    return typeof text === "string" ? [text] : [];
  });
  const text = texts.findLast((each) => each !== "") ?? texts.at(-1);
  if (text === undefined) throw new BadRecord("missing_response", "response.output");
  return { text, tools: output.some((item: unknown) => isObject(item) && isCall(item.type)) };
}

function isCall(type: unknown): boolean {
  return typeof type === "string" && type.endsWith("_call");
}
