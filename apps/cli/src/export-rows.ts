import { exportedReward, type MissingPolicy } from "@assay/core";
import { type ExportRow, promptText } from "@assay/datasets";
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
