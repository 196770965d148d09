export { type CardTable, cardTables } from "./card-rows.ts";
export { exportedRows } from "./exported-rows.ts";
export { judgeBenchItems, labelItems, rewardBench2Items, rmBenchItems } from "./items-of-rows.ts";
export {
  judgeBenchOfScores,
  labelsOfScores,
  rewardBench2OfScores,
  rmBenchOfScores,
  type ScoreRecord,
} from "./items-of-scores.ts";
export {
  decide,
  evaluateJudgeBench,
  type JudgeBenchCategoryFigures,
  type JudgeBenchFigures,
  judgeBenchCategories,
} from "./judge-bench.ts";
export { compareLabels, evaluateLabels, type LabelComparison, type LabelFigures, type LabelReport } from "./labels.ts";
export { type McNemar, mcNemar } from "./mcnemar.ts";
export { evaluateRewardBench2, type RewardBench2Figures, rewardBench2Subsets } from "./reward-bench-2.ts";
export { evaluateRmBench, type RmBenchFigures, rmBenchDomains } from "./rm-bench.ts";
export type { ScoredRow } from "./scored-record.ts";
