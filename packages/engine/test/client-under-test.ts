import { buildRequest, type ChatRequest, type Profile, profileByName, type ReadRequest } from "@assay/core";
import { afterEach } from "@jest/globals";
import { Agent } from "undici";
import { createEngineClient } from "../src/engine-client.ts";
import { probeRow } from "../src/probe-template.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { never } from "./open-pool.ts";
import { type ScriptedServer, scriptedServer } from "./scripted-server.ts";

export function named(name: string): Profile {
  const profile = profileByName(name);
  if (profile === null) throw new Error(`no profile ${name}`);
  return profile;
}

export const genrm: Profile = named("genrm-principle");
const built = buildRequest(
  probeRow({ prompt: "What is 1+1?", response: "2", principle: "correctness" }),
  { model: "judge", profile: genrm, strip: "off", specials: "neutralise", samples: 1, seed: null },
  "two-step",
);
if (built.kind !== "ask") throw new Error("not asked");
export const chat: ChatRequest = built.request;
export const read: ReadRequest = {
  kind: "read",
  model: "judge",
  promptTokenIds: [1, 2],
  logprobTokenIds: [7414, 2308],
};
export const limits: { readonly signal: AbortSignal; readonly deadlineMs: number } = {
  signal: never,
  deadlineMs: 60_000,
};

/** As vLLM words a refusal. */
export const error = (message: string, type: string, code: number, param: string | null = null) => ({
  error: { message, type, param, code },
});

/** Clients against servers that answer as the test says; they and what a test puts into `open` are closed after it. */
export function clients() {
  const open: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });

  async function against(
    answer: Parameters<typeof scriptedServer>[0],
    options: { apiKey?: string; headersTimeout?: number } = {},
  ) {
    const server: ScriptedServer = await scriptedServer(answer);
    const agent = new Agent({
      ...engineAgentOptions(),
      ...(options.headersTimeout === undefined ? {} : { headersTimeout: options.headersTimeout }),
    });
    open.push(server, { close: () => agent.destroy() });
    return { server, client: createEngineClient({ url: server.url, agent, apiKey: options.apiKey ?? null }) };
  }

  return { open, against };
}
