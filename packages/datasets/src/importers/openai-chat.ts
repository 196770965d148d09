import type { Importer } from "../importer.ts";
import { without } from "../raw-fields.ts";
import { callsNotShown, openAiMessages } from "./openai-messages.ts";

/** Chat messages whose last assistant turn is judged: fine-tuning files, or requests to a principle judge. */
export const openAiChat: Importer = {
  name: "openai-chat",
  title: "OpenAI chat messages: the last assistant turn is judged",
  signs: { all: ["messages"], none: ["prompt", "response", "responses"] },
  columns: [],
  map: {},
  toRecord(raw) {
    // records of our own may stand between them
    if (raw.messages === undefined || raw.messages === null) return { record: raw };
    const { messages, principle, callsTools } = openAiMessages(raw.messages, "messages");
    const note = callsTools ? { note: callsNotShown } : {};
    if (principle === null) return { record: { ...raw, messages }, ...note };
    return { record: { ...without(raw, ["principles"]), messages, principle }, ...note };
  },
};
