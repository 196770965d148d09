import { fileURLToPath } from "node:url";
import { decodeShard } from "@assay/datasets";
import { readShards } from "@assay/scoring";
import { commandLine } from "../command-line.ts";
import { nearPath } from "../current-folder.ts";
import type { JsonFlag } from "../flags.ts";
import { histograms, renderHistograms } from "../histogram.ts";
import { refuseFailedRows } from "../refuse-failed-rows.ts";
import { result, resultJson, terminalWidth } from "../say.ts";
import { scoreInputs } from "../score-inputs.ts";
import { type CompleteBatch, shardsPattern, showSummary, summaryJson } from "../show-summary.ts";

/** From src/verbs and from dist/verbs alike. */
const examples = fileURLToPath(new URL("../../../../examples/", import.meta.url));

const maxFailed = 0.05;

/** `score` with fixed arguments: the examples, a simulated engine, a local directory; and an ending for newcomers. */
export async function demo(flags: JsonFlag & { readonly root: string }): Promise<void> {
  const complete = await scoreInputs([`${examples}*.jsonl`], {
    root: flags.root,
    engine: ["sim"],
    json: flags.json === true,
    principle: [],
    reuse: [],
    set: [],
    map: [],
    carry: [],
    name: "demo",
    tag: ["from=demo"],
    specials: "neutralise",
    maxBad: 0.01,
    maxFailed,
    drainSeconds: 5,
    keepReasoning: "all",
  });
  if (flags.json === true) resultJson(summaryJson(complete));
  else await showEnding(complete, flags.root);
  await refuseFailedRows(complete, maxFailed, flags.root);
}

async function showEnding(complete: CompleteBatch, root: string): Promise<void> {
  const { store, file } = complete;
  showSummary(complete);
  result("");
  const all = histograms(await rewardsByPrinciple(complete));
  for (const line of renderHistograms(all, Math.min(72, terminalWidth() - 1))) result(line);
  result("");
  result("These rewards come from a simulated engine. They show how Assay works and judge nothing:");
  result("with --engine URL of a real one the same commands give real ones.");
  result("");
  result(`Parquet   ${shardsPattern(store, file.batch)}`);
  result("Try next");
  result(`  ${commandLine(["verify", file.batch], root)}`);
  result(`  ${commandLine(["export", file.batch, "demo.jsonl", "--text"], root)}`);
  result(
    `  ${commandLine(["plan", nearPath(`${examples}helpfulness.jsonl`), "--profile", "genrm-principle"], undefined)}`,
  );
}

async function rewardsByPrinciple({ store, file }: CompleteBatch): Promise<Map<string, number[]>> {
  const rewards = new Map<string, number[]>();
  // the shards were written by this build a moment ago, or verified by their summary: no thread is needed
  for await (const { rows } of readShards({ store, decodeShard }, file)) {
    for (const { principle, reward } of rows) {
      if (principle === null || reward === null) continue;
      const seen = rewards.get(principle);
      if (seen === undefined) rewards.set(principle, [reward]);
      else seen.push(reward);
    }
  }
  return rewards;
}
