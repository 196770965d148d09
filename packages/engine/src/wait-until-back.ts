import type { EngineClient } from "./engine-client.ts";
import type { Fate } from "./port.ts";
import { inSeconds, limitAfterLook, type ProxyLimit } from "./proxy-limit.ts";
import type { TakeBack } from "./take-back.ts";

/** What of an engine is looked at, and may change, between its loss and its return. */
export interface LostEngine {
  readonly client: EngineClient;
  /** it was given up: answering is not enough to be taken back */
  doubted: boolean;
  proxy: ProxyLimit;
  /** raised whenever it cannot be said any more that the process is the one that it was */
  epoch: number;
}

/** Pauses between looks at an engine that was lost: soon at first, since most losses are one cut connection. */
const lookAgainMs = { first: 100, most: 5_000 } as const;

/**
 * Looks at an engine that was lost until rows may go there again; returns what became of it, null when the signal ended
 * the waiting. An engine that does not tell its process lives when the first look finds it answering: nothing that loads
 * weights is back so soon. What was given up for hanging died, whatever process answers.
 */
export async function waitUntilBack(
  engine: LostEngine,
  why: string,
  options: {
    look: TakeBack["look"];
    onWarning: (text: string) => void;
    /** resolves after `ms`, rejects when the signal aborts */
    sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
    signal: AbortSignal;
  },
): Promise<Fate | null> {
  const { client } = engine;
  let wasAway = false;
  let isOther = false;
  for (let pauseMs: number = lookAgainMs.first; ; pauseMs = Math.min(pauseMs * 2, lookAgainMs.most)) {
    try {
      await options.sleep(pauseMs, options.signal);
    } catch {
      return null;
    }
    const { doubted } = engine;
    const found = await options.look(client, doubted);
    if (found !== "same" && !isOther) engine.epoch += 1;
    if (!isOther) noteLosses(engine, found !== "away", options.onWarning);
    isOther ||= found !== "same";
    // given up while it was looked at: once more, and closer
    if (engine.doubted && !doubted) continue;
    if (found !== "away") {
      if (wasAway) options.onWarning(`engine ${client.origin} is back`);
      const lives = found === "same" || (found === "untold" && !wasAway);
      return lives && !doubted ? "lives" : "died";
    }
    if (!wasAway) options.onWarning(`engine ${client.origin} is away (${why}); its rows wait or go elsewhere`);
    wasAway = true;
  }
}

/** A proxy's limit is got around by streaming; one that holds for streams, too, is the rows' own from then on. */
function noteLosses(engine: LostEngine, lives: boolean, onWarning: (text: string) => void): void {
  const before = engine.proxy;
  engine.proxy = limitAfterLook(before, lives);
  const { foundMs, isHard } = engine.proxy;
  if (foundMs === null || (foundMs === before.foundMs && isHard === before.isHard)) return;
  if (!isHard) engine.client.streamFromNowOn();
  const what = `engine ${engine.client.origin} lives, yet three answers were cut after ${inSeconds(foundMs)} s`;
  onWarning(
    isHard
      ? `${what}, though streamed: rows that take longer fail; raise the limit of the proxy in front of it`
      : `${what}: a proxy's limit; its answers are streamed from now on`,
  );
}
