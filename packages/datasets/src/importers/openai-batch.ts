import { BadRecord } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { isObject, objectField, without } from "../raw-fields.ts";
import { openAiMessages, textOfParts } from "./openai-messages.ts";

/**
 * Lines of OpenAI's Batch files, which vLLM's run-batch reads and writes, too. A request brings the conversation in its
 * body. Its answer stands in the same line (then each choice is a response), or is the conversation's last turn. A file
 * of answers alone has no conversation: join it with its requests by custom_id first.
 */
export const openAiBatch: Importer = {
  name: "openai-batch",
  title: "OpenAI Batch JSONL: requests with their body, and the response in the same line where there is one",
  signs: { all: ["custom_id"], any: ["body", "response"] },
  columns: [],
  map: { id: "custom_id" },
  toRecord(raw) {
    const body = objectField(raw, "body", "missing_prompt");
    const given = body.messages ?? body.input;
    if (given === undefined || given === null) throw new BadRecord("missing_prompt", "body.messages");
    const { messages, principle } = openAiMessages(given, "body.messages");
    const responses = answers(raw);
    return {
      record: {
        ...without(raw, ["id", "method", "url", "body", "response", "error"]),
        messages,
        ...(responses === null ? {} : { responses }),
        ...(principle === null ? {} : { principle }),
      },
    };
  },
};

/** The choices of an answer in the line, null where there is none. */
function answers(raw: RawRecord): unknown[] | null {
  const { response } = raw;
  if (response === undefined || response === null) {
    if (raw.error !== undefined && raw.error !== null) throw new BadRecord("missing_response", "error");
    return null;
  }
  const body = isObject(response) ? response.body : undefined;
  const choices = isObject(body) ? body.choices : undefined;
  if (!Array.isArray(choices) || choices.length === 0) throw new BadRecord("missing_response", "response.body.choices");
  return choices.map((choice: unknown, i) => {
    const field = `response.body.choices[${i}].message`;
    const message = isObject(choice) ? choice.message : undefined;
    if (!isObject(message) || message.content === undefined || message.content === null)
      throw new BadRecord("missing_response", `${field}.content`);
    return textOfParts(message.content, `${field}.content`);
  });
}
