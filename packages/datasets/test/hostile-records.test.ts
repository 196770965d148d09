import { badAsValue, badCodes, type NormalisedRecord, normaliseRecord } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { importerByName } from "../src/detect-format.ts";
import type { RawRecord } from "../src/importer.ts";
import { readPacked } from "../src/read-records.ts";
import { hostileText } from "./hostile-bytes.ts";
import { inputOf, tell } from "./input-of.ts";
import { fixture } from "./read-fixture.ts";

/** A record of any format with anything in one of its places: lines that can be stored, or a code; never an exception. */

const seed = 20_261_126;

const deep: unknown = JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`);

/** What JSON can hold in the place of anything. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, -1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY, 1e21, [], {}, deep),
  // what a conversion to text would call
  fc.constant({ toString: 1, valueOf: 1, constructor: null }),
  fc.constant(JSON.parse('{"__proto__":{"role":"user"},"type":{"toString":0}}')),
  fc.array(hostileText, { maxLength: 3 }),
  fc.array(fc.record({ role: hostileText, type: hostileText, content: hostileText }), { maxLength: 2 }),
);

const examples: readonly (readonly [string, string])[] = [
  ["csv", "records.csv"],
  ["helpsteer3-principle", "helpsteer3-principle.jsonl"],
  ["helpsteer3-preference", "helpsteer3-preference.jsonl"],
  ["helpsteer3-feedback", "helpsteer3-feedback.jsonl"],
  ["helpsteer3-edit", "helpsteer3-edit.jsonl"],
  ["helpsteer3-edit-quality", "helpsteer3-edit-quality.jsonl"],
  ["rm-bench", "math_filtered.json"],
  ["judgebench", "judgebench.jsonl"],
  ["rewardbench-2", "rewardbench-2.jsonl"],
  ["verl", "verl.jsonl"],
  ["trl", "trl.jsonl"],
  ["nemo-rl", "nemo-rl-train_data_step12.jsonl"],
  ["nemo-gym", "nemo-gym.jsonl"],
  ["openai-chat", "openai-chat.jsonl"],
  ["openai-batch", "openai-batch.jsonl"],
];

describe("records with anything in any place", () => {
  test.each(examples)(`%s: become lines or a code (seed ${seed})`, async (name, file) => {
    const importer = importerByName(name);
    const { columns } = importer;
    const origin = { input: file, columns, map: {} };
    const packed = { input: file, where: file, csv: name === "csv", cut: importer.cut ?? [] };
    const whole = await tell(readPacked(inputOf(fixture(file)), packed));
    const good = whole.records.flatMap(({ parsed }) => (parsed.ok ? [parsed.value] : []));
    const settings = {
      roles: ["system", "user", "assistant"],
      principles: ["p"],
      map: importer.map ?? {},
      columns,
      carryAll: true,
    };
    const became = { good: 0, bad: 0 };
    const places = good.flatMap((record, i) => placesIn(record).map((place) => ({ i, place })));
    fc.assert(
      fc.property(fc.constantFrom(...places), anything, ({ i, place }, value) => {
        const raw = replaced(good[i], place, value);
        const record = imported(raw);
        if (!record.ok) {
          became.bad += 1;
          expect(badCodes).toContain(record.bad);
          return;
        }
        became.good += 1;
        const text = JSON.stringify(record);
        expect(text.isWellFormed()).toBe(true);
        // nothing that JSON would write as something else
        expect(JSON.parse(text)).toEqual(record);
      }),
      { seed, numRuns: 300 },
    );
    expect(Math.min(became.good, became.bad)).toBeGreaterThan(0);

    function imported(raw: unknown): NormalisedRecord {
      const read = badAsValue(() => ({ ok: true as const, value: importer.toRecord(raw as RawRecord, origin) }));
      return read.ok ? normaliseRecord(read.value.record, settings, read.value.perResponse ?? null) : read;
    }
  });
});

/** Every place in a JSON value, as the keys that lead there. */
function placesIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value).flatMap(([key, member]) => placesIn(member, [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

function replaced(whole: unknown, [first = "", ...rest]: readonly string[], value: unknown): unknown {
  const copy: { [key: string]: unknown } = Array.isArray(whole) ? ([...whole] as never) : { ...(whole as object) };
  copy[first] = rest.length === 0 ? value : replaced(copy[first], rest, value);
  return copy;
}
