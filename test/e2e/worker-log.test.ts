import { expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** `assay worker --json` against the built command: whoever reads its log meets JSON lines alone. */

test.each<[string, number, string, string[]]>([
  ["a flag that is none", 2, "E_USAGE", ["--engine", "sim", "--no-such"]],
  ["no Redis", 2, "E_NO_REDIS", ["--engine", "sim"]],
  ["a Redis that is away", 6, "E_REDIS_UNAVAILABLE", ["--engine", "sim", "--redis", "redis://127.0.0.1:1"]],
  [
    "a batch that is not there",
    2,
    "E_NO_SUCH_BATCH",
    ["--engine", "sim", "--redis", "redis://127.0.0.1:1", "--batch", "x"],
  ],
])(
  "a worker that ends of %s says so in its last JSON line",
  async (_, exit, code, words) => {
    const root = await tempFolder();
    const { stderr } = await expectExit(exit, ["worker", "--json", "--root", root, ...words]);
    const lines = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines.at(-1)).toMatchObject({
      level: 60,
      code,
      exit,
      msg: expect.any(String),
      next: expect.any(String),
      pid: expect.any(Number),
    });
  },
  60_000,
);
