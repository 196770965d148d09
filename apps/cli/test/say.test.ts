import { describe, expect, test } from "@jest/globals";
import { count, counted, duration, note, noteInto, result } from "../src/say.ts";

describe("durations", () => {
  test.each([
    [0, "0 s"],
    [0.04, "0 s"],
    [0.44, "0.4 s"],
    [9.94, "9.9 s"],
    [9.96, "10 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [60, "1 min"],
    [185, "3 min 5 s"],
    [3_600, "1 h"],
    [7_800, "2 h 10 min"],
    [172_799, "47 h 59 min"],
    [172_800, "2 days"],
    [(20_000_000 / 21_000) * 3_600, "40 days"],
  ])("%d s is %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

test("counts have separators whatever the machine's language, and their noun its plural", () => {
  expect(count(20_000_000)).toBe("20,000,000");
  expect(counted(1, "row")).toBe("1 row");
  expect(counted(0, "row")).toBe("0 rows");
  expect(counted(2_000, "chunk")).toBe("2,000 chunks");
});

test("a terminal obeys no name: a note is one line, a result on a terminal has lines and tabs and nothing else", () => {
  const name = "a\u001b[31m\rb\u202ec\u009bd";
  const shown = "a\\u001b[31m\\u000db\\u202ec\\u009bd";
  const notes: string[] = [];
  noteInto((text) => notes.push(text));
  note(`${name}\nforged: all is well`);
  expect(notes).toEqual([`${shown}\\u000aforged: all is well`]);

  const { isTTY, write } = process.stdout;
  const written: unknown[] = [];
  process.stdout.write = ((text: unknown) => written.push(text) > 0) as typeof write;
  try {
    for (const seen of [true, false]) {
      process.stdout.isTTY = seen;
      result(`${name}\tx\ny`);
    }
  } finally {
    Object.assign(process.stdout, { isTTY, write });
  }
  expect(written).toEqual([`${shown}\tx\ny\n`, `${name}\tx\ny\n`]);
});
