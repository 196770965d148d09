import type { MissingPolicy, Status, UserColumn } from "@assay/core";

/** What the card of an exported data set tells. */
export interface CardFacts {
  readonly batches: readonly string[];
  readonly profile: string;
  readonly model: string;
  readonly revision: string | null;
  readonly simulated: boolean;
  readonly records: number;
  readonly rows: number;
  readonly status: { readonly [status in Status]?: number };
  /** what stands as the reward of rows without a verdict */
  readonly missing: MissingPolicy;
  /** of rows with a verdict, as the share below */
  readonly rewardMean: number | null;
  /** share of rewards above 0 */
  readonly yesShare: number | null;
  readonly text: boolean;
  readonly columns: readonly UserColumn[];
  readonly software: string;
}

/** What a reader must know of the rows that were not judged. */
const withoutVerdict: { readonly [policy in MissingPolicy]: string } = {
  null: "A row without a verdict has `reward` null and says why in `status`; no number was put in its place.",
  zero: "A row without a verdict says why in `status`; its `reward` of 0 was put there by `--missing zero` and is no judgement.",
  floor:
    "A row without a verdict says why in `status`; its `reward` of -50 was put there by `--missing floor` and is no judgement.",
  card: "A row without a verdict says why in `status`; where its `reward` is not null, it is what the model card's own program gives for such an answer (`--missing card`) and no reading of the model.",
  drop: "Rows without a verdict were left out (`--missing drop`).",
};

/** The README.md of a Hugging Face data set folder: front matter that names the files, then what a user has to know. Pure. */
export function dataSetCard(facts: CardFacts): string {
  const failed = facts.rows - (facts.status.ok ?? 0);
  const share = facts.rows === 0 ? 0 : (100 * failed) / facts.rows;
  const statuses = Object.entries(facts.status).sort(([, a], [, b]) => b - a);
  return `${[
    "---",
    "configs:",
    "- config_name: default",
    "  data_files:",
    "  - split: train",
    "    path: data/train-*.parquet",
    `size_categories: [${sizeCategory(facts.rows)}]`,
    "tags: [reward-model]",
    "---",
    "",
    `# Rewards of ${facts.batches[0] ?? "no batch"}`,
    "",
    ...(facts.simulated ? ["**These rewards come from a simulated engine. They are no judgements.**", ""] : []),
    `Yes/No rewards, one line per (conversation, response, principle): \`reward = logprob(Yes) - logprob(No)\`, clipped at -50 each. ${withoutVerdict[facts.missing]}`,
    "",
    "| | |",
    "|---|---|",
    `| model | ${code(facts.model)}${facts.revision === null ? "" : `, revision ${code(facts.revision)}`} |`,
    `| profile | ${code(facts.profile)} |`,
    `| batches | ${facts.batches.map(code).join(", ")} |`,
    `| records, rows | ${facts.records}, ${facts.rows} |`,
    `| without a reward | ${failed} (${share.toFixed(2)} %) |`,
    ...(facts.rewardMean === null ? [] : [`| mean reward | ${facts.rewardMean.toFixed(4)} |`]),
    ...(facts.yesShare === null ? [] : [`| rewards above 0 | ${(100 * facts.yesShare).toFixed(2)} % |`]),
    `| made by | assay ${facts.software} |`,
    "",
    "| status | rows |",
    "|---|---|",
    ...statuses.map(([status, rows]) => `| ${status} | ${rows} |`),
    "",
    "## Columns",
    "",
    "`row_index` is the key; `group` holds responses to one conversation; `input` and `input_line` say where a row is from.",
    "`logprob_yes` and `logprob_no` are natural logarithms; `yes_no_mass` is the probability of the pair that was read; `floored` marks a bound instead of a reading.",
    ...(facts.text
      ? ["`prompt` is the text of a single user turn, else the conversation as JSON; `response` is the judged text."]
      : []),
    ...(facts.columns.length === 0
      ? []
      : [`From the input: ${facts.columns.map(({ name, type }) => `\`in_${name}\` (${type})`).join(", ")}.`]),
    "",
    "```python",
    "from datasets import load_dataset",
    'rows = load_dataset("parquet", data_files="data/train-*.parquet", split="train")',
    'scored = rows.filter(lambda row: row["status"] == "ok")',
    "```",
  ].join("\n")}\n`;
}

/** Names come from people: no cell of the table ends early. */
function code(text: string): string {
  return `\`${text.replace(/[`|\r\n]/g, " ")}\``;
}

/** The hub's own classes. */
function sizeCategory(rows: number): string {
  if (rows < 1_000) return "n<1K";
  if (rows < 10_000) return "1K<n<10K";
  if (rows < 100_000) return "10K<n<100K";
  if (rows < 1_000_000) return "100K<n<1M";
  if (rows < 10_000_000) return "1M<n<10M";
  return "10M<n<100M";
}
