import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ScriptedServer {
  readonly url: string;
  readonly requests: { readonly path: string; readonly body: unknown; readonly headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

/** A server that answers as the test says. `answer` gets the n-th request, from 0. */
export async function scriptedServer(
  answer: (n: number, request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const requests: ScriptedServer["requests"] = [];
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      requests.push({
        path: request.url ?? "",
        body: text === "" ? undefined : JSON.parse(text),
        headers: request.headers,
      });
      answer(requests.length - 1, request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** A chat answer in vLLM's shape, as short as it may be. */
export const chatAnswer = {
  choices: [{ message: { content: "Final Judgement: Yes" }, finish_reason: "stop", token_ids: [25, 7414, 151645] }],
  prompt_token_ids: [1, 2, 3],
  usage: { prompt_tokens: 3, completion_tokens: 3, prompt_tokens_details: null },
};
