import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import {
  type BatchFile,
  buildRequest,
  emptyOutcome,
  isBadLine,
  makeResultRow,
  type Pin,
  type Profile,
  pinBytes,
  pinKey,
  profileByName,
  rowsOf,
  sha256,
} from "@assay/core";
import { encodeShard, openDecoder, readOwnRecords } from "@assay/datasets";
import { commitShard, finalizeBatch, planBatch, readRows, stageBatch, verifyBatch } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { localStore } from "@assay/store/local";
import { submitSettings } from "../submit-settings.ts";

/**
 * How long `verify` takes for a batch of ROWS rows (default 1,000,000) in a local directory, with texts of about 1 kB a
 * row. Staging and scoring are made up beforehand and are not in the time.
 */
const rows = Number(process.env.ROWS ?? 1_000_000);
const never = new AbortController().signal;
const pin: Pin = {
  model: "judge",
  revision: null,
  template: sha256("t"),
  delimiters: [],
  logprobs: "raw",
  simulated: true,
};

const folder = await mkdtemp(join(tmpdir(), "assay-bench-"));
try {
  const store = localStore(folder);
  const file = await stage(store);
  await commitAll(store, file);
  console.log(`${rows} rows in ${file.chunks.length} chunks are there; load ${loadavg()[0]?.toFixed(1)}`);
  const decoder = openDecoder({ timeLimitMs: 60_000 });
  const ports = { store, decodeShard: decoder.decode };
  await time("finalize", () => finalizeBatch(ports, file, { id: "x", at: new Date().toISOString(), by: "bench" }));
  for (const deep of [false, true]) {
    const report = await time(deep ? "verify --deep" : "verify", () => verifyBatch(ports, file.batch, { deep }));
    if (report.broken !== null || report.doneRows !== rows) throw new Error(JSON.stringify(report));
  }
  await decoder.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function time<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  const done = await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = process.cpuUsage(cpu);
  const busy = (used.user + used.system) / 1e6;
  console.log(
    `${what}: ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s, ${busy.toFixed(1)} s of processor, load ${loadavg()[0]?.toFixed(1)}`,
  );
  return done;
}

async function stage(store: ObjectStore): Promise<BatchFile> {
  const profile = profileByName("genrm-principle") as Profile;
  const settings = submitSettings("judge", profile, "bench", ["correctness"]);
  const input = { input: "bench.jsonl", where: "bench.jsonl", open: async () => lines(), ranges: neverAsked };
  const planned = await planBatch([input], settings, readOwnRecords);
  return (await stageBatch(store, planned, [input], settings, readOwnRecords, { signal: never })).file;
}

/** JSON Lines are read from start to end. */
async function neverAsked(): Promise<never> {
  throw new Error("JSON Lines have no ranges");
}

async function* lines(): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const words = Array.from({ length: 4_096 }, (_, i) => sha256(String(i)).slice(0, 3 + (i % 7)));
  let seed = 1;
  const text = (count: number): string =>
    Array.from({ length: count }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return words[seed >>> 20];
    }).join(" ");
  for (let from = 0; from < rows; from += 500) {
    const some = Array.from({ length: Math.min(500, rows - from) }, (_, i) =>
      JSON.stringify({ prompt: `${from + i} ${text(60)}`, response: text(90), label: i % 2 }),
    );
    yield encoder.encode(`${some.join("\n")}\n`);
  }
}

async function commitAll(store: ObjectStore, file: BatchFile): Promise<void> {
  await store.putIfAbsent(pinKey(file.batch), pinBytes(pin));
  for (const [chunk] of file.chunks.entries()) {
    const results = (await readRows(store, file, chunk)).flatMap((line) =>
      isBadLine(line)
        ? []
        : rowsOf(line).map((row) => {
            const built = buildRequest(row, file, "two-step");
            const p = 0.02 + 0.96 * ((row.rowIndex % 997) / 997);
            return makeResultRow(
              file,
              row,
              {
                ...emptyOutcome,
                status: row.rowIndex % 50 === 7 ? "truncated" : "ok",
                rowKey: built.kind === "ask" ? built.rowKey : null,
                logprobYes: Math.log(p),
                logprobNo: Math.log1p(-p),
                mass: 1,
                answer: p > 0.5 ? " Yes" : " No",
                answerForm: " Yes",
                finishReason: "stop",
                read: "two-step",
                promptTokens: 300,
                completionTokens: 900 + (row.rowIndex % 800),
                queueMs: 5,
                latencyMs: 4_000 + (row.rowIndex % 3_000),
                attempts: 1,
                engine: "http://node-7:8000",
                text: "so and so ".repeat(20),
              },
              Date.UTC(2026, 0, 1) + row.rowIndex,
            );
          }),
    );
    await commitShard({ store, encodeShard }, file, chunk, results, {
      pin,
      engineVersion: "0.32.0",
      software: "bench",
    });
  }
}
