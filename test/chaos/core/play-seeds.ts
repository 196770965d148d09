import { playSeed, replaySeed } from "./replay-seed.ts";

/** Plays the nights of some seeds, one after the other; throws at the first in which something is wrong, with all that is known about it. */
export async function playSeeds(seeds: Iterable<number>): Promise<void> {
  /** Rejections that nobody handles end a real process. */
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    for (const seed of seeds) {
      const { wrong } = await playSeed(seed);
      if (unhandled.length > 0)
        throw new Error(`seed ${seed}: a rejection that nobody handles: ${String(unhandled[0])}`);
      if (wrong.length > 0) throw new Error(`again: ${replayCommand(seed)}\n${await replaySeed(seed)}`);
    }
  } finally {
    process.off("unhandledRejection", note);
  }
}

function replayCommand(seed: number): string {
  return `npm run chaos:core -- --seed ${seed}`;
}
