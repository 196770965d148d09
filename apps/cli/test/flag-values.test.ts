import { type AssayError, isAssayError, toAssayError } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import type { Command, Option } from "commander";
import fc from "fast-check";
import { crashPoint } from "../src/crash-points.ts";
import { amount, share, whole } from "../src/number-flag.ts";
import { commands, program } from "../src/program.ts";

/** Laws about every flag of every verb, taken from the definitions: a flag that is new is under them by itself. */

const seed = 20_261_127;

/** Texts for a number, and what the few of them mean that mean one. Nothing is rounded, nothing is guessed. */
const meanings: { readonly [text: string]: number | null } = {
  "1e999": null,
  "-1e999": null,
  "0x10": null,
  "0b1": null,
  "-0": null,
  "-1": null,
  "+5": null,
  NaN: null,
  Infinity: null,
  "-Infinity": null,
  null: null,
  true: null,
  " 5 ": null,
  "5\n": null,
  "\u00a05": null,
  "\ufeff5": null,
  "5\u200b": null,
  "": null,
  " ": null,
  "1_000": null,
  "1,000": null,
  "1 000": null,
  "5.5.5": null,
  "5,5": null,
  "1e": null,
  e5: null,
  ".": null,
  "\uff19": null,
  "\u0663": null,
  "\u00bd": null,
  "101%": null,
  "%": null,
  "5%%": null,
  "--": null,
  "-": null,
  five: null,
  "5.5": 5.5,
  "5%": 0.05,
  // a measure may be this coarse; what counts things may not
  "9007199254740993": 2 ** 53,
};

const texts = Object.keys(meanings);

interface Flag {
  /** "bench engine" */
  readonly verb: string;
  readonly long: string;
  readonly option: Option;
  readonly command: Command;
}

const flags = flagsOf(commands(), []);
const withValue = flags.filter(({ option }) => option.required);
const numbers = withValue.filter(({ option }) =>
  ["0", "1", "100"].some((text) => typeof read(option, text) === "number"),
);

/** What a value stands for where it is no number. */
const textValues = [
  "address",
  "batch",
  "cloud",
  "cmd",
  "column",
  "dir",
  "file",
  "k=v",
  "key=value",
  "mode",
  "name",
  "name[:type]",
  "name[@revision]",
  "names",
  "order",
  "other",
  "ours=theirs",
  "policy",
  "root",
  "shape",
  "text",
  "url",
  "way",
  "which",
];

test("a flag takes a number, or one of the texts that are known", () => {
  const others = withValue.filter((flag) => !numbers.includes(flag));
  const unknown = others.filter(({ option }) => !textValues.includes(/<(.*)>$/.exec(option.flags)?.[1] ?? ""));
  expect(unknown.map(({ verb, long }) => `${verb} ${long}`)).toEqual([]);
  // the law below is about something
  expect(numbers.length).toBeGreaterThan(35);
});

describe.each(numbers)("$verb $long", ({ verb, long, option }) => {
  test("takes what is a number and names itself where it is none", async () => {
    for (const text of texts) {
      const value = read(option, text);
      if (typeof value === "number") {
        expect([text, value]).toEqual([text, meanings[text]]);
        continue;
      }
      const { code, message, expected, got } = toAssayError(value);
      expect([text, code]).toEqual([text, "E_USAGE"]);
      expect(message).toContain(long);
      expect(expected).toMatch(/number|share/);
      expect(got?.trim()).not.toBe("");
    }
    expect(await refusal(verb, long, "-1")).toMatchObject({ got: "-1", next: `assay ${verb} --help` });
  });
});

describe.each(withValue)("$verb $long", ({ verb, long, option, command }) => {
  const value = numbers.some((flag) => flag.option === option) ? "1" : long === "--spot" ? "aws" : "x=y";

  test("says when its value was forgotten", async () => {
    const atTheEnd = await refusal(verb, long);
    expect([atTheEnd.code, atTheEnd.message]).toEqual(["E_USAGE", expect.stringContaining(long)]);
    for (const taken of [command.options.at(-1)?.long ?? "", `${long}=${value}`, "--help", "--"]) {
      const { code, message, got } = await refusal(verb, long, taken);
      expect([code, message, got]).toEqual([
        "E_USAGE",
        expect.stringContaining(long),
        expect.stringContaining(taken || "nothing"),
      ]);
    }
  });

  test("takes nothing for nothing", async () => {
    const empty = long === "--redis" ? [] : Array.isArray(option.defaultValue) ? ["", " ", ",", " , "] : ["", " "];
    for (const text of empty) {
      const { code, message } = await refusal(verb, long, text);
      expect([text, code, message]).toEqual([text, "E_USAGE", expect.stringContaining(long)]);
    }
  });

  test("is given once, or is a list", async () => {
    if (Array.isArray(option.defaultValue)) {
      expect(option.parseArg?.("b", option.parseArg("a", []))).toEqual(["a", "b"]);
      return;
    }
    const { code, message } = await refusal(verb, long, value, `${long}=${value}`);
    expect([code, message]).toEqual(["E_USAGE", `${long} is given more than once`]);
  });

  test("misspelt is refused by name", async () => {
    const { code, message, next } = await refusal(verb, `${long}z`, value);
    expect([code, message, next]).toEqual([
      "E_USAGE",
      expect.stringContaining(`${long}z`),
      expect.stringContaining(long),
    ]);
  });
});

test(`a number that is read is the one that was written (seed ${seed})`, () => {
  const piece = fc.constantFrom(
    "0",
    "1",
    "9",
    "007",
    "9007199254740993",
    ".",
    "e",
    "E",
    "-",
    "+",
    "_",
    "x",
    "%",
    " ",
    "\uff19",
  );
  const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
  let accepted = 0;
  fc.assert(
    fc.property(text, (written) => {
      const counted = whole(0).read(written);
      if (counted !== null)
        expect(Number.isSafeInteger(counted) && BigInt(Number(written)) === BigInt(counted)).toBe(true);
      if (counted !== null && /^\d+$/.test(written)) expect(BigInt(written)).toBe(BigInt(counted));
      const measured = amount.read(written);
      if (measured !== null) expect([measured, Object.is(measured, -0)]).toEqual([Number(written), false]);
      const part = share.read(written);
      if (part !== null) expect(part >= 0 && part <= 1 && !Object.is(part, -0)).toBe(true);
      if (measured !== null || part !== null || counted !== null) {
        accepted += 1;
        expect(written).not.toMatch(/[x_\s\uff19]/);
      }
    }),
    { seed, numRuns: 5_000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

test("a number of an environment variable is one, or the variable is named", () => {
  for (const text of [...texts, "0", "01", "1"]) {
    const value = orError(() => crashPoint(`rows-read:${text}`));
    if (!isAssayError(value)) expect(text).toMatch(/^[1-9]\d*$/);
    else expect(value).toMatchObject({ code: "E_USAGE", message: expect.stringContaining("ASSAY_CRASH_AT") });
  }
});

function flagsOf(command: Command, verb: readonly string[]): Flag[] {
  const own = command.options
    .filter(({ long }) => long !== "--version")
    .map((option) => ({ verb: verb.join(" "), long: option.long ?? "", option, command }));
  return [...own, ...command.commands.flatMap((below) => flagsOf(below, [...verb, below.name()]))];
}

/** What a flag makes of a text: its value, or the error. */
function read({ parseArg, defaultValue }: Option, text: string): unknown {
  return orError(() => parseArg?.(text, defaultValue));
}

function orError(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

/** What `assay VERB WORDS` ends in: never in the verb itself, whose flags are wrong. */
async function refusal(verb: string, ...words: string[]): Promise<AssayError> {
  const root = commands();
  for (const { command } of flagsOf(root, [])) {
    command.action(() => {
      throw new Error(`assay ${verb} ${words.join(" ")} was run`);
    });
  }
  const thrown: unknown = await program(["node", "assay", ...verb.split(" "), ...words], root).then(
    () => new Error("it ended well"),
    (error: unknown) => error,
  );
  return toAssayError(thrown);
}
