import { setMaxListeners } from "node:events";
import {
  AssayError,
  askVerdict,
  buildRequest,
  type ChatRequest,
  type EngineFailure,
  type EngineRequest,
  type Profile,
  type ReadWay,
} from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import { type BenchCell, type BenchPlan, planBench } from "./plan-bench.ts";
import { probeRow } from "./probe-template.ts";
import { type EngineMetrics, readMetrics } from "./read-metrics.ts";

export interface BenchSettings {
  /** with the ids that its words have here */
  readonly profile: Profile;
  readonly model: string;
  /** that work here, best first */
  readonly ways: readonly ReadWay[];
  /** of one measurement, at least */
  readonly rows: number;
  readonly rounds: number;
}

/** What the first rows showed, before anything is measured. */
export interface BenchStart {
  readonly plan: BenchPlan;
  readonly promptTokens: number;
  readonly answerTokens: number;
  readonly kvTokens: number | null;
  /** of the whole plan, as if it went at the speed of the first rows in every slot; engines slow down when they fill */
  readonly estimateSeconds: number;
}

export interface BenchMeasured {
  readonly cell: BenchCell;
  /** while all slots were taken */
  readonly rowsPerSecond: number;
  readonly tokensPerSecond: number;
  readonly failed: number;
  /** why the first failed */
  readonly failure: string | null;
  /** of the second requests' prompts, from the prefix cache; null where there is none or it is not told */
  readonly cachedShare: number | null;
  /** null without /metrics */
  readonly preemptionsPerRow: number | null;
}

/** Enough to know how long a row is. */
const firstRows = 4;
/** Of a prompt that no other row shares: some 500 tokens with the template. */
const promptWords = 350;
const rowLimitMs = 30 * 60_000;
const lookLimitMs = 10_000;
/** Two sentences a row, then filler: what is asked is the golden pair's question, or this. */
const somePair = { prompt: "What is 1+1?", better: "1+1=2", worse: "1+1=3", principle: "correctness" };

/**
 * Measures one engine, cell after cell of its own plan, and tells each as it is done. Ends early, without a word of its
 * own, when the signal aborts: what was told until then stands. Nothing is stored. No two prompts share a prefix, over
 * runs either, so that no cache lies. Throws E_ENGINE_UNREACHABLE when the first rows all fail.
 */
export async function runBench(
  client: EngineClient,
  settings: BenchSettings,
  hooks: {
    readonly signal: AbortSignal;
    /** makes this run's prompts unlike those of any other */
    readonly nonce: string;
    readonly onStart: (start: BenchStart) => void;
    readonly onCell: (measured: BenchMeasured) => void;
  },
): Promise<void> {
  const { signal, nonce } = hooks;
  // every row in flight listens to it
  setMaxListeners(0, signal);
  let begun = 0;
  const ask = (way: ReadWay | null, seeds: boolean): Promise<AskedRow> => {
    begun += 1;
    return askRow(client, settings, { way, seed: seeds ? begun : null, text: `${nonce} ${begun}`, at: begun }, signal);
  };

  const startedAt = performance.now();
  const way = settings.ways[0] ?? null;
  const first = await Promise.all(Array.from({ length: firstRows }, () => ask(way, false)));
  if (signal.aborted) return;
  const answered = first.filter((row) => row.ok);
  if (answered.length === 0) throw noAnswer(client, first[0]);
  const seconds = (performance.now() - startedAt) / 1_000;
  const mean = (of: (row: AnsweredRow) => number): number =>
    answered.reduce((total, row) => total + of(row), 0) / answered.length;
  const promptTokens = mean((row) => row.promptTokens);
  const answerTokens = mean((row) => row.answerTokens);
  const kvTokens = (await look(client))?.kvTokens ?? null;
  const plan = planBench({ ...settings, kvTokens, rowTokens: promptTokens + answerTokens });
  const turns = plan.cells.reduce((sum, { rows, inFlight }) => sum + rows / inFlight, 0);
  hooks.onStart({ plan, promptTokens, answerTokens, kvTokens, estimateSeconds: turns * seconds });
  for (const cell of plan.cells) {
    const measured = await runCell(client, cell, () => ask(cell.way, cell.seeds), signal);
    if (measured === null) return;
    hooks.onCell(measured);
  }
}

/** One cell; null when it was stopped. */
async function runCell(
  client: EngineClient,
  cell: BenchCell,
  ask: () => Promise<AskedRow>,
  signal: AbortSignal,
): Promise<BenchMeasured | null> {
  const before = await look(client);
  let left = cell.rows;
  let failed = 0;
  let failure: string | null = null;
  let ended = 0;
  const second = { prompt: 0, cached: 0 };
  // from when as many rows ended as there are slots, until no more begin
  const window = { from: 0, to: 0, rows: 0, tokens: 0 };

  async function slot(): Promise<void> {
    while (left > 0 && !signal.aborted) {
      left -= 1;
      window.to = performance.now();
      const row = await ask();
      ended += 1;
      const isMeasured = window.from > 0 && left > 0;
      if (ended === cell.inFlight) window.from = performance.now();
      if (!row.ok) {
        failed += 1;
        failure ??= `${row.failure.kind}: ${row.failure.message}`;
        continue;
      }
      if (isMeasured) {
        window.rows += 1;
        window.tokens += row.answerTokens;
      }
      if (row.second !== null) {
        second.prompt += row.second.promptTokens;
        second.cached += row.second.cachedTokens;
      }
    }
  }

  await Promise.all(Array.from({ length: cell.inFlight }, slot));
  if (signal.aborted) return null;
  const after = await look(client);
  const seconds = Math.max(0.001, (window.to - window.from) / 1_000);
  return {
    cell,
    rowsPerSecond: window.rows / seconds,
    tokensPerSecond: window.tokens / seconds,
    failed,
    failure,
    cachedShare: second.prompt === 0 ? null : second.cached / second.prompt,
    preemptionsPerRow: before === null || after === null ? null : (after.preemptions - before.preemptions) / cell.rows,
  };
}

interface AnsweredRow {
  readonly ok: true;
  readonly promptTokens: number;
  readonly answerTokens: number;
  readonly second: { readonly promptTokens: number; readonly cachedTokens: number } | null;
}
type AskedRow = AnsweredRow | { readonly ok: false; readonly failure: EngineFailure };

async function askRow(
  client: EngineClient,
  { profile, model }: BenchSettings,
  row: { way: ReadWay | null; seed: number | null; text: string; at: number },
  signal: AbortSignal,
): Promise<AskedRow> {
  const request = requestOf(row, profile, model);
  const send = (one: EngineRequest) => client.complete(one, { signal, deadlineMs: rowLimitMs });
  if (row.way === null) {
    const outcome = await send(request);
    if (!outcome.ok) return outcome;
    const { promptTokens, completionTokens } = outcome.completion.usage;
    return { ok: true, promptTokens, answerTokens: completionTokens, second: null };
  }
  const asked = await askVerdict(send, request, profile);
  if (!asked.ok) return asked;
  const { promptTokens, completionTokens } = asked.completion.usage;
  const { promptTokens: secondTokens = 0, cachedTokens = null } = asked.second ?? {};
  const second = cachedTokens === null ? null : { promptTokens: secondTokens, cachedTokens };
  return { ok: true, promptTokens, answerTokens: completionTokens, second };
}

function requestOf(
  row: { way: ReadWay | null; seed: number | null; text: string; at: number },
  profile: Profile,
  model: string,
): ChatRequest {
  const pair = profile.golden ?? somePair;
  const built = buildRequest(
    probeRow({
      // unlike all others from its first word on
      prompt: `${row.text}: ${filler(row.at)}\n${pair.prompt}`,
      response: row.at % 2 === 0 ? pair.better : pair.worse,
      principle: pair.principle,
    }),
    { model, profile, strip: "off", specials: "neutralise", samples: 1, seed: row.seed },
    row.way ?? "two-step",
  );
  if (built.kind !== "ask") throw new TypeError(`the bench's own row is not asked: ${built.why}`);
  return row.way === null ? { ...built.request, logprobTokenIds: null } : built.request;
}

const words = "the of and to in is that it was for on are as with they at be this from have or by one had not".split(
  " ",
);

/** The same for the same row. */
function filler(at: number): string {
  let state = at;
  return Array.from({ length: promptWords }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return words[(state >>> 16) % words.length];
  }).join(" ");
}

async function look(client: EngineClient): Promise<EngineMetrics | null> {
  const { status, body } = await client.ask("/metrics", undefined, lookLimitMs);
  return status === 200 && typeof body === "string" ? readMetrics(body) : null;
}

function noAnswer(client: EngineClient, row: AskedRow | undefined): AssayError {
  const got = row === undefined || row.ok ? "no answer" : `${row.failure.kind}: ${row.failure.message}`;
  return new AssayError("E_ENGINE_UNREACHABLE", "none of the first rows was answered", { where: client.origin, got });
}
