import {
  type CardTable,
  type JudgeBenchCategoryFigures,
  type JudgeBenchFigures,
  judgeBenchCategories,
  type LabelComparison,
  type LabelFigures,
  type LabelReport,
  type RewardBench2Figures,
  type RmBenchFigures,
  rewardBench2Subsets,
  rmBenchDomains,
} from "@assay/evaluation";
import { printable } from "./histogram.ts";
import { count } from "./say.ts";

/** A table for people; the first row of `cells` is its head. */
export interface ReportTable {
  readonly title: string;
  readonly cells: readonly (readonly string[])[];
}

/** Name and figures of what is compared: ours first. */
export interface Named<Figures> {
  readonly name: string;
  readonly figures: Figures;
}

const none = "-";

/** Shares from 0 to 1 as RM-Bench's own script prints them, and how they are made up. */
export function rmBenchTables(all: readonly Named<RmBenchFigures>[], card: CardTable | null): ReportTable[] {
  const line = ({ name, figures }: Named<RmBenchFigures>): string[] => [
    name,
    ...rmBenchDomains.map((domain) => share(figures.domains.find((each) => each.domain === domain)?.score)),
    ...[figures.easy, figures.normal, figures.hard, figures.overall].map(share),
  ];
  const cardLines = card?.rows.map(({ model, figures }) => [
    `card: ${model}`,
    ...figures.map((percent) => (percent / 100).toFixed(3)),
  ]);
  const columns = ["Chat", "Math", "Code", "Safety", "Easy", "Normal", "Hard", "Overall"];
  return [
    {
      title: "RM-Bench, share of comparisons won, 0 to 1",
      cells: [["model", ...columns], ...all.map(line), ...(cardLines ?? [])],
    },
    ...all.map(({ name, figures }) => ({
      title: `${name}: 9 comparisons a record; a tie is wrong, and so is one without a reward`,
      cells: [
        ["domain", "records", "easy", "normal", "hard", "score", "ties", "without reward"],
        ...figures.domains.map(({ domain, records, easy, normal, hard, score, tied, missing }) => [
          printable(domain, 40),
          count(records),
          ...[easy, normal, hard, score].map(share),
          count(tied),
          count(missing),
        ]),
      ],
    })),
  ];
}

/** Percent, as JudgeBench's own script prints it. */
export function judgeBenchTables(all: readonly Named<JudgeBenchFigures>[], card: CardTable | null): ReportTable[] {
  const names = [...judgeBenchCategories.map(({ name }) => name), "Overall"];
  const byName = ({ categories, overall }: JudgeBenchFigures): JudgeBenchCategoryFigures[] =>
    overall === null ? [] : [...categories, overall];
  const cardLines = card?.rows.map(({ model, figures }) => [
    `card: ${model}`,
    ...figures.map((percent) => percent.toFixed(1)),
  ]);
  return [
    {
      title: "JudgeBench, percent of pairs judged right",
      cells: [
        ["model", ...names],
        ...all.map(({ name, figures }) => [
          name,
          ...names.map(
            (each) =>
              byName(figures)
                .find((category) => category.name === each)
                ?.score.toFixed(4) ?? none,
          ),
        ]),
        ...(cardLines ?? []),
      ],
    },
    ...all.map(({ name, figures }) => ({
      title: `${name}: a pair is right when its decisions are for the label on balance; a tie is not, nor one without a reward`,
      cells: [
        ["category", "pairs", "right", "percent", "ties", "without reward", "orders disagree"],
        ...byName(figures).map((each) => [
          each.name,
          count(each.pairs),
          count(each.right),
          each.score.toFixed(4),
          ...[each.tied, each.missing, each.inconsistent].map(count),
        ]),
      ],
    })),
  ];
}

/** Shares from 0 to 1; Ties by its own formula. */
export function rewardBench2Tables(all: readonly Named<RewardBench2Figures>[]): ReportTable[] {
  const scoreOf = ({ subsets }: RewardBench2Figures, name: string): string =>
    share(subsets.find(({ subset }) => subset === name)?.score);
  return [
    {
      title: "RewardBench 2, share of prompts, 0 to 1",
      cells: [
        ["model", ...rewardBench2Subsets, "Overall"],
        ...all.map(({ name, figures }) => [
          name,
          ...rewardBench2Subsets.map((subset) => scoreOf(figures, subset)),
          share(figures.overall),
        ]),
      ],
    },
    ...all.map(({ name, figures }) => ({
      title: `${name}: best of all completions, a shared top is shared credit; a prompt without one of its rewards is wrong`,
      cells: [
        ["subset", "prompts", "score", "ties", "without reward"],
        ...figures.subsets.map(({ subset, prompts, score, tied, missing }) => [
          printable(subset, 40),
          count(prompts),
          share(score),
          subset === "Ties" ? none : count(tied),
          count(missing),
        ]),
      ],
    })),
  ];
}

/** Principles of a data set are thousands: as many of the largest as one looks at; the rest is in --json. */
const mostPrinciples = 20;

export function labelTables({ overall, domains, principles }: LabelReport, name: string): ReportTable[] {
  const head = (first: string): string[] => [
    first,
    ...["rows", "yes", "accuracy", "balanced", "AUC", "95 % interval", "Brier", "ECE"],
    ...["mean Yes", "mean No", "ties at 0", "without reward"],
  ];
  const tables = [
    { title: `${name}: right is a reward on the label's side of 0`, cells: [head(""), labelCells("all", overall)] },
  ];
  const add = (title: string, first: string, groups: LabelReport["domains"]): void => {
    if (groups.length > 0)
      tables.push({ title, cells: [head(first), ...groups.map((each) => labelCells(each.name, each.figures))] });
  };
  add("by domain", "domain", domains);
  const rest = principles.length - mostPrinciples;
  add(
    `by principle${rest > 0 ? `: the ${mostPrinciples} with most rows; ${count(rest)} more with --json` : ""}`,
    "principle",
    principles.slice(0, mostPrinciples),
  );
  return tables;
}

function labelCells(name: string, figures: LabelFigures): string[] {
  const { rows, yes, auc, calibration } = figures;
  return [
    printable(name, 40),
    count(rows),
    rows === 0 ? none : (yes / rows).toFixed(3),
    ...[figures.accuracy, figures.balancedAccuracy, auc?.auc].map(share4),
    auc === null || auc.interval === null ? none : auc.interval.map((end) => end.toFixed(4)).join(" to "),
    ...[calibration?.brier, calibration?.ece].map(share4),
    ...[figures.meanRewardYes, figures.meanRewardNo].map((mean) => (mean === null ? none : mean.toFixed(2))),
    count(figures.tied),
    count(figures.missing),
  ];
}

/** Two models on the rows that both were asked: side by side, then what their difference is worth. */
export function comparisonTables(comparison: LabelComparison, first: string, second: string): ReportTable[] {
  const { mcNemar, auc } = comparison;
  const left = comparison.onlyInFirst + comparison.onlyInSecond + comparison.otherLabel;
  const interval = auc === null ? none : `${signed(auc.interval[0])} to ${signed(auc.interval[1])}`;
  return [
    {
      title: `paired: ${count(comparison.paired)} rows that both were asked${left === 0 ? "" : `; ${count(left)} left out, being in one only or labelled otherwise`}`,
      cells: [
        ["model", "accuracy", "balanced", "AUC", "right alone", "without reward"],
        ...(
          [
            [first, comparison.first, mcNemar.onlyFirst],
            [second, comparison.second, mcNemar.onlySecond],
          ] as const
        ).map(([name, figures, alone]) => [
          name,
          ...[figures.accuracy, figures.balancedAccuracy, figures.auc?.auc].map(share4),
          count(alone),
          count(figures.missing),
        ]),
      ],
    },
    {
      title: `${first} minus ${second}`,
      cells: [
        ["test", "difference", "95 % interval or p"],
        [
          "accuracy, exact McNemar",
          signed(comparison.first.accuracy - comparison.second.accuracy),
          `p ${mcNemar.p < 0.0001 ? mcNemar.p.toExponential(1) : mcNemar.p.toFixed(4)}`,
        ],
        [
          `AUC, paired bootstrap${auc === null ? "" : ` of ${count(auc.resamples)}`}`,
          auc === null ? none : signed(auc.difference),
          interval,
        ],
      ],
    },
  ];
}

function share(value: number | null | undefined): string {
  return value === null || value === undefined ? none : value.toFixed(6);
}

function share4(value: number | null | undefined): string {
  return value === null || value === undefined ? none : value.toFixed(4);
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${value.toFixed(4)}`;
}
