import type { UserColumn } from "./result-row.ts";

/**
 * The columns that importers make of the labels of public data sets, and that evaluations read: `in_<name>` of every
 * shard. Names and types are part of a batch's identity and never change. What stands "per response" differs between
 * the rows of one record; the rest is the same in all of them. Null where the data says nothing.
 */
export const benchmarkColumns = {
  /** RM-Bench: three chosen and three rejected responses a record, `style` 0 concise, 1 detailed, 2 with markdown */
  rmBench: [
    { name: "domain", type: "string" },
    { name: "subset", type: "string" },
    /** per response */
    { name: "chosen", type: "boolean" },
    /** per response: its place in the list of the chosen or the rejected */
    { name: "style", type: "int64" },
  ],
  /** JudgeBench: two responses a record; `label` is "A>B" or "B>A", for the pair */
  judgeBench: [
    { name: "source", type: "string" },
    { name: "response_model", type: "string" },
    { name: "original_id", type: "string" },
    { name: "label", type: "string" },
    /** per response: "A" or "B" */
    { name: "side", type: "string" },
  ],
  /** RewardBench 2: `num_correct` chosen responses, then the rejected ones */
  rewardBench2: [
    { name: "subset", type: "string" },
    { name: "num_correct", type: "int64" },
    { name: "total_completions", type: "int64" },
    /** per response */
    { name: "chosen", type: "boolean" },
  ],
  /** HelpSteer3 `principle`: one response and one principle a record; `fulfilment` is "Yes" or "No" */
  helpSteer3Principle: [
    { name: "domain", type: "string" },
    { name: "language", type: "string" },
    { name: "fulfilment", type: "string" },
  ],
  /** HelpSteer3 `preference`: two responses; `overall_preference` from -3 (the first is much better) to 3 */
  helpSteer3Preference: [
    { name: "domain", type: "string" },
    { name: "language", type: "string" },
    { name: "overall_preference", type: "int64" },
    /** JSON list of the annotators' own scores */
    { name: "individual_scores", type: "string" },
  ],
} as const satisfies { readonly [benchmark: string]: readonly UserColumn[] };
