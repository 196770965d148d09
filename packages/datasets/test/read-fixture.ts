import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type InputBytes, normaliseRecord, recordLines, type UserColumn } from "@assay/core";
import type { Importer } from "../src/importer.ts";
import { recordReader } from "../src/read-records.ts";
import { inputOf, tell } from "./input-of.ts";

export function fixture(name: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`fixtures/${name}`, import.meta.url)));
}

/** The lines of rows/ that an input becomes, each in one line; bad records as "code (field)"; notes of the importer. */
export async function linesOf(
  importer: Importer,
  input: string,
  source: InputBytes = inputOf(fixture(input)),
  more: readonly UserColumn[] = [],
): Promise<{ lines: string[]; notes: string[]; groups: (string | null)[]; leftOut: string[] }> {
  const columns = [...importer.columns, ...more];
  const settings = {
    roles: ["system", "user", "assistant"],
    principles: ["correctness"],
    map: importer.map ?? {},
    columns,
    carryAll: false,
  };
  const reader = recordReader(importer, { detected: true, columns, map: {} });
  const { records } = await tell(reader(source, { where: input, input }));
  const lines: string[] = [];
  const groups: (string | null)[] = [];
  const leftOut: string[] = [];
  for (const { line, offset, parsed } of records) {
    const record = parsed.ok ? normaliseRecord(parsed.value, settings, parsed.perResponse ?? null) : parsed;
    if (!record.ok) {
      lines.push(record.field === undefined ? record.bad : `${record.bad} (${record.field})`);
      groups.push(null);
      continue;
    }
    leftOut.push(...record.leftOut);
    for (const made of recordLines(record, { input, inputLine: line, offset, rowIndex: 0 })) {
      if ("bad" in made) throw new Error("a good record made a bad line");
      const asked = made.messages.map(({ role, content }) => `${role}: ${content}`).join(" | ");
      const principles = made.principles.map(({ text }) => text).join("; ");
      lines.push(`${made.id} | ${asked} => ${made.response} | ${principles} | ${JSON.stringify(made.carried)}`);
      groups.push(made.group);
    }
  }
  return { lines, notes: records.flatMap(({ parsed }) => (parsed.ok && parsed.note) || []), groups, leftOut };
}
