import { type Auc, aucOf } from "./auc.ts";
import { type AucDifference, bootstrapAucDifference } from "./bootstrap-auc.ts";
import { type Calibration, calibrationOf } from "./calibration.ts";
import { type McNemar, mcNemar } from "./mcnemar.ts";

/** One row that a person has answered, too. */
export interface LabelItem {
  /** the same for the same question, whichever model was asked: pairs the rows of two models */
  readonly key: string;
  readonly domain: string | null;
  readonly principle: string | null;
  /** true = Yes */
  readonly label: boolean;
  /** null = no reward: never right, and in none of AUC, Brier and ECE */
  readonly reward: number | null;
}

export interface LabelFigures {
  readonly rows: number;
  readonly missing: number;
  /** rewards of exactly 0: neither Yes nor No, so never right */
  readonly tied: number;
  /** rows with the label Yes */
  readonly yes: number;
  /** right / all rows; always answering Yes scores the share of Yes */
  readonly accuracy: number;
  /** mean of the shares of right among Yes and among No; null without both */
  readonly balancedAccuracy: number | null;
  readonly auc: Auc | null;
  readonly calibration: Calibration | null;
  readonly meanRewardYes: number | null;
  readonly meanRewardNo: number | null;
}

export interface LabelGroup {
  readonly name: string;
  readonly figures: LabelFigures;
}

export interface LabelReport {
  readonly overall: LabelFigures;
  /** by number of rows, then by name */
  readonly domains: readonly LabelGroup[];
  readonly principles: readonly LabelGroup[];
}

/** Labelled Yes/No rows over all, per domain and per principle. Figures do not depend on the order of the items. */
export function evaluateLabels(items: readonly LabelItem[]): LabelReport {
  return {
    overall: labelFigures(items),
    domains: groups(items, ({ domain }) => domain),
    principles: groups(items, ({ principle }) => principle),
  };
}

/**
 * Right is a reward strictly on the label's side of 0, as NVIDIA's training metric counts (share of rewards toward the
 * ground truth above 0: NVIDIA-NeMo/RL, principle_genrm_environment.py).
 */
function labelFigures(items: readonly LabelItem[]): LabelFigures {
  const judged = items.flatMap(({ reward, label }) => (reward === null ? [] : [{ reward, label }]));
  const yes = items.filter(({ label }) => label);
  const no = items.filter(({ label }) => !label);
  const rewardsYes = judged.filter(({ label }) => label).map(({ reward }) => reward);
  const rewardsNo = judged.filter(({ label }) => !label).map(({ reward }) => reward);
  const [rightYes, rightNo] = [yes.filter(isRight).length, no.filter(isRight).length];
  return {
    rows: items.length,
    missing: items.length - judged.length,
    tied: judged.filter(({ reward }) => reward === 0).length,
    yes: yes.length,
    accuracy: items.length === 0 ? 0 : (rightYes + rightNo) / items.length,
    balancedAccuracy: yes.length === 0 || no.length === 0 ? null : (rightYes / yes.length + rightNo / no.length) / 2,
    auc: aucOf(rewardsYes, rewardsNo),
    calibration: calibrationOf(judged),
    meanRewardYes: mean(rewardsYes),
    meanRewardNo: mean(rewardsNo),
  };
}

function isRight({ reward, label }: LabelItem): boolean {
  return reward !== null && (label ? reward > 0 : reward < 0);
}

function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return [...values].sort((a, b) => a - b).reduce((sum, value) => sum + value, 0) / values.length;
}

function groups(items: readonly LabelItem[], nameOf: (item: LabelItem) => string | null): LabelGroup[] {
  const byName = new Map<string, LabelItem[]>();
  for (const item of items) {
    const name = nameOf(item);
    if (name === null) continue;
    const own = byName.get(name);
    if (own === undefined) byName.set(name, [item]);
    else own.push(item);
  }
  return [...byName]
    .map(([name, own]) => ({ name, figures: labelFigures(own) }))
    .sort((a, b) => b.figures.rows - a.figures.rows || (a.name < b.name ? -1 : 1));
}

/** Two models on the rows that both were asked. */
export interface LabelComparison {
  readonly paired: number;
  readonly onlyInFirst: number;
  readonly onlyInSecond: number;
  /** rows whose label differs between the two: in no figure */
  readonly otherLabel: number;
  readonly first: LabelFigures;
  readonly second: LabelFigures;
  /** on being right; a row without a reward is not */
  readonly mcNemar: McNemar;
  /** over the rows for which both have a reward */
  readonly auc: AucDifference | null;
}

/** Pairs rows by their key; where a key stands twice in one list, its first row counts. */
export function compareLabels(
  first: readonly LabelItem[],
  second: readonly LabelItem[],
  options: { seed: number; resamples?: number },
): LabelComparison {
  const [ours, theirs] = [firstByKey(first), firstByKey(second)];
  const both = [...ours].flatMap(([key, mine]) => {
    const other = theirs.get(key);
    return other === undefined ? [] : [{ key, mine, other }];
  });
  // by key: the resamples must not depend on the order of the rows
  const paired = both
    .filter(({ mine, other }) => mine.label === other.label)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const differing = (right: LabelItem, wrong: LabelItem): boolean => isRight(right) && !isRight(wrong);
  return {
    paired: paired.length,
    onlyInFirst: ours.size - both.length,
    onlyInSecond: theirs.size - both.length,
    otherLabel: both.length - paired.length,
    first: labelFigures(paired.map(({ mine }) => mine)),
    second: labelFigures(paired.map(({ other }) => other)),
    mcNemar: mcNemar(
      paired.filter(({ mine, other }) => differing(mine, other)).length,
      paired.filter(({ mine, other }) => differing(other, mine)).length,
    ),
    auc: bootstrapAucDifference(
      paired.flatMap(({ mine, other }) =>
        mine.reward === null || other.reward === null
          ? []
          : [{ label: mine.label, first: mine.reward, second: other.reward }],
      ),
      options,
    ),
  };
}

function firstByKey(items: readonly LabelItem[]): Map<string, LabelItem> {
  const byKey = new Map<string, LabelItem>();
  for (const item of items) if (!byKey.has(item.key)) byKey.set(item.key, item);
  return byKey;
}
