import { BadRecord } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { isObject, objectField, without } from "../raw-fields.ts";
import { callsNotShown, openAiMessages, textOfParts } from "./openai-messages.ts";

/**
 * Lines of OpenAI's Batch files, which vLLM's run-batch reads and writes, too. A request brings the conversation in its
 * body. Its answer stands in the same line (then each choice is a response), or is the conversation's last turn. A file
 * of answers alone has no conversation: it is refused with the line that joins it with its requests.
 */
export const openAiBatch: Importer = {
  name: "openai-batch",
  title: "OpenAI Batch JSONL: requests with their body, and the response in the same line where there is one",
  signs: { all: ["custom_id"], any: ["body", "response"] },
  lacks: (fields) =>
    fields.has("body")
      ? null
      : {
          what: "this is the output of a Batch, which has the answers and not what was asked",
          next: `join it with the file of its requests:\n${joined}`,
        },
  columns: [],
  map: { id: "custom_id" },
  toRecord(raw) {
    const body = objectField(raw, "body", "missing_prompt");
    const given = body.messages ?? body.input;
    if (given === undefined || given === null) throw new BadRecord("missing_prompt", "body.messages");
    const { messages, principle, callsTools } = openAiMessages(given, "body.messages");
    const responses = answers(raw);
    return {
      record: {
        ...without(raw, ["id", "method", "url", "body", "response", "error"]),
        messages,
        ...(responses === null ? {} : { responses }),
        ...(principle === null ? {} : { principle }),
      },
      ...(callsTools ? { note: callsNotShown } : {}),
    };
  },
};

/** By custom_id: the order of an output file is not that of its requests. */
const joined =
  "            jq -cn --slurpfile asked REQUESTS.jsonl '($asked | INDEX(.custom_id)) as $by | inputs | . + {body: $by[.custom_id].body}' OUTPUT.jsonl > joined.jsonl";

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
