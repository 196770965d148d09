import { AssayError, type BatchFile, isBadLine, type Message, type ResponseLine } from "@assay/core";
import { type DecodeShard, type ExportRow, openDecoder, writeExport } from "@assay/datasets";
import { findBatch, readRows, readShards } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { RootFlags } from "../flags.ts";
import { onSignals } from "../on-signals.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { showProgress } from "../progress.ts";
import { readState } from "../read-state.ts";
import { count, counted, note } from "../say.ts";
import { writeOnce } from "../write-once.ts";

type ExportFlags = RootFlags & { readonly text?: boolean };

/** One file of a batch's results, in row order; of an unfinished batch of what is there, said on stderr. */
export async function exportBatch(text: string, path: string, flags: ExportFlags): Promise<void> {
  const format = formatOf(path);
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const { file, state, missing, doneRows } = await readState(store, batch);
  if (missing.length > 0)
    note(`${batch} is not complete: ${count(doneRows)} of ${counted(file.counts.rows, "row")} are there`);
  else if (state !== "complete") note(`${batch} has every row; its summary is still to be written`);
  const absent = new Set(missing);
  const chunks = [...file.chunks.keys()].filter((chunk) => !absent.has(chunk));
  const signals = onSignals("stopping; no half file is left");
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let seen = 0;
  const progress = showProgress(() => `exporting  ${count(seen)}/${count(doneRows)} rows`);
  try {
    const rows = await writeOnce(path, (sink) =>
      writeExport(
        { format, text: flags.text === true, columns: file.columns },
        counting(exportRows({ store, decodeShard: decoder.decode }, file, chunks, flags.text === true)),
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

/** Shards are read ahead; texts come from rows/ of the same chunk. */
async function* exportRows(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
  chunks: readonly number[],
  text: boolean,
): AsyncGenerator<ExportRow[]> {
  for await (const { chunk, rows } of readShards(ports, file, chunks)) {
    const asked = text ? await linesByRow(ports.store, file, chunk) : null;
    yield rows.map((row) => {
      const line = asked?.get(row.row_index);
      return { row, prompt: line === undefined ? null : promptText(line.messages), response: line?.response ?? null };
    });
  }
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
