import { BadRecord, benchmarkColumns } from "@assay/core";
import type { Importer } from "../importer.ts";
import { textsField, without } from "../raw-fields.ts";

/** RewardBench 2: the chosen responses, then the rejected ones; one chosen and three rejected outside of Ties. */
export const rewardBench2: Importer = {
  name: "rewardbench-2",
  title: "RewardBench 2: chosen and rejected responses of each record, Ties included",
  signs: { all: ["id", "prompt", "chosen", "rejected", "num_correct", "total_completions", "subset"] },
  columns: benchmarkColumns.rewardBench2,
  labelled: true,
  map: {},
  toRecord(raw) {
    const chosen = textsField(raw, "chosen", "missing_response");
    const rejected = textsField(raw, "rejected", "missing_response");
    if (chosen.length === 0) throw new BadRecord("missing_response", "chosen");
    if (rejected.length === 0) throw new BadRecord("missing_response", "rejected");
    return {
      record: { ...without(raw, ["chosen", "rejected"]), responses: [...chosen, ...rejected] },
      perResponse: [...chosen.map(() => ({ chosen: true })), ...rejected.map(() => ({ chosen: false }))],
    };
  },
};
