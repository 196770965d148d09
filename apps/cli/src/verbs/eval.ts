import { existsSync } from "node:fs";
import { AssayError } from "@assay/core";
import {
  cardTables,
  compareLabels,
  evaluateJudgeBench,
  evaluateLabels,
  evaluateRewardBench2,
  evaluateRmBench,
  judgeBenchItems,
  judgeBenchOfScores,
  labelItems,
  labelsOfScores,
  rewardBench2Items,
  rewardBench2OfScores,
  rmBenchDomains,
  rmBenchItems,
  rmBenchOfScores,
  type ScoredRow,
} from "@assay/evaluation";
import {
  comparisonTables,
  judgeBenchTables,
  labelTables,
  type ReportTable,
  rewardBench2Tables,
  rmBenchTables,
} from "../evaluation-report.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { printable } from "../histogram.ts";
import { openStore } from "../open-store.ts";
import { readBatches, type Scored } from "../read-scored.ts";
import { readScores } from "../read-scores.ts";
import { count, counted, note, result, resultJson } from "../say.ts";
import { statusText } from "../show-summary.ts";
import { table } from "../table.ts";

type EvalFlags = RootFlags &
  JsonFlag & {
    readonly scores?: string;
    readonly against?: string;
    readonly label?: string;
    readonly markdown?: boolean;
    readonly seed: number;
  };

const benchmarks = ["rm-bench", "judgebench", "rewardbench2", "labels"] as const;

interface Report {
  readonly tables: readonly ReportTable[];
  readonly json: object;
  /** rows that belong to no item, such as bad records */
  readonly unplaced: number;
}

/**
 * The figures of a benchmark, from batches or from a score file, on stdout. Figures of a batch that is not complete are
 * printed, and then it is said on stderr (exit 75): what is missing was not judged wrong, it was not judged.
 */
export async function evaluate(name: string, batches: readonly string[], flags: EvalFlags): Promise<void> {
  const benchmark = benchmarks.find((known) => known === name);
  if (benchmark === undefined)
    throw new AssayError("E_USAGE", "no such benchmark", { expected: benchmarks.join(", "), got: name });
  if (batches.length === 0 ? flags.scores === undefined : flags.scores !== undefined)
    throw new AssayError("E_USAGE", "either batches or a score file are evaluated", {
      expected: "BATCH... or --scores FILE",
      got: batches.length === 0 ? "neither" : "both",
    });
  const card = flags.against === "card";
  if (card && benchmark !== "rm-bench" && benchmark !== "judgebench")
    throw new AssayError("E_USAGE", "the model card has no row for this benchmark", {
      expected: "--against card with rm-bench or judgebench",
      got: benchmark,
    });
  const ours =
    flags.scores === undefined
      ? await readBatches(await openStore(flags.root), batches)
      : await readScores(flags.scores);
  const other = flags.against === undefined || card ? null : await readOther(flags.against, flags);
  const both = other === null ? [ours] : [ours, other];
  const report = reportOf(benchmark, both, card, flags);
  if (flags.json === true)
    resultJson({ benchmark, of: both.map(sourceJson), ...report.json, unplaced_rows: report.unplaced });
  else show(report, both, flags.markdown === true);
  refuseUnfinished(both);
}

/** A file that is there is a score file, anything else a batch. */
async function readOther(text: string, flags: EvalFlags): Promise<Scored> {
  return /\.(jsonl?|csv|parquet)(\.(gz|zst))?$/i.test(text) && existsSync(text)
    ? readScores(text)
    : readBatches(await openStore(flags.root), [text]);
}

function reportOf(
  benchmark: (typeof benchmarks)[number],
  all: readonly Scored[],
  card: boolean,
  flags: EvalFlags,
): Report {
  const names = namesOf(all);
  const named = <Figures>(figures: readonly Figures[]) =>
    figures.map((each, i) => ({ name: names[i] ?? "", figures: each }));
  if (benchmark === "rm-bench") {
    const placed = all.map((each) =>
      each.rows === null
        ? plain(rmBenchOfScores(each.records ?? [], domainOfFile(each.file)))
        : rmBenchItems(each.rows),
    );
    const figures = placed.map(({ items }) => evaluateRmBench(items));
    const tables = rmBenchTables(named(figures), card ? cardTables["rm-bench"] : null);
    return { tables, json: { figures, ...cardJson(card, "rm-bench") }, unplaced: unplacedOf(placed) };
  }
  if (benchmark === "judgebench") {
    const placed = all.map((each) =>
      each.rows === null ? plain(judgeBenchOfScores(each.records ?? [])) : judgeBenchItems(each.rows),
    );
    noteSplits(placed.flatMap(({ items }) => items));
    const figures = placed.map(({ items }) => evaluateJudgeBench(items));
    const tables = judgeBenchTables(named(figures), card ? cardTables.judgebench : null);
    return { tables, json: { figures, ...cardJson(card, "judgebench") }, unplaced: unplacedOf(placed) };
  }
  if (benchmark === "rewardbench2") {
    const placed = all.map((each) =>
      each.rows === null ? plain(rewardBench2OfScores(each.records ?? [])) : rewardBench2Items(each.rows),
    );
    const figures = placed.map(({ items }) => evaluateRewardBench2(items));
    return { tables: rewardBench2Tables(named(figures)), json: { figures }, unplaced: unplacedOf(placed) };
  }
  return labelReport(all, names, flags);
}

function labelReport(all: readonly Scored[], names: readonly string[], flags: EvalFlags): Report {
  const placed = all.map((each) =>
    each.rows === null ? plain(labelsOfScores(each.records ?? [], flags.label)) : labelItems(each.rows, flags.label),
  );
  const figures = placed.map(({ items }) => evaluateLabels(items));
  const [ours, theirs] = placed;
  const tables = figures.flatMap((each, i) => labelTables(each, names[i] ?? ""));
  const unplaced = unplacedOf(placed);
  if (ours === undefined || theirs === undefined) return { tables, json: { figures }, unplaced };
  const comparison = compareLabels(ours.items, theirs.items, { seed: flags.seed });
  if (comparison.paired === 0) {
    throw new AssayError("E_USAGE", "the two have no row in common", {
      expected: "the same inputs and principles: rows pair by input, line, response and principle",
      got: `${count(comparison.onlyInFirst)} and ${count(comparison.onlyInSecond)} rows`,
    });
  }
  return {
    tables: [...tables, ...comparisonTables(comparison, names[0] ?? "", names[1] ?? "")],
    json: { figures, comparison },
    unplaced,
  };
}

/** The model; the batch or file, too, where that alone does not tell two apart. */
function namesOf(all: readonly Scored[]): string[] {
  const alike = new Set(all.map(({ name }) => name)).size < all.length;
  return all.map(({ name, batches, simulated }) => {
    const full = alike && batches.length > 0 ? `${name} (${batches.join(", ")})` : name;
    return simulated === true ? `${full}, simulated` : full;
  });
}

function plain<Item>(items: Item[]): { items: Item[]; unplaced: number } {
  return { items, unplaced: 0 };
}

function unplacedOf(placed: readonly { readonly unplaced: number }[]): number {
  return placed.reduce((sum, { unplaced }) => sum + unplaced, 0);
}

/** `chat_filtered.json` holds the domain chat, and so do results named after it. */
function domainOfFile(file: string | null): string | null {
  return rmBenchDomains.find((domain) => file?.toLowerCase().startsWith(domain)) ?? null;
}

/** The leaderboard's 350 pairs are those of gpt-4o; over two splits a figure is comparable with nothing. */
function noteSplits(items: readonly { readonly responseModel: string | null }[]): void {
  const splits = new Set(items.flatMap(({ responseModel }) => responseModel ?? []));
  if (splits.size > 1)
    note(`pairs of ${splits.size} splits (${[...splits].sort().join(", ")}) are read as one; leaderboards use one`);
}

function cardJson(card: boolean, benchmark: "rm-bench" | "judgebench"): object {
  return card ? { card: cardTables[benchmark] } : {};
}

function sourceJson({ name, batches, simulated, unfinished, missing, file }: Scored) {
  return { name, batches, scores: file, simulated, unfinished, without_reward: Object.fromEntries(missing) };
}

function show({ tables, unplaced }: Report, all: readonly Scored[], markdown: boolean): void {
  for (const [i, { title, cells }] of tables.entries()) {
    if (i > 0) result("");
    result(markdown ? `**${escaped(title)}**\n` : title);
    for (const line of markdown ? markdownLines(cells) : table(cells)) result(markdown ? line : `  ${line}`);
  }
  result("");
  for (const { name, batches, simulated, rows, missing } of all) {
    const of = batches.length === 0 ? name : `${name}: ${batches.join(", ")}`;
    const lacking = [...missing.values()].reduce((sum, n) => sum + n, 0);
    const without = missing.size === 0 ? "" : ` (${statusText(Object.fromEntries(missing))})`;
    const told = rows === null ? "" : `; ${counted(rows.length, "row")}, ${count(lacking)} without a reward${without}`;
    result(
      `${of}${told}${rows === null ? "" : principlesText(rows)}${simulated === true ? "; simulated: these are no judgements" : ""}`,
    );
  }
  if (unplaced > 0) result(`${counted(unplaced, "row")} in no figure: bad records, or labels that are none`);
}

/** What was asked; a response that was asked under several principles counts with the mean of its rewards. */
function principlesText(rows: readonly ScoredRow[]): string {
  const principles = [...new Set(rows.flatMap(({ principle }) => principle ?? []))];
  const named = principles.slice(0, mostNamed).map((principle) => `"${printable(principle, 60)}"`);
  const more = principles.length > mostNamed ? ` and ${count(principles.length - mostNamed)} more` : "";
  return principles.length === 0
    ? ""
    : `; ${principles.length === 1 ? "principle" : "principles"} ${named.join(", ")}${more}`;
}

/** So many principles are named; a data set may have thousands. */
const mostNamed = 5;

function markdownLines(cells: readonly (readonly string[])[]): string[] {
  const [head = [], ...rest] = cells;
  const line = (row: readonly string[]): string => `| ${row.map(escaped).join(" | ")} |`;
  return [line(head), `|${head.map((_, i) => (i === 0 ? "---" : "---:")).join("|")}|`, ...rest.map(line)];
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function refuseUnfinished(all: readonly Scored[]): void {
  const unfinished = all.flatMap((each) => each.unfinished);
  if (unfinished.length === 0) return;
  throw new AssayError("E_NOT_FINISHED", "THE FIGURES ABOVE ARE OF AN UNFINISHED BATCH; they will change", {
    where: unfinished.join(", "),
    next: "the same command again, once the batch is complete",
  });
}
