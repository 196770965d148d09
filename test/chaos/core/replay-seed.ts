import fc from "fast-check";
import { checkMorning } from "./check-morning.ts";
import { type Night, nightOf, nightsLike } from "./night.ts";
import type { Planted } from "./planted-bugs.ts";
import { type Morning, playNight } from "./play-night.ts";

/** Plays the night of a seed and checks the laws. */
export async function playSeed(
  seed: number,
  planted?: Planted,
): Promise<{ morning: Morning; wrong: readonly string[] }> {
  return playChecked(nightOf(seed), planted);
}

async function playChecked(night: Night, planted?: Planted, trace?: (line: string) => void) {
  const morning = await playNight(night, {
    ...(planted === undefined ? {} : { planted }),
    ...(trace === undefined ? {} : { trace }),
  });
  return { morning, wrong: await checkMorning(morning) };
}

/** Shrinking may take so long; each try is one night. */
const shrinksMs = 60_000;

/**
 * The smallest night found in which something is wrong, what that is, and what happened in it, as text. For a seed
 * whose night is fine: that night, and what happened.
 */
export async function replaySeed(seed: number, planted?: Planted): Promise<string> {
  const night = nightOf(seed);
  const { wrong } = await playChecked(night, planted);
  const small = wrong.length === 0 ? night : await shrink(night, planted);
  const lines: string[] = [];
  const again = await playChecked(small, planted, (line) => lines.push(line));
  return [
    `seed ${seed}: ${JSON.stringify(night)}`,
    ...(wrong.length === 0 ? ["nothing is wrong"] : wrong.map((line) => `wrong: ${line}`)),
    ...(small === night
      ? []
      : [
          `the smallest night with something wrong: ${JSON.stringify(small)}`,
          ...again.wrong.map((line) => `wrong there: ${line}`),
        ]),
    ...lines,
  ].join("\n");
}

async function shrink(night: Night, planted?: Planted): Promise<Night> {
  const isFine = async (one: Night): Promise<boolean> => (await playChecked(one, planted)).wrong.length === 0;
  const { counterexample } = await fc.check(fc.asyncProperty(nightsLike(night), isFine), {
    examples: [[night]],
    numRuns: 1,
    interruptAfterTimeLimit: shrinksMs,
  });
  return counterexample?.[0] ?? night;
}
