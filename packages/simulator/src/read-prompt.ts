import { addId, type IdHash, normal, startHash } from "./hash-ids.ts";
import { detokenize } from "./tokenizer.ts";
import { tokens } from "./vocabulary.ts";

export interface PromptFacts {
  /** the prompt's ids come first in the list that was read; generation begins here */
  readonly promptLength: number;
  /** hash of the prompt's ids */
  readonly hash: Readonly<IdHash>;
  /** judge: reasons, then a verdict. one-word: was told to answer Yes or No only. none: no assistant turn to write */
  readonly kind: "judge" | "one-word" | "none";
  /** standard normal: how much the model likes what the prompt shows; the reasoning moves it a little */
  readonly liking: number;
  /** the sums in the judged response: all right, one wrong, or none there */
  readonly sums: "right" | "wrong" | "none";
}

/**
 * What the simulated model takes from a prompt, from token ids alone: where it ends (behind the last
 * `<|im_start|>assistant\n`; what follows was generated), what is asked for, and how it leans. Pure; linear.
 */
export function readPrompt(ids: readonly number[], seed: number): PromptFacts {
  const turn = ids.lastIndexOf(tokens.imStart);
  const isOpen = turn >= 0 && ids[turn + 1] === tokens.assistant && ids[turn + 2] === tokens.newline;
  const promptLength = isOpen ? turn + 3 : ids.length;
  const hash = startHash(seed);
  for (let i = 0; i < promptLength; i += 1) addId(hash, ids[i] ?? 0);
  const liking = normal(hash, salts.liking);
  if (!isOpen) return { promptLength, hash, kind: "none", liking, sums: "none" };
  const turns = readTurns(detokenize(ids.slice(0, turn)));
  return { promptLength, hash, kind: kindOf(turns), liking, sums: sumsIn(judgedResponse(turns)) };
}

const salts = { liking: 10 };

interface Turn {
  readonly role: string;
  readonly content: string;
}

function readTurns(text: string): Turn[] {
  return text
    .split("<|im_start|>")
    .slice(1)
    .map((turn) => {
      const line = turn.indexOf("\n");
      const end = turn.lastIndexOf("<|im_end|>");
      return { role: turn.slice(0, line), content: turn.slice(line + 1, end < 0 ? undefined : end) };
    });
}

function kindOf(turns: readonly Turn[]): PromptFacts["kind"] {
  const last = turns.at(-1);
  return last?.role === "user" && last.content.includes("Only answer Yes or No") ? "one-word" : "judge";
}

function judgedResponse(turns: readonly Turn[]): string {
  return turns.findLast(({ role }) => role === "assistant")?.content ?? "";
}

/**
 * The simulated model can add, and nothing else: a response with sums of whole numbers is judged by them, whatever the
 * principle says. So the golden pair of a profile ("1+1=2", "1+1=3") has opposite signs under every seed, without its
 * texts being known here.
 */
function sumsIn(response: string): PromptFacts["sums"] {
  const sums = [...response.matchAll(/(\d{1,15})\s*\+\s*(\d{1,15})\s*=\s*(\d{1,16})/g)];
  if (sums.length === 0) return "none";
  return sums.every(([, a, b, c]) => Number(a) + Number(b) === Number(c)) ? "right" : "wrong";
}
