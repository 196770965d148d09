import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Simulator, startSimulator } from "../src/index.ts";

/** Answers of a real vLLM 0.32 to a toy judge. They lie beside the repository, not in it. */
const recordings = fileURLToPath(new URL("../../../../shared/conformance/golden/", import.meta.url));
const there = existsSync(recordings);
if (!there)
  console.warn("!!! NOT RUN: the recorded vLLM answers are not beside this repository (shared/conformance/golden)");

interface Recording {
  request: { method: string; path: string; body: unknown };
  status: number;
  headers: { "content-type"?: string };
  body: unknown;
}

const servers = [
  { folder: "default", options: { maxModelLen: 4_096 } },
  // recorded with --reasoning-parser qwen3 --enable-prompt-tokens-details --max-num-seqs 8 --max-model-len 20000
  {
    folder: "reasoning-parser",
    options: { maxModelLen: 20_000, slots: 8, reasoningParser: true, promptTokensDetails: true },
  },
];

/** Where the simulator differs on purpose. */
const exceptions: { readonly [folderAndName: string]: string } = {
  "default/samples-3": "n above 1 is not simulated: Assay asks for samples one by one",
  "reasoning-parser/samples-3": "n above 1 is not simulated: Assay asks for samples one by one",
  "reasoning-parser/too-long": "the toy judge lost its way behind 6,000 words and said ' No' until max_tokens",
};

/**
 * Keys and kinds of values at each level; of a list, the kinds of its entries. Entries of one kind count once, however
 * many there are, since the answers have other words. A map keyed by tokens has no keys of its own.
 */
function shapeOf(value: unknown, key = ""): unknown {
  if (value === null) return "null";
  if (Array.isArray(value)) return [...new Set(value.map((entry) => JSON.stringify(shapeOf(entry, key))))].sort();
  if (typeof value !== "object") return typeof value;
  if (key === "top_logprobs" && !("token" in value)) return [...new Set(Object.values(value).map((one) => typeof one))];
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one, name)]));
}

// a file without a test fails
if (!there) test.skip("against the recorded answers", () => {});

for (const { folder, options } of there ? servers : []) {
  describe(`recordings: ${folder}`, () => {
    const names = readdirSync(recordings + folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length));
    let simulator: Simulator;
    beforeAll(async () => {
      // as short as the toy judge's reasoning, so that 64 tokens hold an answer
      simulator = await startSimulator({ model: "judge", reasoningTokens: 7, ...options });
    });
    afterAll(() => simulator.close());

    test("there are recordings", () => {
      expect(names.length).toBeGreaterThan(50);
    });

    test.each(names.filter((name) => exceptions[`${folder}/${name}`] === undefined))(
      "%s: same status, same content type, same keys at every level",
      async (name) => {
        const recorded: Recording = JSON.parse(readFileSync(`${recordings}${folder}/${name}.json`, "utf8"));
        const { method, path, body } = recorded.request;
        const response = await fetch(simulator.url + path, {
          method,
          ...(body === null ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
        });
        const text = await response.text();
        expect([response.status, text]).toEqual([recorded.status, expect.anything()]);
        expect(response.headers.get("content-type")).toBe(recorded.headers["content-type"] ?? null);
        if (recorded.body === "") expect(text).toBe("");
        else expect(shapeOf(JSON.parse(text))).toEqual(shapeOf(recorded.body));
        // an error's words are the contract, not only its keys
        if (response.status !== 200) expect(JSON.parse(text)).toEqual(recorded.body);
      },
    );

    test("metrics: the names and labels of the recorded page", async () => {
      await fetch(`${simulator.url}/v1/models`);
      const page = await (await fetch(`${simulator.url}/metrics`)).text();
      const ours = new Set(seriesOf(page));
      const theirs = seriesOf(readFileSync(`${recordings}${folder}/metrics-idle.txt`, "utf8"));
      expect(theirs.filter((series) => !ours.has(series) && !leftOut.test(series))).toEqual([]);
    });
  });
}

/** Series that only a Python process, a GPU or a stepping engine has. */
const leftOut =
  /^(python_|process_(?!start_time)|http_|vllm:(estimated_|mm_cache|iteration_tokens|prompt_tokens_cached_by_source)|.*_created\b|.*_bucket\b)/;

/** Every name with its labels, values of labels that vary left out. */
function seriesOf(page: string): string[] {
  return page
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")))
    .map((series) => (series.startsWith("vllm:cache_config_info") ? "vllm:cache_config_info" : series));
}
