import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "@jest/globals";
import { expectExit, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/**
 * Scores a benchmark's file or folder with the simulator twice: run through, and with SIGKILL once so many chunks have
 * their shard, then the same command again. Expects that both come out whole and print the same table, which it returns.
 */
export async function resumedTable(
  benchmark: "judgebench" | "rm-bench",
  inputs: string,
  options: { readonly rows: number; readonly killedAfter: number },
): Promise<string> {
  const folder = await tempFolder();
  const recipe = fileURLToPath(new URL(`../../examples/recipes/${benchmark}.json`, import.meta.url));
  const score = (root: string): string[] => [
    ...["score", inputs, "--root", root, "--engine", "sim", "--recipe", recipe, "--set", "temperature=0"],
    ...["--in-flight", "32", "--json"],
  ];
  const table = async (root: string): Promise<string> =>
    (await expectExit(0, ["eval", benchmark, "latest", "--root", root, "--json"])).stdout;

  const through = join(folder, "through");
  const { stdout } = await expectExit(0, score(through));
  expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ rows: options.rows, failed: 0 });
  const resumed = join(folder, "resumed");
  const first = startAssay(score(resumed));
  let seen = "";
  // some chunks have their shard, others have not
  await new Promise<void>((resolve) => {
    first.child.stdout?.on("data", (text: string) => {
      seen += text;
      if (seen.split('"outcome":"committed"').length > options.killedAfter) resolve();
    });
    void first.ended.then(() => resolve());
  });
  first.child.kill("SIGKILL");
  expect((await first.ended).code).toBeNull();
  await expectExit(75, ["verify", "latest", "--root", resumed]);
  await expectExit(0, score(resumed));
  await expectExit(0, ["verify", "latest", "--root", resumed]);
  const whole = await table(through);
  expect(await table(resumed)).toBe(whole);
  return whole;
}
