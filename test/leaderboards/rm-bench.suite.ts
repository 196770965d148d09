import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { resumedTable } from "../e2e/resumed-table.ts";
import { tempFolder } from "../e2e/temp-folder.ts";

/**
 * RM-Bench at its full size: 1,327 records of six responses. Published files are taken from beside the repository; in
 * the place of those that are not there stand as many records like them, whose every other one is the one before again.
 */

const published = fileURLToPath(new URL("../../../shared/data/rm-bench/", import.meta.url));
const domains = { chat: 129, code: 228, math: 529, "safety-refuse": 284, "safety-response": 157 };

async function allDomains(folder: string): Promise<string> {
  const path = join(folder, "rm-bench");
  await mkdir(path);
  for (const [domain, records] of Object.entries(domains)) {
    const name = `${domain}_filtered.json`;
    if (existsSync(join(published, name))) await symlink(join(published, name), join(path, name));
    else {
      console.warn(
        `!!! RM-Bench's ${name} is not beside this repository (shared/data): records like it are scored instead`,
      );
      await writeFile(join(path, name), JSON.stringify(Array.from({ length: records }, (_, i) => sums(domain, i))));
    }
  }
  return path;
}

function sums(domain: string, i: number): object {
  const n = i >> 1;
  const styles = (sum: number): string[] => [`${sum}`, `${n} and 2 are ${sum}.`, `**${n}** and **2** are **${sum}**.`];
  return { id: i, subset: "sums", prompt: `${domain}: ${n}+2?`, chosen: styles(n + 2), rejected: styles(n + 3) };
}

test("RM-Bench's table of 7,962 calls is the same whether the batch ran through or was killed in the middle and run again", async () => {
  const inputs = await allDomains(await tempFolder());
  const table = await resumedTable("rm-bench", inputs, { rows: 7_962, killedAfter: 90 });
  const { figures } = JSON.parse(table) as { figures: { domains: { domain: string; records: number }[] }[] };
  // the two of safety count as one
  expect(figures[0]?.domains.map(({ domain, records }) => [domain, records]).sort()).toEqual([
    ["chat", 129],
    ["code", 228],
    ["math", 529],
    ["safety", 441],
  ]);
}, 1_700_000);
