import { AssayError } from "@assay/core";
import { chooseFormat, type Importer, importerByName } from "@assay/datasets";
import type { InputSource } from "@assay/scoring";
import type { PlanFlags } from "./flags.ts";

/** How the records of a batch are read. */
export interface InputFormat {
  readonly importer: Importer;
  /** found by the records' own fields, not named by the user */
  readonly detected: boolean;
}

/**
 * --format, or what the first record looks like. With --map the user has said how records are to be read, so nothing
 * is looked for. Throws E_USAGE, and what reading an input throws.
 */
export async function chooseInputFormat(inputs: readonly InputSource[], flags: PlanFlags): Promise<InputFormat> {
  const mapped = flags.map.length > 0;
  const detected = flags.format === undefined;
  const importer = flags.format === undefined ? await chooseFormat(inputs) : importerByName(flags.format);
  if (!mapped || importer.map === null) return { importer, detected };
  if (detected) return { importer: importerByName("records"), detected: false };
  throw new AssayError("E_USAGE", `--map and --format ${importer.name} both say where the fields are`, {
    expected: "one of them; --map goes with the formats records and csv",
    got: `--map ${flags.map.join(",")}`,
  });
}
