import { AssayError } from "@assay/core";
import { isCsv } from "./choose-inputs.ts";
import type { Importer } from "./importer.ts";
import { csv } from "./importers/csv.ts";
import { records } from "./importers/records.ts";
import { importers } from "./importers.ts";

/**
 * The importer for records with these fields: the one whose signs they bear, else `records`; `csv` for a CSV file.
 * Throws E_USAGE when two formats claim them, and E_INPUT_BAD for a file that is only half of what its format needs.
 */
export function importerOf(fields: readonly string[], input: string, where: string): Importer {
  const claiming = importers.filter((importer) => bears(new Set(fields), importer.signs));
  if (claiming.length > 1) {
    throw new AssayError("E_USAGE", "the format of the input is not clear", {
      where,
      got: `fields of ${claiming.map(({ name }) => name).join(" and ")}`,
      next: `say which one it is: --format ${claiming[0]?.name}`,
    });
  }
  const found = claiming[0] ?? (isCsv(input) ? csv : records);
  const lacking = found.lacks?.(new Set(fields)) ?? null;
  if (lacking !== null) throw new AssayError("E_INPUT_BAD", lacking.what, { where, next: lacking.next });
  return found;
}

export function importerByName(name: string): Importer {
  const found = importers.find((importer) => importer.name === name);
  if (found !== undefined) return found;
  throw new AssayError("E_USAGE", "--format knows no such format", {
    expected: importers.map((importer) => importer.name).join(", "),
    got: name,
  });
}

function bears(fields: ReadonlySet<string>, signs: Importer["signs"]): boolean {
  if (signs === null) return false;
  const { all, any = [], none = [] } = signs;
  return (
    all.every((field) => fields.has(field)) &&
    (any.length === 0 || any.some((field) => fields.has(field))) &&
    !none.some((field) => fields.has(field))
  );
}
