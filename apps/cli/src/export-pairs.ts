import type { Message, ResponseLine } from "@assay/core";
import { createPairChooser, type PreferencePair, pairLine } from "@assay/datasets";
import type { OpenedExport } from "./open-export.ts";
import { counted, note } from "./say.ts";
import { writeOnce } from "./write-once.ts";

/**
 * Preference pairs as JSONL for TRL's DPOTrainer: best against worst of each group and principle, at least `margin`
 * apart. Two walks over the shards: one for the rewards, one for the texts. Says how many groups gave no pair, and why.
 * Memory: the pairs' numbers, and texts of pairs of which one side was not met yet.
 */
export async function exportPairs(source: OpenedExport, path: string, margin: number): Promise<void> {
  const chooser = createPairChooser(margin);
  for await (const { rows } of source.rows("choosing pairs")) for (const row of rows) chooser.add(row);
  const { pairs, groups, single, close } = chooser.choose();
  // a row may be a side of one pair only: its group and principle name the pair
  const pairOf = new Map(pairs.flatMap((pair) => [pair.chosen, pair.rejected].map((side) => [side.row_index, pair])));
  const left = { equal: 0, mixed: 0 };
  let written = 0;
  await writeOnce(path, async (sink) => {
    const half = new Map<PreferencePair, ResponseLine>();
    const encoder = new TextEncoder();
    for await (const { chunk, rows } of source.rows("writing pairs")) {
      if (!rows.some((row) => pairOf.has(row.row_index))) continue;
      const texts = await source.texts(chunk);
      const lines: string[] = [];
      for (const { row_index } of rows) {
        const pair = pairOf.get(row_index);
        const line = texts.get(row_index);
        if (pair === undefined || line === undefined) continue;
        const other = half.get(pair);
        if (other === undefined) {
          half.set(pair, line);
          continue;
        }
        half.delete(pair);
        const [chosen, rejected] = row_index === pair.chosen.row_index ? [line, other] : [other, line];
        if (!isSame(chosen.messages, rejected.messages)) left.mixed += 1;
        else if (chosen.response === rejected.response) left.equal += 1;
        else {
          const sides = { messages: chosen.messages, chosen: chosen.response, rejected: rejected.response };
          lines.push(`${pairLine(pair, sides)}\n`);
        }
      }
      written += lines.length;
      await sink.write(encoder.encode(lines.join("")));
    }
  });
  note(`${counted(written, "pair")} of ${counted(groups, "group")} in ${path}`);
  const reasons = [
    [single, "with fewer than two different rewards"],
    [close, `closer than ${margin}`],
    [left.equal, "whose two responses are equal"],
    [left.mixed, "that mix conversations"],
  ] as const;
  for (const [groupsLeft, why] of reasons)
    if (groupsLeft > 0) note(`  left out: ${counted(groupsLeft, "group")} ${why}`);
}

/** A group may be the user's own name for anything. */
function isSame(one: readonly Message[], other: readonly Message[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
