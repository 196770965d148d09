import { join } from "node:path";
import { retryName, shardPrefix } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { retryArgs } from "./people.ts";
import { runCommand } from "./run-command.ts";

/** By batch, retries included, the reward of each row by its number; null = it has none. */
export type Rewards = ReadonlyMap<string, ReadonlyMap<number, number | null>>;

/** What the same inputs, and the same retry of each, give on an engine that nothing happens to. */
export async function undisturbedRewards(
  folder: string,
  env: { readonly [name: string]: string },
  batches: readonly { readonly name: string; readonly input: string }[],
  settings: readonly string[],
): Promise<Rewards> {
  const engine = await startSimulator({ slots: 64, reasoningTokens: 40, promptTokensDetails: true });
  const root = join(folder, "undisturbed");
  const at = ["--root", root, "--engine", engine.url];
  const alone = { ...env, REDIS_URL: "" };
  const expected = new Map<string, Map<number, number | null>>();
  try {
    for (const { name, input } of batches) {
      for (const args of [
        ["score", input, ...at, ...settings],
        ["retry", name, ...at, ...retryArgs],
      ]) {
        const { code, text } = await runCommand(args, alone);
        if (code !== 0) throw new Error(`the undisturbed ${args[0]} of ${name} ends with ${code}: ${text}`);
      }
      for (const batch of [name, retryName(name, 1)]) expected.set(batch, await readRewards(root, batch));
    }
  } finally {
    await engine.close();
  }
  return expected;
}

async function readRewards(root: string, batch: string): Promise<Map<number, number | null>> {
  const store = localStore(root);
  const rewards = new Map<number, number | null>();
  for await (const { key } of store.list(shardPrefix(batch))) {
    const { rows } = await decodeShard((await store.get(key)) ?? new Uint8Array());
    for (const row of rows) rewards.set(row.row_index, row.reward);
  }
  return rewards;
}
