import { writeFile } from "node:fs/promises";

/** An input of `count` records of one row each, no two alike. */
export async function writeQuestions(path: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ prompt: `What is ${i}+1?`, response: `${i + 1}` }),
  );
  await writeFile(path, lines.join("\n"));
}
