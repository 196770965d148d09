import { listUnplanned } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { JsonFlag } from "./flags.ts";
import { count, duration, note, result, resultJson, sizeText } from "./say.ts";
import { tabbed, table } from "./table.ts";

/**
 * Folders of a root that are no batch, with their age: a submit that was killed, one that is under way, or a batch that
 * lost its batch.json, which is nobody's to remove. Assay removes none of them; the command that does is the user's own.
 */
export async function showUnplanned(store: ObjectStore, flags: JsonFlag): Promise<void> {
  const isTerminal = process.stdout.isTTY === true;
  const rows: string[][] = [];
  let example: string | null = null;
  let lost: string | null = null;
  for await (const { folder, objects, bytes, lostPlan, modified } of listUnplanned(store)) {
    if (lostPlan) lost ??= folder;
    else example ??= folder;
    const at = modified === null ? null : new Date(modified).toISOString();
    if (flags.json === true) resultJson({ folder, objects, bytes, lost_plan: lostPlan, modified: at });
    else if (isTerminal) rows.push([folder, count(objects), sizeText(bytes), age(modified)]);
    else rows.push([folder, String(objects), String(bytes), at ?? ""]);
  }
  for (const line of isTerminal ? table([["FOLDER", "OBJECTS", "SIZE", "LAST PUT"], ...rows]) : tabbed(rows))
    if (rows.length > 0) result(line);
  if (lost !== null)
    note(`${lost} is a batch whose batch.json is gone: put it back, or submit the same again, which writes it anew`);
  if (example === null) return lost === null ? note(`every folder of ${store.uri} is a batch`) : undefined;
  note(
    `${example} is no batch${lost === null ? "" : " either"}: the submit was killed, or still runs (the same submit again carries on)`,
  );
  note(`Assay removes none; when nobody stages it any more: ${removal(store.uri, example)}`);
}

function age(modified: number | null): string {
  return modified === null ? "unknown" : `${duration(Math.max(0, Date.now() - modified) / 1_000)} ago`;
}

function removal(root: string, folder: string): string {
  const quoted = `'${`${root}/${folder}`.replaceAll("'", `'\\''`)}/'`;
  return root.startsWith("s3://") ? `aws s3 rm --recursive ${quoted}` : `rm -r ${quoted}`;
}
