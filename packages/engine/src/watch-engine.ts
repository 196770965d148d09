import { setTimeout as sleep } from "node:timers/promises";
import type { EngineClient } from "./engine-client.ts";
import { type LimiterState, nextLimit, startLimiter } from "./limiter.ts";
import { type EngineMetrics, processStart, readMetrics } from "./read-metrics.ts";

export interface WatchOptions {
  /** rows in flight that a person insists on; null = the limiter decides */
  readonly inFlight: number | null;
  /** tokens that a row holds on average: prompt and the answer so far */
  readonly liveTokens: number;
  /** how often the engine is looked at */
  readonly everyMs: number;
  /**
   * no token in this long, with rows running: the engine hangs, whatever /health says. No connection to be had for this
   * long: its machine is gone, and nothing says so on those that are open
   */
  readonly hungMs: number;
  /** nobody listens at its port, though somebody did before: may be called at every look */
  readonly onRefused: () => void;
  /** when the process behind the URL began (epoch seconds; null = not told), at every look that it answers */
  readonly onProcess: (startedAt: number | null) => void;
  /** nobody listens at its port for this long: rows in flight may hang on open connections that nobody serves */
  readonly goneMs: number;
  readonly setLimit: (limit: number) => void;
  /** rows that are in flight there now, by this worker */
  readonly taken: () => number;
  readonly onHung: (reason: string) => void;
  /** may be called at every look; an engine that still loads its weights is gone, too, and needs no mending */
  readonly onGone: (reason: string) => void;
  readonly signal: AbortSignal;
}

const answerLimitMs = 10_000;

/**
 * Looks at one engine every few seconds until the signal aborts: sets the limit of rows in flight from its own state
 * (limiter), and tells when it writes no more tokens although rows run (watchdog). An engine without /metrics keeps a
 * fixed limit and has no watchdog but the deadline of each request.
 */
export async function watchEngine(client: EngineClient, options: WatchOptions): Promise<void> {
  let limiter: LimiterState | null = null;
  let progress: { tokens: number; startedAt: number | null; at: number } | null = null;
  let goneSince: number | null = null;
  let unheardSince: number | null = null;
  let wasSeen = false;
  while (!options.signal.aborted) {
    const { status, body } = await client.ask("/metrics", undefined, answerLimitMs);
    const metrics: EngineMetrics | null = status === 200 && typeof body === "string" ? readMetrics(body) : null;
    if (status === 200 && typeof body === "string") options.onProcess(processStart(body));
    wasSeen ||= status !== 0;
    if (status !== 0 || !isRefused(body)) goneSince = null;
    else {
      if (wasSeen) options.onRefused();
      goneSince ??= performance.now();
      if (performance.now() - goneSince >= options.goneMs) options.onGone("nobody listens at its port");
    }
    if (status !== 0 || !isUnheard(body)) unheardSince = null;
    else {
      unheardSince ??= performance.now();
      if (performance.now() - unheardSince >= options.hungMs) options.onGone("no connection to it can be made");
    }
    if (metrics !== null) {
      limiter =
        limiter === null
          ? startLimiter(metrics.kvTokens, options.liveTokens)
          : nextLimit(limiter, metrics, options.taken());
      if (options.inFlight === null) options.setLimit(limiter.limit);
      const now = performance.now();
      const moved =
        progress === null ||
        metrics.running + metrics.waiting === 0 ||
        metrics.generationTokens !== progress.tokens ||
        metrics.startedAt !== progress.startedAt;
      if (moved) progress = { tokens: metrics.generationTokens, startedAt: metrics.startedAt, at: now };
      else if (progress !== null && now - progress.at >= options.hungMs) {
        progress = null;
        options.onHung("no token although rows run");
      }
    }
    await sleep(options.everyMs, undefined, { signal: options.signal, ref: false }).catch(() => {});
  }
}

/** A time-out is no refusal: the API server of a full engine may be slow to answer. */
function isRefused(code: unknown): boolean {
  return code === "ECONNREFUSED" || code === "EHOSTUNREACH" || code === "ENOTFOUND";
}

/** Packets are swallowed, as by a machine that is gone. A full engine is slow to answer, and its kernel still connects. */
function isUnheard(code: unknown): boolean {
  return code === "UND_ERR_CONNECT_TIMEOUT";
}
