import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** `assay eval` from a batch of labelled rows, from its export and from score files, against the built command. */

let folder: string;
let root: string;
let batch: string;

const records = Array.from({ length: 40 }, (_, i) => ({
  prompt: `What is ${i}+2?`,
  response: `It is ${i + (i % 3)}.`,
  principle: i % 2 === 0 ? "correctness" : "brevity",
  domain: i < 10 ? "code" : "general",
  fulfilment: i % 3 === 2 ? "Yes" : "No",
}));

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  const input = join(folder, "labelled.jsonl");
  await writeFile(input, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const scored = ["score", input, "--root", root, "--engine", "sim", "--carry", "domain,fulfilment", "--json"];
  const { stdout } = await expectExit(0, scored);
  batch = (JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string }).batch;
}, 120_000);

interface LabelsJson {
  figures: { overall: { rows: number; accuracy: number; yes: number } }[];
  comparison?: { paired: number; mcNemar: { p: number }; auc: { difference: number } };
}

describe("eval labels", () => {
  test("counts what the exported rows say, and names a simulated batch as such", async () => {
    const exported = join(folder, "rows.jsonl");
    await expectExit(0, ["export", batch, exported, "--root", root]);
    const rows = (await readFile(exported, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { reward: number | null; in_fulfilment: string });
    const right = rows.filter(
      ({ reward, in_fulfilment }) => reward !== null && (in_fulfilment === "Yes" ? reward > 0 : reward < 0),
    ).length;
    const json = await expectExit(0, ["eval", "labels", batch, "--root", root, "--json"]);
    const { figures } = JSON.parse(json.stdout) as LabelsJson;
    expect(figures[0]?.overall).toMatchObject({ rows: 40, accuracy: right / 40, yes: 13 });
    const { stdout } = await expectExit(0, ["eval", "labels", batch, "--root", root]);
    expect(stdout).toContain("simulated: these are no judgements");
    // the export is the batch again: the same figures, and no difference between the two
    const against = ["eval", "labels", "--scores", exported, "--against", batch, "--root", root, "--json"];
    const both = JSON.parse((await expectExit(0, against)).stdout) as LabelsJson;
    expect(both.figures[0]).toEqual(both.figures[1]);
    expect(both.comparison).toMatchObject({ paired: 40, mcNemar: { p: 1 }, auc: { difference: 0 } });
  }, 120_000);

  test("of another benchmark's rows says which columns are needed", async () => {
    const { stderr } = await expectExit(2, ["eval", "rm-bench", batch, "--root", root]);
    expect(stderr).toContain("in_style (int64)");
  }, 60_000);
});

describe("eval of a score file", () => {
  test("prints the card's rows beside ours, as a table, as Markdown and as JSON", async () => {
    const file = join(folder, "pairs.jsonl");
    const pair = (source: string, label: string, ...decisions: (string | null)[]) =>
      JSON.stringify({
        source,
        label,
        judgments: decisions.map((decision) => (decision === null ? null : { decision })),
      });
    await writeFile(
      file,
      [
        pair("mmlu-pro-law", "A>B", "A>B", "A=B"),
        pair("livecodebench", "A>B", "A>B", null),
        pair("livecodebench", "B>A", "A=B", "A=B"),
      ].join("\n"),
    );
    const words = ["eval", "judgebench", "--scores", file, "--against", "card"];
    const { stdout } = await expectExit(0, words);
    expect(stdout).toMatch(/pairs\.jsonl +100\.0000 +- +- +50\.0000 +66\.6667/);
    expect(stdout).toMatch(/card: Qwen3-Nemotron-32B-GenRM-Principle +74\.6 +85\.7 +85\.7 +90\.5 +81\.4/);
    expect((await expectExit(0, [...words, "--markdown"])).stdout).toContain(
      "| Overall | 3 | 2 | 66.6667 | 1 | 1 | 0 |",
    );
    expect(JSON.parse((await expectExit(0, [...words, "--json"])).stdout)).toMatchObject({
      figures: [{ overall: { pairs: 3, right: 2, tied: 1, missing: 1 } }],
    });
  }, 60_000);

  test("that does not fit is exit 4 with file and line", async () => {
    const file = join(folder, "broken.jsonl");
    await writeFile(file, '{"source":"x","label":"A>B","judgments":[null]}\n{"source":"x","label":"A"}\n');
    const { stderr } = await expectExit(4, ["eval", "judgebench", "--scores", file]);
    expect(stderr).toContain("broken.jsonl:2");
  }, 60_000);
});
