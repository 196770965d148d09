import { expect, test } from "@jest/globals";
import { builtInProfiles } from "../src/built-in-profiles.ts";
import { estimateNight } from "../src/estimate.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";

test("13 hours of one node are 273,000 rows; 20 million rows are 40 days", () => {
  expect(estimateNight(273_000, genrmPrinciple)?.nodeHours).toBeCloseTo(13, 9);
  expect((estimateNight(20_000_000, genrmPrinciple)?.nodeHours ?? 0) / 24).toBeCloseTo(39.7, 1);
  expect(estimateNight(0, genrmPrinciple)?.nodeHours).toBe(0);
});

test("a profile that states no rate has no estimate, never a guess", () => {
  expect(estimateNight(1_000, yesNo)).toBeNull();
});

test.each(builtInProfiles.filter(({ rate }) => rate !== null))(
  "$name: a stated rate says where it is from",
  (profile) => {
    const estimate = estimateNight(1, profile);
    expect(estimate?.source).toBe(profile.rate?.source);
    expect(estimate?.source).not.toBe("");
    expect([estimate?.rowsPerNodeHour, estimate?.tokensPerRow]).toEqual([
      profile.rate?.rows_per_node_hour,
      profile.rate?.tokens_per_row,
    ]);
  },
);
