/** One pair of JudgeBench with one judgment, or two of which the second saw the responses the other way round. */
export interface JudgeBenchItem {
  /** mmlu-pro-law, livebench-math, ... */
  readonly source: string;
  /** the model that wrote both responses: each is a split of its own */
  readonly responseModel: string | null;
  readonly label: JudgeBenchLabel;
  /** As said by the judge: "A" is the response it was shown first. null: it said nothing that could be read. */
  readonly decisions: readonly (string | null)[];
  /** the decisions rest on scores, which are equal in every order */
  readonly equalScores: boolean;
}
export type JudgeBenchLabel = "A>B" | "B>A";

export const judgeBenchCategories = [
  { name: "Knowledge", prefix: "mmlu-pro" },
  { name: "Reasoning", prefix: "livebench-reasoning" },
  { name: "Math", prefix: "livebench-math" },
  { name: "Code", prefix: "livecodebench" },
] as const;

export interface JudgeBenchCategoryFigures {
  readonly name: string;
  readonly pairs: number;
  readonly right: number;
  /** percent of the pairs, as the benchmark prints it */
  readonly score: number;
  /** pairs with equal scores, or of which no decision names a better response, though all were read */
  readonly tied: number;
  /** pairs of which at least one decision is missing */
  readonly missing: number;
  /** pairs whose two decisions name different responses, and not because their scores are equal */
  readonly inconsistent: number;
}

export interface JudgeBenchFigures {
  /** those with pairs, in the order above */
  readonly categories: readonly JudgeBenchCategoryFigures[];
  /** over all pairs, weighted by their number; null without pairs */
  readonly overall: JudgeBenchCategoryFigures | null;
  /** pairs of no category: in overall only, as in the official script */
  readonly otherSources: number;
}

/**
 * JudgeBench (ScalerLab/JudgeBench, utils/metrics.py, compute_final_metrics with both orders). The second decision is
 * flipped; each decision counts +1 when it is the label, -1 when it is the other response, 0 for a tie, for anything
 * else and for none; a pair is right when the sum is above 0. So (right, tie) is right, (right, wrong) and (tie, tie)
 * are not. One decision alone is judged by the same rule, so that a tie is never right.
 */
export function evaluateJudgeBench(items: readonly JudgeBenchItem[]): JudgeBenchFigures {
  const categories = judgeBenchCategories.flatMap(({ name, prefix }) => {
    const own = items.filter(({ source }) => source.startsWith(prefix));
    return own.length === 0 ? [] : [categoryFigures(name, own)];
  });
  return {
    categories,
    overall: items.length === 0 ? null : categoryFigures("Overall", items),
    otherSources: items.length - categories.reduce((sum, { pairs }) => sum + pairs, 0),
  };
}

/** +1, -1 or 0 for each decision of a pair, summed; above 0 = right. */
function judgeBenchSum({ label, decisions }: Pick<JudgeBenchItem, "label" | "decisions">): number {
  return inLabelOrder(decisions).reduce(
    (sum, decision) => sum + (decision === label ? 1 : decision === flip(label) ? -1 : 0),
    0,
  );
}

/** The decision that two scores amount to. Equal scores are a tie, where the official judge of reward models says "B>A". */
export function decide(scoreA: number | null, scoreB: number | null): string | null {
  if (scoreA === null || scoreB === null) return null;
  return scoreA === scoreB ? "A=B" : scoreA > scoreB ? "A>B" : "B>A";
}

function categoryFigures(name: string, items: readonly JudgeBenchItem[]): JudgeBenchCategoryFigures {
  const count = (is: (item: JudgeBenchItem) => boolean): number => items.filter(is).length;
  const right = count((item) => judgeBenchSum(item) > 0);
  return {
    name,
    pairs: items.length,
    right,
    score: (100 * right) / items.length,
    tied: count(
      ({ decisions, equalScores }) =>
        equalScores || decisions.every((decision) => decision !== null && !isPreference(decision)),
    ),
    missing: count(({ decisions }) => decisions.includes(null)),
    inconsistent: count(({ decisions, equalScores }) => {
      const [first, second] = inLabelOrder(decisions);
      return !equalScores && second !== undefined && isPreference(first) && isPreference(second) && first !== second;
    }),
  };
}

function inLabelOrder(decisions: readonly (string | null)[]): (string | null)[] {
  return decisions.map((decision, order) => (order === 0 ? decision : flip(decision)));
}

function isPreference(decision: string | null | undefined): boolean {
  return decision === "A>B" || decision === "B>A";
}

function flip(decision: string | null): string | null {
  return decision === "A>B" ? "B>A" : decision === "B>A" ? "A>B" : decision;
}
