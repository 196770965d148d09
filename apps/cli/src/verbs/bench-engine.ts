import { randomBytes } from "node:crypto";
import { AssayError, exitCode, setProfile } from "@assay/core";
import {
  type BenchLine,
  type BenchMeasured,
  type BenchStart,
  type BenchSummary,
  sumUpBench,
} from "@assay/engine/openai";
import { chooseModel } from "../choose-profile.ts";
import type { EngineFlags, JsonFlag } from "../flags.ts";
import { printable } from "../histogram.ts";
import { onSignals } from "../on-signals.ts";
import { openNamedEngines } from "../open-engines.ts";
import { count, duration, note, result, resultJson } from "../say.ts";
import { pairs } from "../submit-settings.ts";
import { table } from "../table.ts";

type BenchFlags = JsonFlag &
  Omit<EngineFlags, "inFlight" | "onEngineHung"> & {
    readonly profile?: string;
    readonly model?: string;
    readonly set: readonly string[];
    readonly rows: number;
    readonly rounds: number;
    readonly minutes: number;
  };

/**
 * Measures one engine: the ways of reading, the price of a seed, and rows in flight, as ratios of one run, and says
 * which flags follow. Stores nothing. What was measured is printed when it is stopped, too: exit 75 after a signal, 0
 * when its own time is over.
 */
export async function benchEngine(flags: BenchFlags): Promise<void> {
  if (flags.engine.length !== 1)
    throw new AssayError("E_USAGE", "a bench measures one engine", {
      expected: "--engine URL, once",
      got: flags.engine.join(", ") || "none",
      next: "assay bench engine --help",
    });
  const signals = onSignals("stopping: what was measured so far is printed");
  const stop = new AbortController();
  signals.drain.addEventListener("abort", () => stop.abort(), { once: true });
  const engines = await openNamedEngines({ ...flags, inFlight: 1 }, flags.model);
  const stopped = new Promise<never>((_, reject) => {
    const refuse = (): void => reject(new AssayError("E_ABORTED", "stopped before anything was measured"));
    stop.signal.addEventListener("abort", refuse, { once: true });
  });
  // heard while the engine is probed, which may take minutes; afterwards what was measured is printed instead
  stopped.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  try {
    const served = await engines.models();
    const simulated = served.some((engine) => engine.simulated);
    const chosen = await chooseModel(flags, async () => served.flatMap(({ models }) => models));
    const wanted = setProfile(chosen.profile, pairs("--set", "key=value", flags.set));
    note(`probing ${engines.described} for ${wanted.name}: the golden pair, twice`);
    const { profile, facts } = await Promise.race([engines.probe(wanted, chosen.model, chosen.revision), stopped]);
    const ways = facts[0]?.ways ?? [];
    const measured: BenchMeasured[] = [];
    const starts: BenchStart[] = [];
    timer = setTimeout(() => {
      note(`stopping after ${flags.minutes} min (--minutes): what was measured so far is printed`);
      stop.abort();
    }, flags.minutes * 60_000);
    await engines.bench(
      { profile, model: chosen.model, ways, rows: flags.rows, rounds: flags.rounds },
      {
        signal: stop.signal,
        nonce: randomBytes(6).toString("hex"),
        onStart: (found) => {
          starts.push(found);
          note(willSend(found, flags));
        },
        onCell: (one) => {
          measured.push(one);
          note(cellLine(one, measured.length, starts[0]?.plan.cells.length ?? 0));
        },
      },
    );
    if (signals.drain.aborted) process.exitCode = exitCode.notFinished;
    const [found] = starts;
    if (found === undefined) {
      note("stopped before anything was measured");
      return;
    }
    const summary = sumUpBench(found, measured, { ways, own: profile.verdict.read });
    const head = {
      engine: facts[0]?.origin ?? "",
      version: facts[0]?.version ?? "unknown",
      simulated,
      model: chosen.model,
      profile: profile.name,
      prompt_tokens: Math.round(found.promptTokens),
      answer_tokens: Math.round(found.answerTokens),
      kv_tokens: found.kvTokens,
      measured: measured.length,
      planned: found.plan.cells.length,
    };
    if (flags.json === true) resultJson({ ...head, ...summary });
    else for (const line of [...headLines(head), ...summaryLines(summary)]) result(line);
  } finally {
    clearTimeout(timer);
    await engines.close();
    signals.close();
  }
}

function willSend({ plan, promptTokens, answerTokens, estimateSeconds }: BenchStart, flags: BenchFlags): string {
  const tokens = `${count(Math.round(promptTokens))} prompt and ${count(Math.round(answerTokens))} answer tokens`;
  const time = `about ${duration(estimateSeconds)} or more, at most ${flags.minutes} min`;
  return `will send ${count(plan.rows)} rows of ${tokens}, ${count(plan.requests)} requests: ${time}; Ctrl-C stops it`;
}

function cellLine({ cell, tokensPerSecond, failed, failure }: BenchMeasured, done: number, of: number): string {
  const failures = failed === 0 ? "" : `; ${failed} of ${cell.rows} rows failed: ${printable(failure ?? "", 120)}`;
  return `${done}/${of}  ${cell.group === "reading" ? `${cell.name}, ` : ""}${cell.inFlight} in flight: ${count(Math.round(tokensPerSecond))} tokens/s${failures}`;
}

function headLines(head: {
  engine: string;
  version: string;
  simulated: boolean;
  model: string;
  profile: string;
  prompt_tokens: number;
  answer_tokens: number;
  kv_tokens: number | null;
  measured: number;
  planned: number;
}): string[] {
  const { measured, planned, kv_tokens } = head;
  return [
    `${head.engine}  version ${printable(head.version, 40)}, model ${printable(head.model, 80)}, profile ${head.profile}`,
    ...(head.simulated ? ["a simulated engine: these speeds are settings of the simulator"] : []),
    `rows of ${count(head.prompt_tokens)} prompt and ${count(head.answer_tokens)} answer tokens; the KV cache holds ${kv_tokens === null ? "an untold number of" : count(kv_tokens)} tokens`,
    ...(measured < planned ? [`stopped: ${measured} of ${planned} measurements`] : []),
    "",
  ];
}

function summaryLines({ reading, in_flight, best, advice }: BenchSummary): string[] {
  const some = (value: number | null, digits: number): string => (value === null ? "not told" : value.toFixed(digits));
  const figures = (line: BenchLine): string[] => [
    line.rows_per_second.toFixed(2),
    count(Math.round(line.tokens_per_second)),
    line.ratio_range === null || line.rounds === 1
      ? some(line.ratio, 2)
      : `${some(line.ratio, 2)} (${line.ratio_range.map((ratio) => ratio.toFixed(2)).join(" to ")})`,
  ];
  const failed = [...reading, ...in_flight].filter((line) => line.failed > 0);
  return [
    ...table([
      ["reading", "in flight", "rows/s", "tokens/s", "ratio", "second request cached"],
      ...reading.map((line) => [
        line.name,
        String(line.in_flight),
        ...figures(line),
        line.name === "two-step" ? some(line.cached_share, 2) : "",
      ]),
    ]),
    "",
    ...(in_flight.length === 0
      ? []
      : table([
          ["in flight", "rows/s", "tokens/s", "ratio", "preemptions per row", "second request cached"],
          ...in_flight.map((line) => [
            `${line.in_flight}${line.in_flight === best ? "  best" : ""}`,
            ...figures(line),
            some(line.preemptions_per_row, 2),
            some(line.cached_share, 2),
          ]),
        ])),
    ...failed.map((line) => `${line.failed} rows failed with ${line.name}: ${printable(line.failure ?? "", 200)}`),
    "",
    ...advice.map((line) => `- ${line}`),
  ];
}
