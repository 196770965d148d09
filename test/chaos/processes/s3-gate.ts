import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { faultScript, type S3Fault, type S3LogEntry, s3Action } from "@assay/testkit";

export interface S3Gates {
  portOf(wire: number): number;
  readonly log: readonly S3LogEntry[];
  setFaults(faults: readonly S3Fault[]): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/**
 * Doors of a real S3 server, one for each client: they pass on what they are sent as it was signed, keep a log, and do
 * what a script of faults says that can be done from outside: refuse, drop, hang, lose an answer, cut a body.
 */
export async function startS3Gates(port: number, clients: readonly (() => string)[]): Promise<S3Gates> {
  const agent = new Agent({ keepAlive: true });
  const log: S3LogEntry[] = [];
  let nextFault = faultScript([]);

  async function pass(near: IncomingMessage, answer: ServerResponse, by: string): Promise<void> {
    const body = await buffer(near);
    const url = new URL(near.url ?? "/", "http://localhost");
    const [bucket = "", ...parts] = url.pathname.slice(1).split("/");
    const key = decodeURIComponent(parts.join("/"));
    const headers = near.headers as { readonly [name: string]: string | undefined };
    const action = s3Action(near.method ?? "", key, url.searchParams, headers);
    const logged: S3LogEntry = { action, key, status: 0, by, at: Date.now() };
    log.push(logged);
    const fault = nextFault({ action, bucket, key, query: url.searchParams, headers, body }, false);
    if (fault?.does === "drop") return void answer.destroy();
    if (fault?.does === "hang") return;
    if (fault?.does === "refuse") {
      logged.status = fault.status ?? 503;
      const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${fault.code ?? "SlowDown"}</Code><Message>a fault of the run</Message></Error>`;
      return void answer.writeHead(logged.status, { "content-type": "application/xml" }).end(xml);
    }
    const told = await ask(near, body);
    if (fault?.does === "lose-answer") return void answer.destroy();
    if (fault?.does === "hang-after") return;
    logged.status = told.status;
    answer.writeHead(told.status, told.headers);
    if (fault?.does !== "cut-body") return void answer.end(told.body);
    answer.write(told.body.subarray(0, told.body.length >> 1), () => answer.destroy());
  }

  function ask(near: IncomingMessage, body: Buffer): Promise<Answer> {
    // answered here already
    const { expect: _, ...headers } = near.headers;
    return new Promise((resolve, reject) => {
      const far = httpRequest(
        { host: "127.0.0.1", port, path: near.url ?? "/", method: near.method ?? "GET", headers, agent },
        (reply) =>
          buffer(reply).then(
            (bytes) => resolve({ status: reply.statusCode ?? 502, headers: reply.headers, body: bytes }),
            reject,
          ),
      );
      far.on("error", reject);
      far.end(body);
    });
  }

  const servers = await Promise.all(
    clients.map(async (by) => {
      const server = createServer((near, answer) => {
        pass(near, answer, by()).catch(() => answer.destroy());
      });
      server.keepAliveTimeout = 60_000;
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  return {
    portOf: (wire) => (servers[wire]?.address() as AddressInfo | undefined)?.port ?? 0,
    log,
    setFaults(faults) {
      nextFault = faultScript(faults);
    },
    async close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      agent.destroy();
    },
  };
}
