import { parseArgs } from "node:util";
import { playSeed, replaySeed } from "./replay-seed.ts";

/**
 * Nights by hand: --seed N plays that one and says what happened in it; --minutes M plays seeds from --from (a random
 * one where it is left out) for so long; --nights K so many. Exit 1 at the first night in which something is wrong.
 */
export async function runCore(args: readonly string[], print: (line: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      from: { type: "string" },
      minutes: { type: "string" },
      nights: { type: "string" },
    },
  });
  if (values.seed !== undefined && values.minutes === undefined && values.nights === undefined) {
    print(await replaySeed(Number(values.seed)));
    return (await playSeed(Number(values.seed))).wrong.length === 0 ? 0 : 1;
  }
  const from = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 2 ** 30));
  const until =
    performance.now() + Number(values.minutes ?? (values.nights === undefined ? 5 : Number.POSITIVE_INFINITY)) * 60_000;
  const most = Number(values.nights ?? Number.POSITIVE_INFINITY);
  const counts = new Map<string, number>();
  let nights = 0;
  let playing = from;
  /** Rejections that nobody handles end a real process. */
  process.on("unhandledRejection", (reason) => {
    print(`seed ${playing}: a rejection that nobody handles: ${String(reason)}`);
    process.exit(1);
  });
  for (let seed = from; performance.now() < until && nights < most; seed += 1) {
    playing = seed;
    const { morning, wrong } = await playSeed(seed);
    nights += 1;
    for (const [what, times] of morning.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    if (wrong.length === 0) continue;
    print(await replaySeed(seed));
    print(`seed ${seed} after ${nights} nights; again: npm run chaos:core -- --seed ${seed}`);
    return 1;
  }
  print(
    `${nights} nights from seed ${from}, nothing wrong: ${[...counts]
      .sort()
      .map(([what, times]) => `${what} ${times}`)
      .join(", ")}`,
  );
  return 0;
}
