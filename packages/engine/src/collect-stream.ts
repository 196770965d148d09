/** Log-probability entries kept from the end, as completionFromChat looks at them. */
const keptEntries = 8;
/** One event is one or a few tokens with their log-probabilities; a server that sends longer ones is none of ours. */
const longestLine = 1024 * 1024;

/** A streamed answer, put together to what one piece would have been. */
export type Collected =
  /** `body` as the path that was asked answers it; `skipped` log-probabilities are left out in front */
  | { readonly kind: "answer"; readonly body: unknown; readonly skipped: number }
  /** the engine said in the stream that it failed; the body of an error answer */
  | { readonly kind: "failed"; readonly status: number; readonly body: unknown }
  /** the stream ended before the answer did */
  | { readonly kind: "cut" };

/**
 * Reads an answer of /v1/chat/completions or /v1/completions that is streamed as server-sent events, as a real vLLM
 * 0.32 sends it: the prompt's ids with the first one, then a few tokens each with their ids and log-probabilities, then
 * the finish reason, the usage and `[DONE]`. Holds the text, the ids and the last 8 log-probabilities, never the events.
 * Rejects with what the stream rejects with, and with Error where the events are none of an answer.
 */
export async function collectStream(pieces: AsyncIterable<Uint8Array>): Promise<Collected> {
  const collector = createCollector();
  for await (const line of linesOf(pieces)) {
    const data = line.startsWith("data:") ? line.slice("data:".length).trim() : "";
    // read on to the end of the stream: leaving it would close the connection
    if (data === "" || data === "[DONE]") continue;
    const event: unknown = JSON.parse(data);
    const { error } = (event ?? {}) as { error?: { code?: unknown } };
    if (error != null)
      return { kind: "failed", status: typeof error.code === "number" ? error.code : 500, body: event };
    collector.add(event as Chunk | null);
  }
  return collector.end();
}

interface Chunk {
  readonly model?: unknown;
  readonly prompt_token_ids?: unknown;
  readonly usage?: unknown;
  readonly choices?: readonly {
    readonly delta?: {
      readonly content?: unknown;
      readonly reasoning?: unknown;
      /** what llama.cpp, SGLang and older vLLM call it */
      readonly reasoning_content?: unknown;
    } | null;
    /** of /v1/completions, in the place of a delta */
    readonly text?: unknown;
    readonly logprobs?: (Partial<Columns> & { readonly content?: readonly unknown[] | null }) | null;
    readonly finish_reason?: unknown;
    readonly token_ids?: readonly number[] | null;
    readonly prompt_token_ids?: unknown;
  }[];
}

/** The log-probabilities of /v1/completions: a list for each field, not one of entries. */
interface Columns {
  readonly tokens: readonly unknown[];
  readonly token_logprobs: readonly unknown[];
  readonly top_logprobs: readonly unknown[] | null;
}

function createCollector() {
  const content: unknown[] = [];
  const reasoning: unknown[] = [];
  const ids: number[] = [];
  let entries: unknown[] = [];
  let told = 0;
  let toldIds = false;
  let toldLogprobs = false;
  let model: unknown;
  let promptIds: unknown = null;
  let usage: unknown = null;
  let finishReason: unknown = null;
  let isText = false;
  let inColumns = false;

  return {
    add(chunk: Chunk | null): void {
      if (!Array.isArray(chunk?.choices)) throw new Error("not an event of a streamed completion");
      model ??= chunk.model;
      promptIds ??= chunk.prompt_token_ids;
      // some servers count with every event: the last one is whole
      usage = chunk.usage ?? usage;
      const [choice] = chunk.choices;
      if (choice === undefined) return;
      // some servers have an empty one in every event but the last
      finishReason ||= choice.finish_reason || null;
      promptIds ??= choice.prompt_token_ids;
      if (choice.text != null) {
        isText = true;
        content.push(choice.text);
      }
      if (choice.delta?.content != null) content.push(choice.delta.content);
      const thought = choice.delta?.reasoning ?? choice.delta?.reasoning_content;
      if (thought != null) reasoning.push(thought);
      if (Array.isArray(choice.token_ids)) {
        toldIds = true;
        for (const id of choice.token_ids) ids.push(id);
      }
      const { logprobs } = choice;
      const fresh = Array.isArray(logprobs?.tokens) ? entriesOf(logprobs) : logprobs?.content;
      if (!Array.isArray(fresh)) return;
      toldLogprobs = true;
      inColumns ||= Array.isArray(logprobs?.tokens);
      told += fresh.length;
      entries = [...entries, ...fresh].slice(-keptEntries);
    },

    end(): Collected {
      if (finishReason === null || finishReason === undefined) return { kind: "cut" };
      const { completion_tokens: tokens } = (usage ?? {}) as { completion_tokens?: unknown };
      // a verdict is found by counting ids: one that is missing would shift it
      if (toldIds && typeof tokens === "number" && tokens !== ids.length)
        throw new Error(`${ids.length} token ids were streamed for ${tokens} tokens`);
      const said = {
        logprobs: !toldLogprobs ? null : inColumns ? columnsOf(entries as Entry[]) : { content: entries },
        finish_reason: finishReason,
        token_ids: toldIds ? ids : null,
      };
      const message = { content: joined(content), reasoning: reasoning.length === 0 ? null : joined(reasoning) };
      // numbers that nobody told are not made up: without them the answer is a bad one
      const counted =
        toldIds && Array.isArray(promptIds)
          ? { prompt_tokens: promptIds.length, completion_tokens: ids.length }
          : undefined;
      const body = isText
        ? { model, choices: [{ text: joined(content), ...said, prompt_token_ids: promptIds }], usage: usage ?? counted }
        : { model, choices: [{ message, ...said }], prompt_token_ids: promptIds, usage: usage ?? counted };
      return { kind: "answer", body, skipped: told - entries.length };
    },
  };
}

interface Entry {
  readonly token: unknown;
  readonly logprob: unknown;
  readonly top: unknown;
}

function entriesOf({ tokens = [], token_logprobs = [], top_logprobs = null }: Partial<Columns>): Entry[] {
  return tokens.map((token, i) => ({ token, logprob: token_logprobs[i], top: top_logprobs?.[i] ?? null }));
}

function columnsOf(entries: readonly Entry[]): Columns {
  return {
    tokens: entries.map(({ token }) => token),
    token_logprobs: entries.map(({ logprob }) => logprob),
    top_logprobs: entries.map(({ top }) => top),
  };
}

function joined(pieces: readonly unknown[]): string {
  if (!pieces.every((piece) => typeof piece === "string")) throw new Error("a streamed piece of text is no text");
  return pieces.join("");
}

/** The lines of a stream of bytes. A line is decoded whole, so no character is cut in two. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let held = 0;
  for await (const piece of pieces) {
    let bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let end = bytes.indexOf("\n"); end >= 0; end = bytes.indexOf("\n")) {
      yield Buffer.concat([...rest, bytes.subarray(0, end)]).toString("utf8");
      rest = [];
      held = 0;
      bytes = bytes.subarray(end + 1);
    }
    held += bytes.length;
    if (held > longestLine) throw new Error("a line of the stream is longer than 1 MiB");
    if (bytes.length > 0) rest.push(bytes);
  }
  if (held > 0) yield Buffer.concat(rest).toString("utf8");
}
