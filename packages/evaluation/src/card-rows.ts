/** A leaderboard as printed: percent to one decimal. */
export interface CardTable {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly model: string; readonly figures: readonly number[] }[];
}

/**
 * The two leaderboards of the model card of Qwen3-Nemotron-32B-GenRM-Principle (24 September 2025). Rows of pairwise
 * models are over both orders. The RM-Bench row of RM-R1 is that model's own published file, two of whose hard cells are
 * not what they say: not a target to hit to the digit.
 */
export const cardTables: { readonly "rm-bench": CardTable; readonly judgebench: CardTable } = {
  "rm-bench": {
    columns: ["Chat", "Math", "Code", "Safety", "Easy", "Normal", "Hard", "Overall"],
    rows: [
      { model: "Qwen3-Nemotron-32B-GenRM-Principle", figures: [80.4, 92.0, 77.0, 95.5, 88.9, 86.4, 83.4, 86.2] },
      { model: "Llama-3_3-Nemotron-Super-49B-GenRM", figures: [73.7, 91.4, 75.0, 90.6, 91.2, 85.7, 71.2, 82.7] },
      { model: "RewardAnything-8B-v1", figures: [76.7, 90.3, 75.2, 90.2, 85.6, 82.2, 81.5, 83.1] },
      { model: "RM-R1-DeepSeek-Distilled-Qwen-32B", figures: [74.2, 91.8, 74.1, 95.4, 89.5, 85.4, 76.7, 83.9] },
      { model: "R3-QWEN3-14B-LORA-4K", figures: [76.5, 92.4, 78.7, 91.9, 91.4, 86.2, 77.1, 84.9] },
    ],
  },
  judgebench: {
    columns: ["Knowledge", "Reasoning", "Math", "Code", "Overall"],
    rows: [
      { model: "Qwen3-Nemotron-32B-GenRM-Principle", figures: [74.6, 85.7, 85.7, 90.5, 81.4] },
      { model: "Llama-3_3-Nemotron-Super-49B-GenRM", figures: [71.4, 73.5, 87.5, 76.2, 75.1] },
      { model: "RewardAnything-8B-v1", figures: [61.0, 57.1, 73.2, 66.7, 62.6] },
      { model: "RM-R1-DeepSeek-Distilled-Qwen-32B", figures: [56.5, 66.3, 85.7, 73.8, 66.0] },
      { model: "R3-QWEN3-14B-LORA-4K", figures: [50.0, 64.3, 76.8, 71.4, 60.9] },
    ],
  },
};
