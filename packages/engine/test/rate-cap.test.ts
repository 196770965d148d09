import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { capAfterAnswer, capAfterRefusal, noCap, type RateCap } from "../src/rate-cap.ts";

describe("rate-cap", () => {
  test("one episode of refusals halves once; a refusal of a request sent since halves again, down to eight", () => {
    const engine = { limit: 100, inFlight: 60, sent: 1_000 };
    let cap = capAfterRefusal(noCap, 941, engine);
    expect(cap.rows).toBe(30);
    for (let request = 942; request <= 1_000; request += 1) cap = capAfterRefusal(cap, request, engine);
    expect(cap.rows).toBe(30);
    const halved = [];
    for (let sent = 1_001; sent < 1_005; sent += 1) {
      cap = capAfterRefusal(cap, sent, { ...engine, sent });
      halved.push(cap.rows);
    }
    expect(halved).toEqual([15, 8, 8, 8]);
  });

  test("it grows by a row for every so many answers as it has rows, until it is the limit", () => {
    let cap: RateCap = { rows: 16, halvedAt: 7 };
    for (let answers = 0; answers < 16; answers += 1) cap = capAfterAnswer(cap, 100);
    expect(Math.floor(cap.rows)).toBe(16);
    cap = capAfterAnswer(cap, 100);
    expect(Math.floor(cap.rows)).toBe(17);
    let answers = 17;
    for (; cap.rows !== Number.POSITIVE_INFINITY; answers += 1) cap = capAfterAnswer(cap, 32);
    // 16 + 17 + ... + 31, and less than one row of each more for what a fraction of an answer adds
    expect(answers).toBeGreaterThanOrEqual(376);
    expect(answers).toBeLessThan(376 + 16);
    expect(cap.halvedAt).toBe(7);
  });

  test("law: never below eight rows; a refusal never raises it and an answer never lowers it", () => {
    const event = fc.record({
      refuses: fc.boolean(),
      request: fc.nat(200),
      inFlight: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 100 }), fc.integer({ min: 1, max: 300 }), (events, limit) => {
        let cap = noCap;
        let sent = 200;
        for (const { refuses, request, inFlight } of events) {
          sent += 1;
          const before = cap;
          cap = refuses ? capAfterRefusal(cap, request, { limit, inFlight, sent }) : capAfterAnswer(cap, limit);
          expect(cap.rows).toBeGreaterThanOrEqual(8);
          if (refuses) expect(cap.rows).toBeLessThanOrEqual(before.rows);
          else expect(cap.rows).toBeGreaterThanOrEqual(before.rows);
        }
      }),
    );
  });
});
