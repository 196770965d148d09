import { exportedReward, type Message, type MissingPolicy } from "@assay/core";
import type { ExportRow } from "@assay/datasets";
import type { OpenedExport } from "./open-export.ts";

/** The rows of an export with their texts, where wanted, and with what the policy puts in place of no reward. */
export async function* exportRows(
  source: OpenedExport,
  options: { text: boolean; missing: MissingPolicy },
): AsyncGenerator<ExportRow[]> {
  for await (const { chunk, rows } of source.rows("exporting")) {
    const asked = options.text ? await source.texts(chunk) : null;
    yield rows.flatMap((row): ExportRow[] => {
      const reward = exportedReward(row, options.missing, source.file);
      if (reward === "drop") return [];
      const line = asked?.get(row.row_index);
      const prompt = line === undefined ? null : promptText(line.messages);
      return [{ row, reward, prompt, response: line?.response ?? null }];
    });
  }
}

/** The text of a single user turn, else the conversation as JSON. */
function promptText(messages: readonly Message[]): string {
  const [only] = messages;
  return messages.length === 1 && only?.role === "user" ? only.content : JSON.stringify(messages);
}
