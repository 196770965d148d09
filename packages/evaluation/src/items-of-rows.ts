import { AssayError, benchmarkColumns } from "@assay/core";
import { decide, type JudgeBenchItem } from "./judge-bench.ts";
import type { LabelItem } from "./labels.ts";
import type { RewardBench2Item } from "./reward-bench-2.ts";
import type { RmBenchItem } from "./rm-bench.ts";
import { recordsOf, type ScoredRow } from "./scored-record.ts";

/** Items of a benchmark, and the rows of which nobody can say where they belong: bad records, foreign labels. */
export interface Placed<Item> {
  readonly items: Item[];
  readonly unplaced: number;
}

/** Result rows as RM-Bench records. A response whose row is missing counts as one without a score. */
export function rmBenchItems(rows: readonly ScoredRow[]): Placed<RmBenchItem> {
  checkColumns(rows, benchmarkColumns.rmBench, ["domain", "chosen", "style"]);
  const { records, unplaced } = recordsOf(rows);
  let foreign = 0;
  const items = records.map(({ responses }): RmBenchItem => {
    const sides: { chosen: (number | null)[]; rejected: (number | null)[] } = {
      chosen: [null, null, null],
      rejected: [null, null, null],
    };
    for (const { columns, score, principles } of responses) {
      const style = [0, 1, 2].find((known) => known === columns.in_style);
      if (style === undefined) foreign += principles;
      else sides[columns.in_chosen === true ? "chosen" : "rejected"][style] = score;
    }
    return { domain: textOf(responses[0]?.columns.in_domain), ...sides };
  });
  return { items, unplaced: unplaced + foreign };
}

/** Result rows as JudgeBench pairs of one decision, since a pointwise judge has no order. */
export function judgeBenchItems(rows: readonly ScoredRow[]): Placed<JudgeBenchItem> {
  checkColumns(rows, benchmarkColumns.judgeBench, ["source", "label", "side"]);
  const { records, unplaced } = recordsOf(rows);
  let foreign = 0;
  const items = records.flatMap(({ responses }): JudgeBenchItem[] => {
    const { in_label: label, in_source: source, in_response_model: responseModel } = responses[0]?.columns ?? {};
    if ((label !== "A>B" && label !== "B>A") || typeof source !== "string") {
      foreign += responses.reduce((sum, { principles }) => sum + principles, 0);
      return [];
    }
    const scoreOf = (side: string): number | null =>
      responses.find(({ columns }) => columns.in_side === side)?.score ?? null;
    const decision = decide(scoreOf("A"), scoreOf("B"));
    const equalScores = decision === "A=B";
    return [{ source, responseModel: textOf(responseModel), label, decisions: [decision], equalScores }];
  });
  return { items, unplaced: unplaced + foreign };
}

/** The benchmark has 26 at most: more is a label that is none. */
const mostCompletions = 10_000;

/** Result rows as RewardBench 2 prompts. A completion whose row is missing counts as one without a score. */
export function rewardBench2Items(rows: readonly ScoredRow[]): Placed<RewardBench2Item> {
  checkColumns(rows, benchmarkColumns.rewardBench2, ["subset", "num_correct"]);
  const { records, unplaced } = recordsOf(rows);
  let foreign = 0;
  const items = records.flatMap(({ id, responses }): RewardBench2Item[] => {
    const { in_subset: subset, in_num_correct: numCorrect, in_total_completions: total } = responses[0]?.columns ?? {};
    const last = responses.at(-1)?.index ?? 0;
    const count = typeof total === "number" ? Math.max(total, last + 1) : last + 1;
    const isCount = Number.isInteger(count) && count <= mostCompletions && Number.isInteger(numCorrect);
    if (
      typeof subset !== "string" ||
      typeof numCorrect !== "number" ||
      !isCount ||
      numCorrect < 1 ||
      numCorrect >= count
    ) {
      foreign += responses.reduce((sum, { principles }) => sum + principles, 0);
      return [];
    }
    const scores: (number | null)[] = Array.from({ length: count }, () => null);
    for (const { index, score } of responses) scores[index] = score;
    return [{ id, subset, numCorrect, scores }];
  });
  return { items, unplaced: unplaced + foreign };
}

/** Columns that may hold the label, the first one that the batch has. */
const labelColumns = ["fulfilment", "label"] as const;

/** Result rows with a Yes/No label in `in_<column>`; text in any case, or true and false. */
export function labelItems(rows: readonly ScoredRow[], column?: string): Placed<LabelItem> {
  const present = columnsOf(rows);
  const named = column ?? labelColumns.find((name) => present.has(`in_${name}`)) ?? labelColumns[0];
  checkColumns(rows, [{ name: named, type: "string" }], [named]);
  let unplaced = 0;
  const seen = new Map<string, number>();
  const items = rows.flatMap((row): LabelItem[] => {
    const label = yesOrNo(row.columns[`in_${named}`]);
    if (label === null || row.response_index === null) {
      unplaced += 1;
      return [];
    }
    // several records may stand on one line of a JSON array: then they pair in their order
    const place = JSON.stringify([row.input, row.input_line, row.id, row.response_index, row.principle]);
    const nth = seen.get(place) ?? 0;
    seen.set(place, nth + 1);
    return [
      {
        key: nth === 0 ? place : `${place} ${nth}`,
        domain: textOf(row.columns.in_domain),
        principle: row.principle,
        label,
        reward: row.reward,
      },
    ];
  });
  if (items.length === 0 && rows.length > 0) {
    throw new AssayError("E_USAGE", `in_${named} holds no labels`, {
      expected: "Yes or No (or true and false) in each row",
      next: "--label COLUMN names another column",
    });
  }
  return { items, unplaced };
}

export function yesOrNo(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  const text = typeof value === "string" ? value.trim().toLowerCase() : value;
  if (text === "yes" || text === "true" || text === 1) return true;
  return text === "no" || text === "false" || text === 0 ? false : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function columnsOf(rows: readonly ScoredRow[]): Set<string> {
  return new Set(rows.flatMap(({ columns }, i) => (i === 0 ? Object.keys(columns) : [])));
}

/** Without its columns a batch is another data set's. E_USAGE with the names that are needed and those that are there. */
function checkColumns(
  rows: readonly ScoredRow[],
  known: readonly { readonly name: string; readonly type: string }[],
  needed: readonly string[],
): void {
  const present = columnsOf(rows);
  if (rows.length === 0 || needed.every((name) => present.has(`in_${name}`))) return;
  const types = known.filter(({ name }) => needed.includes(name)).map(({ name, type }) => `in_${name} (${type})`);
  throw new AssayError("E_USAGE", "these rows do not carry the benchmark's labels", {
    expected: `the columns ${types.join(", ")}`,
    got: present.size === 0 ? "no in_ columns" : [...present].join(", "),
    next: "plan the benchmark's own file, whose labels become these columns, or bring them with --carry name:type",
  });
}
