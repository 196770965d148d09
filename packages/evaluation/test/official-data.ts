import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ScoreRecord } from "../src/items-of-scores.ts";

/** Public data that lies beside the clone, or beside the folder of clones, and in no repository of ours. */
const folders = ["../../../../shared/data/", "../../../../../shared/data/"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** The records of a file of official data; null where it is not there, said aloud, since then nothing was checked. */
export function officialRecords(path: string): ScoreRecord[] | null {
  const file = folders.map((folder) => join(folder, path)).find((candidate) => existsSync(candidate));
  if (file === undefined) {
    process.stderr.write(`NOT CHECKED: no official data at ${join(folders[0] ?? "", path)}\n`);
    return null;
  }
  const text = readFileSync(file, "utf8");
  const values = path.endsWith(".jsonl")
    ? text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown)
    : (JSON.parse(text) as unknown[]);
  return values.map((value, i) => ({ where: `${path}:${i + 1}`, value }));
}
