import { createGroupStatistics, type ExportOptions, type GroupRow, writeGroups } from "@assay/datasets";
import type { OpenedExport } from "./open-export.ts";
import { counted, note } from "./say.ts";
import { writeOnce } from "./write-once.ts";

/**
 * The table for group-relative training (GRPO): every row with its reward, and its group's size, mean and deviation.
 * A record that could not be read has no group: how many there are is said. Two walks over the shards. Memory: four
 * numbers a group.
 */
export async function exportGroups(source: OpenedExport, path: string, format: ExportOptions["format"]): Promise<void> {
  const statistics = createGroupStatistics();
  let unread = 0;
  for await (const { rows } of source.rows("summing groups")) for (const row of rows) statistics.add(row);
  const rows = await writeOnce(path, (sink) => writeGroups(format, described(), sink));
  note(`${counted(rows, "row")} of ${counted(statistics.groups, "group")} in ${path}`);
  if (unread > 0)
    note(
      `  left out: ${counted(unread, "record")} that could not be read, and so ${unread === 1 ? "has" : "have"} no group`,
    );
  if (statistics.flat > 0)
    note(`  ${counted(statistics.flat, "group")} of equal rewards: every advantage in them is 0`);

  async function* described(): AsyncGenerator<GroupRow[]> {
    for await (const { rows: some } of source.rows("exporting")) {
      const known = some.map((row) => statistics.describe(row)).filter((row) => row !== null);
      unread += some.length - known.length;
      yield known;
    }
  }
}
