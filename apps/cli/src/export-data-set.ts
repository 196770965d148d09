import { join } from "node:path";
import type { MissingPolicy, Status } from "@assay/core";
import { dataSetCard, type ExportRow, writeDataSet } from "@assay/datasets";
import { readPin } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { claimFolder } from "./claim-folder.ts";
import { exportRows } from "./export-rows.ts";
import type { OpenedExport } from "./open-export.ts";
import { counted, note } from "./say.ts";
import { version } from "./version.ts";
import { writeOnce } from "./write-once.ts";

/**
 * A Hugging Face data set folder: Parquet files of 128 to 256 MB below data/, and README.md, the card, last. A folder
 * that holds one already is refused; what a stopped export left is begun anew.
 */
export async function exportDataSet(
  store: ObjectStore,
  source: OpenedExport,
  folder: string,
  options: { text: boolean; missing: MissingPolicy },
): Promise<void> {
  const { file, members } = source;
  const claim = await claimFolder(folder);
  const seen = { rows: 0, rewards: 0, sum: 0, yes: 0, status: {} as { [status in Status]?: number } };
  await writeOnce(join(folder, "README.md"), async (card) => {
    const files = await writeDataSet({ text: options.text, columns: file.columns }, tallied(), (path, work) =>
      writeOnce(join(folder, path), work),
    );
    const pin = await readPin(store, file.batch);
    const text = dataSetCard({
      batches: members,
      profile: file.profile.name,
      model: file.model,
      revision: file.revision,
      simulated: pin?.simulated === true,
      records: file.counts.records,
      rows: seen.rows,
      status: seen.status,
      missing: options.missing,
      rewardMean: seen.rewards === 0 ? null : seen.sum / seen.rewards,
      yesShare: seen.rewards === 0 ? null : seen.yes / seen.rewards,
      text: options.text,
      columns: file.columns,
      software: version,
    });
    await card.write(new TextEncoder().encode(text));
    note(`${counted(seen.rows, "row")} in ${counted(files.length, "file")} below ${folder}`);
  });
  await claim.release();

  async function* tallied(): AsyncGenerator<ExportRow[]> {
    for await (const rows of exportRows(source, options)) {
      for (const { row } of rows) {
        seen.rows += 1;
        seen.status[row.status] = (seen.status[row.status] ?? 0) + 1;
        if (row.reward === null) continue;
        seen.rewards += 1;
        seen.sum += row.reward;
        if (row.reward > 0) seen.yes += 1;
      }
      yield rows;
    }
  }
}
