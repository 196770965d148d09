export { type Auc, aucOf } from "./auc.ts";
export { type AucDifference, bootstrapAucDifference, type PairedRow } from "./bootstrap-auc.ts";
export { type Calibration, calibrationOf, sigmoid } from "./calibration.ts";
export { type CardTable, cardTables } from "./card-rows.ts";
export { exportedRows } from "./exported-rows.ts";
export { judgeBenchItems, labelItems, type Placed, rewardBench2Items, rmBenchItems } from "./items-of-rows.ts";
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
  type JudgeBenchItem,
  judgeBenchCategories,
} from "./judge-bench.ts";
export {
  compareLabels,
  evaluateLabels,
  type LabelComparison,
  type LabelFigures,
  type LabelGroup,
  type LabelItem,
  type LabelReport,
} from "./labels.ts";
export { type McNemar, mcNemar } from "./mcnemar.ts";
export {
  evaluateRewardBench2,
  type RewardBench2Figures,
  type RewardBench2Item,
  type RewardBench2SubsetFigures,
  rewardBench2Subsets,
} from "./reward-bench-2.ts";
export {
  evaluateRmBench,
  type RmBenchDomainFigures,
  type RmBenchFigures,
  type RmBenchItem,
  rmBenchDomains,
} from "./rm-bench.ts";
export type { ScoredRow } from "./scored-record.ts";
