import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/** One row was sent to an engine: the first of its requests, which carries its text. */
export interface Ask {
  /** as the inputs of a run number them: batch, record and principle */
  readonly row: string;
  /** the life of a worker that asked */
  readonly by: string;
  readonly at: number;
  /** URL of the engine behind the gate */
  readonly engine: string;
  /** when the asker had its answer, or was left without one; null = not yet */
  endedAt: number | null;
}

export interface EngineGate {
  readonly url: string;
  /** Answers the next so many generations with 429; Infinity until it is set to 0. */
  setBusy(times: number): void;
  close(): Promise<void>;
}

/** In the conversation "q<batch>.<record>", in the principle "p<n>": what the inputs of a run write into each row. */
export function rowOf(body: string): string | null {
  const record = /\bq(\d+\.\d+)\b/.exec(body)?.[1];
  const principle = /\bp(\d+) of q/.exec(body)?.[1];
  return record === undefined || principle === undefined ? null : `${record}.${principle}`;
}

/**
 * The door of an engine for one worker: passes everything on, and tells which row is asked by whom, which no engine
 * could be made to say from outside.
 */
export async function startEngineGate(
  engine: () => string,
  by: () => string,
  onAsk: (ask: Ask) => void,
  /** called when an answer has gone out; `row` is null for a probe's and for the second request of a row */
  onAnswer: (answer: { readonly row: string | null; readonly at: number }) => void = () => {},
): Promise<EngineGate> {
  const agent = new Agent({ keepAlive: true });
  let busy = 0;
  const server = createServer((near, answer) => {
    pass(near, answer).catch(() => answer.destroy());
  });
  server.keepAliveTimeout = 60_000;

  async function pass(near: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(near);
    let row: string | null = null;
    if (near.method === "POST" && near.url?.startsWith("/v1/")) {
      if (busy > 0) {
        busy -= 1;
        return void answer.writeHead(429, { "content-type": "application/json" }).end('{"error":{"message":"busy"}}');
      }
      row = near.url === "/v1/chat/completions" ? rowOf(body.toString()) : null;
      if (row !== null) {
        const ask: Ask = { row, by: by(), at: Date.now(), engine: engine(), endedAt: null };
        answer.once("close", () => {
          ask.endedAt = Date.now();
        });
        onAsk(ask);
      }
    }
    const far = httpRequest(new URL(near.url ?? "/", engine()), {
      method: near.method ?? "GET",
      headers: { ...near.headers, host: new URL(engine()).host },
      agent,
    });
    answer.once("close", () => far.destroy());
    far.on("error", () => answer.destroy());
    far.on("response", (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.on("error", () => answer.destroy()).on("aborted", () => answer.destroy());
      reply.pipe(answer);
      reply.once("end", () => onAnswer({ row, at: Date.now() }));
    });
    far.end(body);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the gate has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    setBusy(times) {
      busy = times;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}
