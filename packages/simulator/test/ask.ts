import type { Completion } from "@assay/core";
import { completionFromChat, completionFromText } from "@assay/core";
import type { Simulator } from "../src/index.ts";

export interface Said {
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

/** One request with everything that came back, unparsed. */
export async function post(
  { url }: Pick<Simulator, "url">,
  path: string,
  body: unknown,
  init: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Said> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...init.headers },
    body: JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
  return { status: response.status, contentType: response.headers.get("content-type"), text: await response.text() };
}

export async function get({ url }: Pick<Simulator, "url">, path: string): Promise<Said> {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, contentType: response.headers.get("content-type"), text: await response.text() };
}

export const verdictIds = [7414, 2308, 9454, 2753, 9834, 902, 9693, 2152, 14080, 5664, 14004, 8996];

/** The messages of a row under genrm-principle. */
export function row(prompt: string, response: string, principle: string) {
  return [
    { role: "user", content: prompt },
    { role: "assistant", content: response },
    { role: "principle", content: principle },
  ];
}

export async function askChat(simulator: Simulator, fields: { [field: string]: unknown }): Promise<Completion> {
  const said = await post(simulator, "/v1/chat/completions", { temperature: 0, ...fields });
  if (said.status !== 200) throw new Error(`${said.status} ${said.text}`);
  return completionFromChat(JSON.parse(said.text), 0, (fields.logprob_token_ids as number[] | undefined) ?? null);
}

export async function askRead(simulator: Simulator, prompt: readonly number[], ids = verdictIds): Promise<Completion> {
  const said = await post(simulator, "/v1/completions", {
    prompt,
    max_tokens: 1,
    temperature: 0,
    logprobs: 0,
    logprob_token_ids: ids,
    return_tokens_as_token_ids: true,
    return_token_ids: true,
  });
  if (said.status !== 200) throw new Error(`${said.status} ${said.text}`);
  return completionFromText(JSON.parse(said.text), 0);
}

/** Turns the event loop until something is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
