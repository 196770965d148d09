import {
  AssayError,
  type BatchFile,
  explainRow,
  isBadLine,
  lineOfRow,
  type ResultRow,
  rowsOf,
  type Status,
  type StoredRow,
  serverOfPin,
  visibleText,
} from "@assay/core";
import { type DecodeShard, openDecoder } from "@assay/datasets";
import { findBatch, loadBatch, readLedger, readPin, readRows, readShards } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { againLines, askAgain } from "../ask-again.ts";
import { commandLine } from "../command-line.ts";
import { explainCommand, explanationLines, line, signed } from "../explanation-lines.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { showProgress } from "../progress.ts";
import { count, counted, note, result, resultJson } from "../say.ts";
import { familyOf } from "../show-retries.ts";
import { table } from "../table.ts";

type ExplainFlags = RootFlags &
  JsonFlag & {
    readonly id?: boolean;
    readonly text?: boolean;
    readonly engine: readonly string[];
    readonly engineKeyFile?: string;
  };

interface Ports {
  readonly store: ObjectStore;
  readonly decodeShard: DecodeShard;
}

/**
 * What a reviewer needs to believe one number: the request made anew, the verdict, the arithmetic, and what others
 * would have made of it; from the store alone, with --engine asked again as well. Throws E_BROKEN, after all is said,
 * when the stored row_key or reward is not what its own parts give.
 */
export async function explain(text: string, rowText: string, flags: ExplainFlags): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  const file = await loadBatch(store, batch);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let stored: StoredRow;
  try {
    const ports = { store, decodeShard: decoder.decode };
    stored = await readStored(ports, file, await chooseRow(ports, file, rowText, flags));
  } finally {
    await decoder.close();
  }
  const [url] = flags.engine;
  const explanation = explainRow(stored, {
    text: flags.text === true,
    url: url === undefined || url === "sim" ? null : url.replace(/\/+$/, "").replace(/\/v1$/, ""),
    hasKey: flags.engineKeyFile !== undefined || Boolean(process.env.ASSAY_ENGINE_KEY),
  });
  await noteRetries(store, file, explanation.row_index, flags.root);
  // a fresh reasoning takes minutes: what is stored is there to read meanwhile
  const asksAgain = flags.engine.length > 0 && stored.row !== null && explanation.request?.unasked === null;
  if (flags.json !== true) for (const one of explanationLines(explanation, flags.root, asksAgain)) result(one);

  let again = null;
  if (asksAgain && stored.row !== null) {
    const { row, simulated } = stored;
    again = await askAgain({ file, row, simulated, pin: await readPin(store, batch) }, flags);
    const same = `${explainCommand(explanation, flags.root)} --engine ${flags.engine.join(",")}`;
    if (flags.json !== true)
      for (const one of againLines(again, explanation.result, flags.text === true, same)) result(one);
  } else if (flags.engine.length > 0) {
    note("this row asks nothing, so no engine was asked");
  }
  if (flags.json === true) {
    const { prompt, ...rest } = again ?? { prompt: null };
    resultJson({
      ...explanation,
      again: again === null ? null : { ...rest, ...(flags.text === true ? { prompt } : {}) },
    });
  }
  if (explanation.request?.row_key_is_stored === false)
    throw broken(stored, "its row_key is not that of its stored row");
  if (explanation.samples?.combined_is_stored === false) throw broken(stored, "it is not what its samples give");
  if (explanation.result?.reward_is_arithmetic === false)
    throw broken(stored, "its reward is not that of its log-probabilities");
}

function broken({ file, result: row }: StoredRow, what: string): AssayError {
  return new AssayError("E_BROKEN", `this row contradicts itself: ${what}`, {
    where: `${file.batch}, row ${row?.row_index}`,
    next: `assay verify ${file.batch}`,
  });
}

/** The chunk that a row of the batch is in; -1 before the first one. */
function chunkOf(file: BatchFile, rowIndex: number): number {
  return file.chunks.findLastIndex(({ row_start }) => rowIndex >= row_start);
}

/** A retry holds some rows of its parent only. */
async function holdsRow(store: ObjectStore, file: BatchFile, rowIndex: number): Promise<boolean> {
  const chunk = chunkOf(file, rowIndex);
  if (chunk < 0) return false;
  const lines = await readRows(store, file, chunk);
  return lines.some((asked) => !isBadLine(asked) && rowsOf(asked).some((row) => row.rowIndex === rowIndex));
}

/** An older result is explained as it is; whoever asks for it has to know of the newer ones. */
async function noteRetries(store: ObjectStore, file: BatchFile, rowIndex: number, root: string | undefined) {
  for (const { file: child } of (await familyOf(store, file)).retries) {
    if (child !== null && (await holdsRow(store, child, rowIndex)))
      note(`this row was asked again: ${commandLine(["explain", child.batch, String(rowIndex)], root)}`);
  }
}

async function readStored(ports: Ports, file: BatchFile, rowIndex: number): Promise<StoredRow> {
  const chunk = chunkOf(file, rowIndex);
  const { line: asked, row } = lineOfRow(await readRows(ports.store, file, chunk), rowIndex);
  const pin = await readPin(ports.store, file.batch);
  let found: ResultRow | null = null;
  let simulated = pin?.simulated ?? null;
  for await (const shard of readShards(ports, file, [chunk])) {
    found = shard.rows.find(({ row_index }) => row_index === rowIndex) ?? null;
    simulated ??= shard.metadata["assay.simulated"] === "true";
    if (found === null)
      throw new AssayError("E_BROKEN", "a shard lacks a row of its chunk", {
        where: `${file.batch}, chunk ${chunk}, row ${rowIndex}`,
        next: `assay verify ${file.batch}`,
      });
  }
  return { file, chunk, line: asked, row, result: found, simulated, server: serverOfPin(pin) };
}

/** A whole number is a row_index, all else an id; with --id everything is. */
async function chooseRow(ports: Ports, file: BatchFile, text: string, flags: ExplainFlags): Promise<number> {
  const { rows } = file.counts;
  if (flags.id !== true && /^\d+$/.test(text)) {
    const rowIndex = Number(text);
    if (file.parent === undefined ? rowIndex < rows : await holdsRow(ports.store, file, rowIndex)) return rowIndex;
    const known = file.parent === undefined ? `from 0 to ${rows - 1}` : "that this retry asks again";
    throw new AssayError("E_USAGE", "no such row in this batch", {
      where: file.batch,
      expected: `a row_index ${known}, or an id (--id where it looks like a number)`,
      got: text,
    });
  }
  const found = await rowsOfId(ports, file, text);
  const [only] = found;
  if (only === undefined) {
    throw new AssayError("E_USAGE", "no row of this batch has this id", {
      where: file.batch,
      expected: `an id, or a row_index from 0 to ${rows - 1}`,
      got: visibleText(text),
    });
  }
  if (found.length === 1) return only.row_index;
  if (flags.json === true) resultJson({ batch: file.batch, id: text, rows: found });
  else showChoice(found);
  throw new AssayError("E_USAGE", `this id names ${counted(found.length, "row")}`, {
    where: file.batch,
    expected: "the row_index of one",
    got: visibleText(text),
    next: commandLine(["explain", file.batch, String(only.row_index)], flags.root),
  });
}

interface Choice {
  readonly row_index: number;
  readonly principle: string | null;
  readonly status: Status | null;
  readonly reward: number | null;
}

/** A rollout group may have thousands of rows under one id. */
const mostShown = 50;

function showChoice(found: readonly Choice[]): void {
  const rows = found
    .slice(0, mostShown)
    .map(({ row_index, principle, status, reward }) => [
      String(row_index),
      reward === null ? (status ?? "not scored yet") : signed(reward),
      visibleText(principle ?? "").slice(0, 80),
    ]);
  for (const one of table([["row_index", "reward", "principle"], ...rows])) note(`  ${one}`);
  if (found.length > mostShown) note(line("", `and ${count(found.length - mostShown)} more`));
}

/** Every shard is read, which holds no texts; of chunks without a shard the rows. */
async function rowsOfId(ports: Ports, file: BatchFile, id: string): Promise<Choice[]> {
  const { done, missing } = await readLedger(ports.store, file);
  const found: Choice[] = [];
  let seen = 0;
  const progress = showProgress(() => `looking for the id  ${count(seen)}/${count(file.chunks.length)} chunks`);
  try {
    const chunks = [...file.chunks.keys()].filter((chunk) => done[chunk] === 1);
    for await (const { rows } of readShards(ports, file, chunks)) {
      seen += 1;
      for (const { id: own, row_index, principle, status, reward } of rows)
        if (own === id) found.push({ row_index, principle, status, reward });
    }
    for (const chunk of missing) {
      for (const asked of await readRows(ports.store, file, chunk)) {
        if (asked.id !== id) continue;
        const rows = isBadLine(asked) ? [{ rowIndex: asked.row_index, principle: null }] : rowsOf(asked);
        for (const { rowIndex, principle } of rows)
          found.push({ row_index: rowIndex, principle, status: null, reward: null });
      }
      seen += 1;
    }
  } finally {
    progress.stop();
  }
  return found.sort((a, b) => a.row_index - b.row_index);
}
