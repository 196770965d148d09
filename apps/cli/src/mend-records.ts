import { type BadCode, endsConversation } from "@assay/core";
import type { Importer } from "@assay/datasets";
import type { WalkTally } from "@assay/scoring";
import { printable } from "./histogram.ts";
import { count } from "./say.ts";

/** More names say less. */
const mostNames = 12;

/**
 * What to do when too many records are bad, by their most frequent kind: mostly they are whole and only named otherwise.
 * Names their fields, never what stands in them.
 */
export function mendRecords(
  { bad, counts }: Pick<WalkTally, "bad" | "counts">,
  { map }: Pick<Importer, "map">,
): string {
  const [most] = [...bad].sort(([, a], [, b]) => b.count - a.count);
  const allowMore = counts.bad < counts.records ? ", or raise --max-bad" : "";
  const step = most === undefined ? null : stepFor(most[0], most[1], map === null);
  return `${step ?? "mend the records"}${allowMore}`;
}

function stepFor(
  kind: BadCode,
  { field, fields }: { readonly field: string | undefined; readonly fields: readonly string[] },
  canMap: boolean,
): string | null {
  const has = fields.length === 0 ? "" : `; the first of them has ${namesText(fields)}`;
  switch (kind) {
    case "missing_prompt":
    case "missing_response":
      return canMap ? `--map ${kind.slice("missing_".length)}=FIELD says which field it is${has}` : null;
    case "missing_principle":
      return `--principle TEXT gives one to records that bring none${canMap ? `, --map principle=FIELD says which field it is${has}` : ""}`;
    case "unsafe_integer":
      return `write what is beyond 2^53 as text: ${JSON.stringify(printable(field ?? "id", 40))}: "9007199254740993"`;
    case "unsupported_content":
      return canMap && field?.endsWith(endsConversation)
        ? "--map response=- leaves that field aside, and the last turn is judged"
        : null;
    case "invalid_json":
      return "each line is to be one JSON object, or the file one array of them: jq -c . FILE > NEW.jsonl makes lines of any JSON";
    default:
      return null;
  }
}

function namesText(fields: readonly string[]): string {
  const names = fields.slice(0, mostNames).map((name) => printable(name, 60));
  return `${names.join(", ")}${fields.length > mostNames ? ` and ${count(fields.length - mostNames)} more` : ""}`;
}
