/** Log-probability entries kept from the end, as completionFromChat looks at them. */
const keptEntries = 8;
/** One event is one or a few tokens with their log-probabilities; a server that sends longer ones is none of ours. */
const longestLine = 1024 * 1024;

/** A streamed chat answer, put together to what one piece would have been. */
export type Collected =
  /** `body` as POST /v1/chat/completions answers it; `skipped` log-probabilities are left out in front */
  | { readonly kind: "answer"; readonly body: unknown; readonly skipped: number }
  /** the engine said in the stream that it failed; the body of an error answer */
  | { readonly kind: "failed"; readonly status: number; readonly body: unknown }
  /** the stream ended before the answer did */
  | { readonly kind: "cut" };

/**
 * Reads a chat answer that is streamed as server-sent events, as a real vLLM 0.32 sends it: the prompt's ids with the
 * first one, then a few tokens each with their ids and log-probabilities, then the finish reason, the usage and
 * `[DONE]`. Holds the text, the ids and the last 8 log-probabilities, never the events. Rejects with what the stream
 * rejects with, and with Error where the events are none of a chat answer.
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
    readonly delta?: { readonly content?: unknown; readonly reasoning?: unknown } | null;
    readonly logprobs?: { readonly content?: readonly unknown[] | null } | null;
    readonly finish_reason?: unknown;
    readonly token_ids?: readonly number[] | null;
  }[];
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

  return {
    add(chunk: Chunk | null): void {
      if (!Array.isArray(chunk?.choices)) throw new Error("not an event of a streamed chat completion");
      model ??= chunk.model;
      promptIds ??= chunk.prompt_token_ids;
      usage ??= chunk.usage;
      const [choice] = chunk.choices;
      if (choice === undefined) return;
      finishReason ??= choice.finish_reason;
      if (choice.delta?.content != null) content.push(choice.delta.content);
      if (choice.delta?.reasoning != null) reasoning.push(choice.delta.reasoning);
      if (Array.isArray(choice.token_ids)) {
        toldIds = true;
        for (const id of choice.token_ids) ids.push(id);
      }
      if (Array.isArray(choice.logprobs?.content)) {
        toldLogprobs = true;
        told += choice.logprobs.content.length;
        entries = [...entries, ...choice.logprobs.content].slice(-keptEntries);
      }
    },

    end(): Collected {
      if (finishReason === null || finishReason === undefined) return { kind: "cut" };
      const { completion_tokens: tokens } = (usage ?? {}) as { completion_tokens?: unknown };
      // a verdict is found by counting ids: one that is missing would shift it
      if (toldIds && typeof tokens === "number" && tokens !== ids.length)
        throw new Error(`${ids.length} token ids were streamed for ${tokens} tokens`);
      const body = {
        model,
        choices: [
          {
            message: { content: joined(content), reasoning: reasoning.length === 0 ? null : joined(reasoning) },
            logprobs: toldLogprobs ? { content: entries } : null,
            finish_reason: finishReason,
            token_ids: toldIds ? ids : null,
          },
        ],
        prompt_token_ids: promptIds,
        usage: usage ?? {
          prompt_tokens: Array.isArray(promptIds) ? promptIds.length : 0,
          completion_tokens: ids.length,
        },
      };
      return { kind: "answer", body, skipped: told - entries.length };
    },
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
