import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createEngine } from "./engine.ts";
import type { LoopClock } from "./engine-loop.ts";
import { createFaults, type SimulatorFaults, unauthorizedReply } from "./faults.ts";
import { createMetrics } from "./metrics.ts";
import { resolveOptions, type SimulatorOptions } from "./options.ts";
import { jsonReply, Refusal, type Reply, refusalReply } from "./refusal.ts";
import { type Outcome, routes, type Served } from "./routes.ts";

export interface SimulatorStats {
  /** generations that arrived, refused ones included */
  readonly requests: number;
  /** generations whose client hung up before the answer */
  readonly aborted: number;
  /** rows in a slot now */
  readonly running: number;
  /** rows that wait for a slot now */
  readonly waiting: number;
  /** tokens of answers so far */
  readonly generatedTokens: number;
  readonly preemptions: number;
  /** prompt tokens found in the prefix cache so far */
  readonly cachedTokens: number;
}

export interface Simulator {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly stats: SimulatorStats;
  /** Resolves when a row has ended it (fault `diesOf`): nobody listens any more. */
  readonly died: Promise<void>;
  /** Replaces all faults; `{}` heals. */
  setFaults(faults: SimulatorFaults): void;
  /** At once: what is in flight is cut. May be called twice. */
  close(): Promise<void>;
}

/**
 * Starts a server that looks like `vllm serve` with a Yes/No judge. Its rewards mean nothing, except that it can add.
 * Rejects with RangeError for options that no engine could start with, and with the system's error where it cannot
 * listen.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const resolved = resolveOptions(options);
  const faults = createFaults();
  const metrics = createMetrics(resolved, Date.now() / 1_000);
  let tellDied: () => void = () => {};
  const died = new Promise<void>((resolve) => {
    tellDied = resolve;
  });
  const engine = createEngine(resolved, metrics, faults, realClock, () => {
    // not from within the loop that gives out slots
    setImmediate(() => void close().then(tellDied));
  });
  const { loop } = engine;
  let requests = 0;
  let answers = 0;
  const served: Served = {
    options: resolved,
    engine,
    faults,
    metrics,
    arrived: () => {
      requests += 1;
    },
    stamp: () => {
      answers += 1;
      return { id: answers.toString(16).padStart(16, "0"), created: Math.floor(Date.now() / 1_000) };
    },
  };

  const server = createServer((request, response) => {
    handle(request, response, served).catch(() => response.destroy());
  });
  // uvicorn's; a client that keeps a connection longer meets a reset, as with a real server
  server.keepAliveTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // uvicorn's; beyond this line connections are reset half a minute later, and a client looks for a proxy
    server.listen({ port: resolved.port, host: resolved.host, backlog: 2_048 }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("startSimulator: no port");

  const setFaults = (next: SimulatorFaults): void => {
    faults.set(next);
    loop.setFrozen(faults.hang);
    if (faults.engineDead) loop.kill();
  };
  setFaults(options.faults ?? {});

  return {
    url: `http://${resolved.host.includes(":") ? `[${resolved.host}]` : resolved.host}:${address.port}`,
    stats: {
      get requests() {
        return requests;
      },
      get aborted() {
        return loop.counters.aborted;
      },
      get running() {
        return loop.running;
      },
      get waiting() {
        return loop.waiting;
      },
      get generatedTokens() {
        loop.settle();
        return loop.counters.generationTokens;
      },
      get preemptions() {
        return loop.counters.preemptions;
      },
      get cachedTokens() {
        return loop.counters.prefixHits;
      },
    },
    setFaults,
    died,
    close,
  };

  function close(): Promise<void> {
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
      loop.kill();
    });
  }
}

/** Node runs a longer timer at once. The loop looks at the time itself, so an early call does no harm. */
const longestTimerMs = 2 ** 31 - 1;

const realClock: LoopClock = {
  now: () => performance.now(),
  schedule(ms, run) {
    if (ms <= 0) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(run, Math.min(Math.ceil(ms), longestTimerMs));
    return () => clearTimeout(timer);
  },
};

async function handle(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
  const hungUp = new AbortController();
  response.once("close", () => hungUp.abort());
  const path = new URL(request.url ?? "/", "http://simulator").pathname;
  const method = request.method ?? "GET";
  const noise = limitSilence(response, path, served.faults.silenceLimitMs);
  const outcome = await answer(request, method, path, served, hungUp.signal);
  if (outcome === null || hungUp.signal.aborted) return;
  if (outcome === "drop") {
    request.socket.destroy();
    return;
  }
  served.metrics.answered(path, method, outcome.status);
  if ("stream" in outcome) {
    response.writeHead(200, { connection: "keep-alive", "content-type": "text/event-stream; charset=utf-8" });
    await outcome.stream((text) => {
      noise();
      response.write(text);
    });
    response.end();
    return;
  }
  if (method === "POST" && path.startsWith("/v1/") && served.faults.firstByteDelayMs > 0)
    await wait(served.faults.firstByteDelayMs, hungUp.signal);
  write(response, outcome);
}

/** Cuts the connection when for so long nothing was heard; the one that is returned says that something was. */
function limitSilence(response: ServerResponse, path: string, limitMs: number | null): () => void {
  if (limitMs === null || !path.startsWith("/v1/")) return () => {};
  const timer = setTimeout(() => response.destroy(), limitMs);
  response.once("close", () => clearTimeout(timer));
  return () => void timer.refresh();
}

async function answer(
  request: IncomingMessage,
  method: string,
  path: string,
  served: Served,
  signal: AbortSignal,
): Promise<Outcome> {
  const { apiKey } = served.options;
  if (apiKey !== null && path.startsWith("/v1") && request.headers.authorization !== `Bearer ${apiKey}`)
    return unauthorizedReply;
  const route = routes[`${method} ${path}`];
  if (route === undefined) return unknownRoute(path);
  const body = await readBody(request);
  if (body === null) return null;
  const header = (name: string): string | null => {
    const value = request.headers[name];
    return typeof value === "string" ? value : null;
  };
  try {
    return await route(served, { body, header, signal });
  } catch (error) {
    if (error instanceof Refusal) return refusalReply(error);
    throw error;
  }
}

function unknownRoute(path: string): Reply {
  const isKnown = Object.keys(routes).some((route) => route.endsWith(` ${path}`));
  return isKnown ? jsonReply(405, { detail: "Method Not Allowed" }) : jsonReply(404, { detail: "Not Found" });
}

/** null when the client went away before it had said everything. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function write(response: ServerResponse, { status, contentType, body }: Reply): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(body, "utf8");
  response.writeHead(status, {
    // said aloud, so that Node adds no Keep-Alive hint, which uvicorn does not send either
    connection: "keep-alive",
    "content-length": bytes.length,
    ...(contentType === null ? {} : { "content-type": contentType }),
  });
  response.end(bytes);
}
