import {
  type BuildSettings,
  buildRequest,
  canonicalJson,
  completionFromChat,
  completionFromText,
  type Message,
  type Pin,
  type Profile,
  type Row,
  renderPlain,
  type ServerForm,
  sha256,
} from "@assay/core";
import type { EngineClient, HttpAnswer } from "./engine-client.ts";

/** Asks the server to render and tokenise: small, but the first one may wait for a busy API server. */
const tokenizeLimitMs = 30_000;

/** Templates of some models print today's date: a fixed one keeps the fingerprint from moving at midnight. */
const pinnedDate = "01 Jan 2026";

export type Delimiters = Pin["delimiters"];

/** The ids of a text as the server's tokenizer has them; null where it does not tell them on /tokenize. */
export async function tokenizeText(client: EngineClient, model: string, prompt: string): Promise<number[] | null> {
  const ids = idsOf(await client.ask("/tokenize", { model, prompt, add_special_tokens: false }, tokenizeLimitMs));
  // llama.cpp, which calls the text otherwise, answers with an empty list
  return ids?.length === 0 && prompt !== "" ? null : ids;
}

/** A conversation as the server's prompt. `ids` null: it tells only how many there are. */
export type RenderedPrompt = { readonly ids: readonly number[] | null; readonly count: number };

/**
 * A conversation as this server renders it, or its words for why not: by /tokenize, else by asking for one token. As
 * its template does it, or as the profile's plain text.
 */
export async function renderAt(
  client: EngineClient,
  model: string,
  messages: readonly Message[],
  profile: Profile,
  rendered: ServerForm["rendered"],
): Promise<RenderedPrompt | { refused: string }> {
  const kwargs = { ...profile.messages.template_kwargs, date_string: pinnedDate };
  const prompt =
    rendered === "plain"
      ? {
          path: "/v1/completions",
          said: { prompt: renderPlain(messages, profile) },
          vllm: { add_special_tokens: false },
        }
      : { path: "/v1/chat/completions", said: { messages }, vllm: { chat_template_kwargs: kwargs } };
  const ids = idsOf(
    await client.ask(
      "/tokenize",
      { model, ...prompt.said, ...prompt.vllm, ...(rendered === "plain" ? {} : { add_generation_prompt: true }) },
      tokenizeLimitMs,
    ),
  );
  if (ids !== null && ids.length > 0) return { ids, count: ids.length };
  // it has no such path, or another of the same name: whether it refuses the messages is told by a request alone
  const one = { model, ...prompt.said, max_tokens: 1, temperature: 0 };
  const full = await client.ask(prompt.path, { ...one, ...prompt.vllm, return_token_ids: true }, tokenizeLimitMs);
  const answer = isRefusal(full.status) ? await client.ask(prompt.path, one, tokenizeLimitMs) : full;
  if (answer.status !== 200) return { refused: refusalWords(answer) };
  try {
    const completion = rendered === "plain" ? completionFromText(answer.body, 0) : completionFromChat(answer.body, 0);
    return { ids: completion.promptTokenIds, count: completion.usage.promptTokens };
  } catch (error) {
    return { refused: `200, but ${(error as Error).message}` };
  }
}

/** The statuses of a request that a server does not take as it is. */
export function isRefusal(status: number): boolean {
  return status === 400 || status === 422;
}

/** Status and words of an answer that is none. */
export function refusalWords({ status, body }: HttpAnswer): string {
  if (status === 0) return String(body);
  const message = (body as { error?: { message?: unknown } } | null)?.error?.message;
  return `${status} ${typeof message === "string" ? message.slice(0, 200) : ""}`.trim();
}

/**
 * Identity of the template: the ids of a fixed conversation under the profile's layout. Where they are not told, their
 * number: less, but a template of another length is still another.
 */
export function templateFingerprint({ ids, count }: RenderedPrompt): string {
  return sha256(canonicalJson(ids ?? { count }));
}

/** A row for the probe: `turns` messages before the principle, or one more where a system message begins it. */
export function probeRow(options: {
  prompt: string;
  response: string;
  principle: string;
  rounds?: number;
  system?: string;
}): Row {
  const round: Message[] = [
    { role: "user", content: options.prompt },
    { role: "assistant", content: "yes" },
  ];
  const system: Message[] = options.system === undefined ? [] : [{ role: "system", content: options.system }];
  const before = Array.from({ length: (options.rounds ?? 1) - 1 }, () => round).flat();
  return {
    rowIndex: 0,
    principleIndex: 0,
    principle: options.principle,
    line: {
      row_index: 0,
      id: "probe",
      group: "probe",
      input: "probe",
      input_line: 1,
      response_index: 0,
      messages: [...system, ...before, { role: "user", content: options.prompt }],
      response: options.response,
      principles: [{ row_index: 0, principle_index: 0, text: options.principle }],
      carried: null,
    },
  };
}

/** The final messages of a row, as a request sends them. */
export function messagesOf(row: Row, model: string, profile: Profile): readonly Message[] {
  const settings: BuildSettings = { model, profile, strip: "off", specials: "neutralise", samples: 1, seed: null };
  const built = buildRequest(row, settings, "top");
  if (built.kind !== "ask") throw new TypeError(`the probe's own row is not asked: ${built.why}`);
  return built.request.messages;
}

/**
 * How many of each turn delimiter the template makes: measured on conversations of three lengths, one of them with a
 * system message, since some templates bring one of their own where none is given. null with a reason when the counts
 * are no such rule.
 */
export async function measureDelimiters(
  client: EngineClient,
  model: string,
  profile: Profile,
  as: ServerForm["rendered"],
): Promise<{ delimiters: Delimiters } | { why: string }> {
  const words = [...profile.specials.openers, ...profile.specials.closers];
  const ids: number[] = [];
  for (const word of words) {
    const tokens = await tokenizeText(client, model, word);
    if (tokens?.length !== 1 || tokens[0] === undefined) return { why: `"${word}" is not one token here` };
    ids.push(tokens[0]);
  }
  if (ids.length === 0) return { delimiters: [] };
  const texts = { prompt: "a", response: "b", principle: "c" };
  const rows = [probeRow(texts), probeRow({ ...texts, rounds: 3 }), probeRow({ ...texts, system: "d" })];
  const seen: { turns: number; ids: readonly number[] }[] = [];
  for (const row of rows) {
    const messages = messagesOf(row, model, profile);
    const rendered = await renderAt(client, model, messages, profile, as);
    if ("refused" in rendered) return { why: `the template refuses a conversation: ${rendered.refused}` };
    if (rendered.ids === null) return { why: "the ids of a prompt are not told" };
    seen.push({ turns: messages.length, ids: rendered.ids });
  }
  const [short, long, system] = seen;
  if (short === undefined || long === undefined || system === undefined) return { why: "nothing was rendered" };
  const delimiters: Delimiters = [];
  for (const [i, id] of ids.entries()) {
    const count = (tokens: readonly number[]): number => tokens.filter((token) => token === id).length;
    const perTurn = (count(long.ids) - count(short.ids)) / (long.turns - short.turns);
    if (!Number.isInteger(perTurn)) return { why: `the template makes "${words[i]}" without a rule` };
    const extra = count(short.ids) - perTurn * short.turns;
    delimiters.push({
      id,
      per_turn: perTurn,
      extra,
      extra_system: count(system.ids) - perTurn * system.turns,
    });
  }
  return { delimiters };
}

/**
 * Whether a row whose text holds every special of the profile stays text (P11): its prompt must hold each special as
 * often as a harmless row's of the same turns. Returns what is wrong, or null.
 */
export async function specialsLeak(
  client: EngineClient,
  model: string,
  profile: Profile,
  as: ServerForm["rendered"],
): Promise<string | null> {
  const { openers, closers, others } = profile.specials;
  const specials = [...openers, ...closers, ...others];
  const rendered = async (text: string): Promise<readonly number[] | string> => {
    const row = probeRow({ prompt: text, response: text, principle: text, rounds: 2 });
    const answer = await renderAt(client, model, messagesOf(row, model, profile), profile, as);
    if ("refused" in answer) return `the template refuses such a row: ${answer.refused}`;
    return answer.ids ?? "the ids of a prompt are not told";
  };
  const harmless = await rendered("x");
  const hostile = await rendered(specials.map((special) => `x${special}y`).join("\n"));
  if (typeof harmless === "string") return harmless;
  if (typeof hostile === "string") return hostile;
  for (const special of specials) {
    const ids = await tokenizeText(client, model, special);
    // what is no single token here cannot speak as the template
    if (ids?.length !== 1) continue;
    const count = (tokens: readonly number[]): number => tokens.filter((token) => token === ids[0]).length;
    if (count(hostile) !== count(harmless)) return `${special} in a row's text became ${count(hostile)} special tokens`;
  }
  return null;
}

function idsOf(answer: { status: number; body: unknown }): number[] | null {
  const tokens = (answer.body as { tokens?: unknown } | null)?.tokens;
  return answer.status === 200 && Array.isArray(tokens) ? (tokens as number[]) : null;
}
