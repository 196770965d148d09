import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "@jest/globals";
import { expectExit, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Which batches `assay eval` reads as one: all of one model, none silently of two, and what it says of unfinished ones. */

let folder: string;
let root: string;

/** A file of labelled records, numbered from `from`. */
async function labelled(name: string, from: number, records: number): Promise<string> {
  const path = join(folder, `${name}.jsonl`);
  const lines = Array.from({ length: records }, (_, i) => ({
    prompt: `What is ${from + i}+2?`,
    response: `It is ${from + i + (i % 3)}.`,
    principle: "correctness",
    fulfilment: i % 3 === 2 ? "Yes" : "No",
  }));
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}

function scoring(input: string, ...flags: string[]): string[] {
  return ["score", input, "--root", root, "--engine", "sim", "--carry", "fulfilment", "--json", ...flags];
}

async function score(input: string, ...flags: string[]): Promise<string> {
  const { stdout } = await expectExit(0, scoring(input, ...flags));
  return (JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string }).batch;
}

interface Labels {
  of: { batches: string[]; unfinished: string[] }[];
  figures: { overall: { rows: number; accuracy: number } }[];
}

async function evaluate(code: number, ...batches: string[]): Promise<Labels & { stderr: string }> {
  const { stdout, stderr } = await expectExit(code, ["eval", "labels", ...batches, "--root", root, "--json"]);
  return { ...(JSON.parse(stdout) as Labels), stderr };
}

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
});

test("batches of one model are read as one, each once however often it is named", async () => {
  const batches = [await score(await labelled("one", 0, 40)), await score(await labelled("two", 40, 24))];
  const apart = [await evaluate(0, batches[0] ?? ""), await evaluate(0, batches[1] ?? "")].map(
    ({ figures }) => figures[0]?.overall ?? { rows: 0, accuracy: 0 },
  );
  expect(apart.map(({ rows }) => rows)).toEqual([40, 24]);
  const right = apart.reduce((sum, { rows, accuracy }) => sum + rows * accuracy, 0);
  const { of, figures } = await evaluate(0, ...batches, batches[0] ?? "");
  expect(of.map((each) => each.batches)).toEqual([batches]);
  expect(figures.map(({ overall }) => overall.rows)).toEqual([64]);
  expect(figures[0]?.overall.accuracy).toBeCloseTo(right / 64, 12);
}, 120_000);

test("a retry beside its batch counts no row twice: both are read as the family that they are", async () => {
  const batch = await score(await labelled("cut", 0, 40), "--set", "max_tokens=200", "--max-failed", "1");
  const asked = ["retry", batch, "--root", root, "--engine", "sim", "--set", "max_tokens=16000"];
  await expectExit(0, asked);
  const retry = `${batch}-r1`;
  const rows = async (...batches: string[]): Promise<[string[] | undefined, number | undefined]> => {
    const { of, figures } = await evaluate(0, ...batches);
    return [of[0]?.batches, figures[0]?.overall.rows];
  };
  const [, alone = 0] = await rows(retry);
  expect(alone).toBeGreaterThan(0);
  expect(alone).toBeLessThan(40);
  for (const named of [[batch], [batch, retry], [retry, batch]]) expect(await rows(...named)).toEqual([[batch], 40]);
}, 120_000);

test("batches of two models are refused with both names, and may stand beside each other", async () => {
  const input = await labelled("models", 0, 32);
  const [one, other] = [await score(input), await score(input, "--model", "simulator@tuned")];
  const { stderr, stdout } = await expectExit(2, ["eval", "labels", one, other, "--root", root]);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/expected +simulator$/m);
  expect(stderr).toMatch(/got +simulator@tuned$/m);
  expect(stderr).toContain("--against");
  const { stdout: both } = await expectExit(0, ["eval", "labels", one, "--against", other, "--root", root]);
  expect(both).toContain("simulator@tuned");
}, 120_000);

test("an unfinished batch is exit 75: the figures of what is there, said to be such", async () => {
  const input = await labelled("unfinished", 0, 1_600);
  const running = startAssay(scoring(input, "--in-flight", "8"));
  let seen = "";
  await new Promise<void>((resolve) => {
    running.child.stdout?.on("data", (text: string) => {
      seen += text;
      if (seen.split('"outcome":"committed"').length > 3) resolve();
    });
    void running.ended.then(() => resolve());
  });
  running.child.kill("SIGKILL");
  expect((await running.ended).code).toBeNull();
  const { of, figures, stderr } = await evaluate(75, "latest");
  expect(of[0]?.unfinished).toEqual(of[0]?.batches);
  expect(stderr).toContain("UNFINISHED BATCH");
  expect(stderr).toContain(of[0]?.batches[0]);
  const rows = figures[0]?.overall.rows ?? 0;
  expect(rows).toBeGreaterThanOrEqual(48);
  expect(rows).toBeLessThan(1_600);
  // the same command again carries on, and then the figures are whole
  await score(input, "--in-flight", "8");
  expect((await evaluate(0, "latest")).figures[0]?.overall.rows).toBe(1_600);
}, 180_000);
