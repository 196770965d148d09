import type { BatchFile } from "./batch-file.ts";
import type { ChatRequest, ReadRequest } from "./engine-request.ts";
import { neutraliseSpecials } from "./neutralise-specials.ts";
import { type Profile, verdictIds } from "./profile.ts";
import { type ReadWay, type ServerForm, vllmForm } from "./read-way.ts";
import { renderPlain } from "./render-plain.ts";
import type { Message, Row } from "./row.ts";
import { rowKey } from "./row-key.ts";
import { stripReasoning } from "./strip-reasoning.ts";

export type BuildSettings = Pick<BatchFile, "model" | "profile" | "strip" | "specials" | "samples" | "seed">;

export type BuiltRequest =
  | {
      readonly kind: "ask";
      readonly request: ChatRequest;
      readonly rowKey: string;
      /** places where the row's text would have become template */
      readonly neutralised: number;
      readonly strippedChars: number;
    }
  /** Decided without asking. */
  | {
      readonly kind: "unasked";
      readonly status: "no_response" | "rejected";
      readonly errorCode: string;
      readonly why: string;
      readonly neutralised: number;
    };

/**
 * The first request of a row: the conversation, the judged response (stripped of the policy's thinking), and the
 * principle as the profile lays it out, every text neutralised. Pure. Two steps ask for no log-probabilities, which
 * cost 1.6 times the engine's time over a long reasoning. `server`: what the probe found it to take.
 */
export function buildRequest(
  row: Row,
  settings: BuildSettings,
  way: ReadWay,
  server: ServerForm = vllmForm,
): BuiltRequest {
  const { profile } = settings;
  const prepared = prepareRow(row, settings);
  if (prepared.kind === "unasked") return prepared;
  const { messages, ...asked } = prepared;
  const { sampling } = profile;
  return {
    ...asked,
    request: inWay(
      {
        kind: "chat",
        model: settings.model,
        messages,
        text: server.rendered === "plain" ? renderPlain(messages, profile) : null,
        fields: server.fields,
        templateKwargs: profile.messages.template_kwargs,
        temperature: sampling.temperature,
        topP: sampling.top_p,
        topK: sampling.top_k,
        minP: sampling.min_p,
        repetitionPenalty: sampling.repetition_penalty,
        maxTokens: profile.max_tokens,
        seed: settings.seed,
        logprobTokenIds: null,
        topLogprobs: null,
      },
      profile,
      way,
      server,
    ),
  };
}

/** The same request with the log-probabilities that one way of reading needs. The row's key does not change by it. */
export function inWay(
  request: ChatRequest,
  profile: Profile,
  way: ReadWay,
  server: ServerForm = vllmForm,
): ChatRequest {
  const { fields } = server;
  if (way === "top") return { ...request, fields, logprobTokenIds: null, topLogprobs: server.topLogprobs };
  // a one-token answer has no second step to read it in
  const exact = way === "ids" || profile.verdict.position === "first";
  return { ...request, fields, logprobTokenIds: exact ? verdictIds(profile) : null, topLogprobs: null };
}

/** What a row asks, whichever engine it goes to: its messages and key, or why it is not asked. Pure. */
export function prepareRow(
  row: Row,
  settings: BuildSettings,
):
  | (Omit<Extract<BuiltRequest, { kind: "ask" }>, "request"> & { readonly messages: readonly Message[] })
  | Extract<BuiltRequest, { kind: "unasked" }> {
  const { profile } = settings;
  const stripped = stripReasoning(row.line.response, settings.strip);
  if (!stripped.ok) {
    return { kind: "unasked", status: "no_response", errorCode: "E_NO_RESPONSE", why: stripped.why, neutralised: 0 };
  }
  const raw = layOut([...row.line.messages, { role: "assistant", content: stripped.text }], row.principle, profile);
  const { messages, count } = settings.specials === "allow" ? { messages: raw, count: 0 } : neutralise(raw, profile);
  if (settings.specials === "reject" && count > 0) {
    return {
      kind: "unasked",
      status: "rejected",
      errorCode: "E_SPECIALS",
      why: `the row's text holds ${count} of the template's special strings`,
      neutralised: count,
    };
  }
  return {
    kind: "ask",
    rowKey: rowKey({ messages, model: settings.model, profile, samples: settings.samples, seed: settings.seed }),
    neutralised: count,
    strippedChars: stripped.strippedChars,
    messages,
  };
}

/**
 * The second request of a row: exactly the ids up to, but without, the verdict at `position`. No text is tokenised
 * again, so the model sees the very prefix it had when it chose the verdict. One id early or late gives a margin that
 * looks fine and a mass near zero.
 */
export function buildReadRequest(
  model: string,
  promptTokenIds: readonly number[],
  tokenIds: readonly number[],
  position: number,
  profile: Profile,
): ReadRequest {
  return {
    kind: "read",
    model,
    promptTokenIds: [...promptTokenIds, ...tokenIds.slice(0, position)],
    logprobTokenIds: verdictIds(profile),
  };
}

function layOut(conversation: readonly Message[], principle: string, profile: Profile): Message[] {
  const how = profile.messages.principle;
  if (how.as === "principle-role") return [...conversation, { role: "principle", content: principle }];
  // a function, so that "$&" in a principle stays what it is
  return [...conversation, { role: "user", content: how.text.replaceAll("{principle}", () => principle) }];
}

function neutralise(messages: readonly Message[], profile: Profile): { messages: Message[]; count: number } {
  let count = 0;
  const clean = messages.map(({ role, content }) => {
    const neutral = neutraliseSpecials(content, profile.specials);
    count += neutral.count;
    return { role, content: neutral.text };
  });
  return { messages: clean, count };
}
