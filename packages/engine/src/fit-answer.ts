import type { ChatRequest } from "@assay/core";

/** Rendering and tokenising one prompt behind others on a busy API server. */
const limitMs = 30_000;

/**
 * The same request with the answer budget that fits behind its prompt; null where nothing fits, where the budget was
 * not what is too long, or where the server does not say. The prompt is counted by the server: what it says with a
 * refusal differs between versions and often leaves the count out.
 */
export async function fitAnswer(
  ask: (path: string, body: unknown, limitMs: number) => Promise<{ status: number; body: unknown }>,
  request: ChatRequest,
): Promise<ChatRequest | null> {
  const { model, messages, templateKwargs, text } = request;
  // who is sent the text refuses the messages
  const rendering =
    text === null
      ? { model, messages, add_generation_prompt: true, chat_template_kwargs: templateKwargs }
      : { model, prompt: text, add_special_tokens: false };
  const { status, body } = await ask("/tokenize", rendering, limitMs);
  const { count, max_model_len: context } = (body ?? {}) as { count?: unknown; max_model_len?: unknown };
  if (status !== 200 || typeof count !== "number" || typeof context !== "number") return null;
  const room = context - count;
  return room >= 1 && room < request.maxTokens ? { ...request, maxTokens: room } : null;
}
