import { test } from "@jest/globals";
import { playSeeds } from "./play-seeds.ts";

const nights = 1_000;

// two files, so that two cores share the nights
test.each([0, 2_000, 4_000, 6_000, 8_000])(
  "nothing lost, nothing twice, nothing invented, and an end: odd seeds from %i",
  (from) => playSeeds(Array.from({ length: nights }, (_, k) => from + 2 * k + 1)),
  300_000,
);
