import {
  AssayError,
  type BatchFile,
  checkMissingPolicy,
  exportedReward,
  isBadLine,
  type Message,
  type MissingPolicy,
  missingPolicies,
  type ResponseLine,
  type ResultRow,
} from "@assay/core";
import { type DecodeShard, type ExportRow, openDecoder, writeExport } from "@assay/datasets";
import { type Family, findBatch, readFamilyRows, readRows } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { RootFlags } from "../flags.ts";
import { onSignals } from "../on-signals.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { showProgress } from "../progress.ts";
import { readState } from "../read-state.ts";
import { count, counted, note } from "../say.ts";
import { familyOf } from "../show-retries.ts";
import { writeOnce } from "../write-once.ts";

type ExportFlags = RootFlags & { readonly text?: boolean; readonly missing: string };

/**
 * One file of a batch's results, in row order, each row once: its ok result over the batch and its retries where it
 * has one, else the newest. Of what is unfinished what is there, said on stderr.
 */
export async function exportBatch(text: string, path: string, flags: ExportFlags): Promise<void> {
  const format = formatOf(path);
  const missing = missingPolicyOf(flags.missing);
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const { file, state, missing: absent, doneRows } = await readState(store, batch);
  checkMissingPolicy(missing, file);
  if (absent.length > 0)
    note(`${batch} is not complete: ${count(doneRows)} of ${counted(file.counts.rows, "row")} are there`);
  else if (state !== "complete") note(`${batch} has every row; its summary is still to be written`);
  const family = await familyOf(store, file);
  for (const { name, complete } of family.retries)
    if (!complete) note(`${name} is not complete; what is there is taken`);
  const signals = onSignals("stopping; no half file is left");
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let seen = 0;
  const progress = showProgress(() => `exporting  ${count(seen)}/${count(doneRows)} rows`);
  try {
    const rows = await writeOnce(path, (sink) =>
      writeExport(
        { format, text: flags.text === true, columns: file.columns },
        counting(exportRows({ store, decodeShard: decoder.decode }, family, { text: flags.text === true, missing })),
        sink,
      ),
    );
    progress.stop();
    note(`${counted(rows, "row")} in ${path}`);
  } finally {
    progress.stop();
    await decoder.close();
    signals.close();
  }

  async function* counting(all: AsyncIterable<ExportRow[]>): AsyncGenerator<ExportRow[]> {
    for await (const some of all) {
      if (signals.drain.aborted)
        throw new AssayError("E_ABORTED", "stopped before the file was whole", { where: path });
      seen += some.length;
      yield some;
    }
  }
}

function formatOf(path: string): "parquet" | "jsonl" {
  if (path.endsWith(".parquet")) return "parquet";
  if (path.endsWith(".jsonl")) return "jsonl";
  throw new AssayError("E_USAGE", "the file's name says which format is wanted", {
    expected: "FILE.parquet or FILE.jsonl",
    got: path,
  });
}

function missingPolicyOf(text: string): MissingPolicy {
  const policy = missingPolicies.find((known) => known === text);
  if (policy !== undefined) return policy;
  throw new AssayError("E_USAGE", "--missing knows no such policy", {
    expected: missingPolicies.join(", "),
    got: text,
  });
}

/** Texts come from rows/ of the same chunk. */
async function* exportRows(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  family: Family,
  options: { text: boolean; missing: MissingPolicy },
): AsyncGenerator<ExportRow[]> {
  const file = family.head;
  for await (const { chunk, rows } of readFamilyRows(ports, family)) {
    const asked = options.text ? await linesByRow(ports.store, file, chunk) : null;
    yield rows.flatMap((row) => exportRow(row, exportedReward(row, options.missing, file), asked));
  }
}

function exportRow(
  row: ResultRow,
  reward: number | null | "drop",
  asked: ReadonlyMap<number, ResponseLine> | null,
): ExportRow[] {
  if (reward === "drop") return [];
  const line = asked?.get(row.row_index);
  const prompt = line === undefined ? null : promptText(line.messages);
  return [{ row, reward, prompt, response: line?.response ?? null }];
}

async function linesByRow(store: ObjectStore, file: BatchFile, chunk: number): Promise<Map<number, ResponseLine>> {
  const byRow = new Map<number, ResponseLine>();
  for (const line of await readRows(store, file, chunk)) {
    if (isBadLine(line)) continue;
    for (const { row_index } of line.principles) byRow.set(row_index, line);
  }
  return byRow;
}

/** The text of a single user turn, else the conversation as JSON. */
function promptText(messages: readonly Message[]): string {
  const [only] = messages;
  return messages.length === 1 && only?.role === "user" ? only.content : JSON.stringify(messages);
}
