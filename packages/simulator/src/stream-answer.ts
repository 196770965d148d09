import type { AnswerStamp } from "./answer-body.ts";
import { chatPieces } from "./chat-pieces.ts";
import { completionPieces } from "./completion-pieces.ts";
import type { Engine } from "./engine.ts";
import type { Generation, Written } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";

/** How often what was written meanwhile is sent. */
const everyMs = 10;
/** Events that one look makes at most: vLLM, too, puts several tokens into one when it has written them at once. */
const mostEvents = 4;

/**
 * An answer in pieces, event for event as a real vLLM 0.32 sends it: nothing while the row waits, then what is written
 * as it is written. `send` gets whole events.
 */
export async function streamAnswer(
  { options, engine }: { readonly options: ResolvedOptions; readonly engine: Engine },
  generation: Generation,
  stamp: AnswerStamp,
  signal: AbortSignal,
  send: (text: string) => void,
): Promise<void> {
  const { show, path } = generation;
  const pieces = (path === "chat" ? chatPieces : completionPieces)(options, generation, stamp);
  let sent = 0;

  function event(more: object): void {
    send(`data: ${JSON.stringify({ ...pieces.head, created: stamp.created, model: options.model, ...more })}\n\n`);
  }

  function sendUntil(end: number, written: Written): void {
    const opening = end > sent && sent === 0 ? pieces.opening() : null;
    if (opening !== null) event(opening);
    const step = Math.ceil((end - sent) / mostEvents);
    while (sent < end) {
      const next = Math.min(end, sent + step);
      event(pieces.tokens(sent, next, written));
      sent = next;
    }
  }

  let timer: NodeJS.Timeout | undefined;
  const generated = await engine.generate(generation, signal, (written, count) => {
    // the last token comes with the end
    timer = setInterval(() => sendUntil(Math.min(count(), written.answer.ids.length - 1), written), everyMs);
  });
  clearInterval(timer);
  if (generated === null) return;
  if (generated === "dead") {
    const message = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
    send(`data: ${JSON.stringify({ error: { message, type: "InternalServerError", param: null, code: 500 } })}\n\n`);
  } else {
    sendUntil(generated.answer.ids.length, generated);
    if (show.usage) event({ choices: [], usage: pieces.usage(generated) });
  }
  send("data: [DONE]\n\n");
}
