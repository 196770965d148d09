import type { Completion, PositionLogprobs } from "./completion.ts";
import { hasVerdictIds, type Profile, type VerdictForm } from "./profile.ts";
import type { Status } from "./status.ts";

export type FoundVerdict =
  | {
      readonly found: true;
      /** index into the generated ids */
      readonly position: number;
      /** the form that was sampled; null at position `first` when something else was */
      readonly form: VerdictForm | null;
      /** the sampled token's text where it is known */
      readonly answer: string | null;
    }
  | { readonly found: false; readonly status: Status; readonly why: string };

/** A verdict may be followed by a dot, stars, a quote, white space and the end token: five ids are enough for all. */
const lastIds = 5;

/**
 * Where the verdict stands in one completion. `first`: position 0, whatever was sampled there.
 * `last-after-anchor`: the last verdict id among the last five generated ids, in a completion that ended by itself,
 * whose thinking is closed, and whose text ends in the anchor, that form, and nothing else but white space and
 * punctuation. Only generated text counts; the anchor inside the judged response is not looked at. Pure.
 */
export function findVerdict(completion: Completion, profile: Profile): FoundVerdict {
  if (profile.verdict.position === "first") return findFirst(completion, profile);

  const ended = endedBadly(completion.finishReason);
  if (ended !== null) return ended;
  const behind = textBehindThinking(completion, profile);
  if (behind === null) return none("the thinking was opened and never closed");
  const candidate = lastVerdictToken(completion, profile);
  if (candidate === null) return none("no verdict among the last five tokens");
  if (!endsInVerdict(behind, candidate, profile)) return none("the text does not end in the anchor and one verdict");
  return { found: true, position: candidate.position, form: candidate.form, answer: candidate.word };
}

function none(why: string): FoundVerdict {
  return { found: false, status: "no_verdict", why };
}

function endedBadly(finishReason: string | null): FoundVerdict | null {
  if (finishReason === "stop") return null;
  if (finishReason === "length")
    return { found: false, status: "truncated", why: "the answer reached the token budget" };
  if (finishReason === "repetition") return { found: false, status: "looped", why: "the engine stopped a repetition" };
  return {
    found: false,
    status: "engine_error",
    why: `the engine ended the answer: ${finishReason ?? "no finish_reason"}`,
  };
}

function findFirst(completion: Completion, profile: Profile): FoundVerdict {
  const { finishReason } = completion;
  if (finishReason !== "stop" && finishReason !== "length") {
    return endedBadly(finishReason) ?? none("no answer");
  }
  if (completion.logprobs === null)
    return { found: false, status: "engine_error", why: "the engine told no log-probabilities" };
  const first = logprobsAt(completion, 0);
  if (first === null) return none("no token was generated");
  const match = formOf(first.sampled, profile);
  // the form's own word: a server may print `token_id:9642` for the token's text
  return { found: true, position: 0, form: match?.form ?? null, answer: match?.word ?? first.sampled.text };
}

/**
 * The generated text that may hold a verdict: all of it, or what follows the end of the thinking. null when thinking
 * was opened (by the answer, or by the prompt's last ids) and not closed.
 */
function textBehindThinking(completion: Completion, profile: Profile): string | null {
  const { thinking } = profile;
  const { reasoning, content, tokenIds, promptTokenIds } = completion;
  if (thinking === null) return (reasoning ?? "") + content;
  const closedAt = content.lastIndexOf(thinking.close);
  const behind = closedAt < 0 ? content : content.slice(closedAt + thinking.close.length);
  if (tokenIds !== null && thinking.open_id !== null && thinking.close_id !== null) {
    const opened = Math.max(
      tokenIds.lastIndexOf(thinking.open_id),
      openedByPrompt(promptTokenIds, thinking) ? -0.5 : -1,
    );
    const closed = tokenIds.lastIndexOf(thinking.close_id);
    if (opened > -1 && closed <= opened) return null;
    // no thinking at all, in the prompt neither: a reasoning parser may call the whole answer so
    return closed < 0 && promptTokenIds !== null ? (reasoning ?? "") + behind : behind;
  }
  // a reasoning parser takes the tags away; what it leaves in `content` is behind the thinking
  if (reasoning !== null) return content === "" ? null : behind;
  if (closedAt < 0 && openedByPrompt(promptTokenIds, thinking)) return null;
  return content.lastIndexOf(thinking.open) > closedAt ? null : behind;
}

/** A template that switches thinking off ends its prompt in an opened and closed, empty thinking. */
function openedByPrompt(
  promptTokenIds: Completion["promptTokenIds"],
  thinking: NonNullable<Profile["thinking"]>,
): boolean {
  if (promptTokenIds === null || thinking.open_id === null) return false;
  const last = promptTokenIds.slice(-lastIds);
  const openedAt = last.lastIndexOf(thinking.open_id);
  return openedAt >= 0 && (thinking.close_id === null || last.lastIndexOf(thinking.close_id) < openedAt);
}

interface VerdictToken {
  readonly position: number;
  readonly form: VerdictForm;
  /** as the form spells it: " Yes" */
  readonly word: string;
}

/**
 * The last verdict token near the end: by id where ids are told and the words have theirs, else by its text. Never one
 * in front of the end of the thinking, which the text alone does not tell where a server leaves the tags out of it.
 */
function lastVerdictToken(completion: Completion, profile: Profile): VerdictToken | null {
  if (completion.tokenIds !== null && hasVerdictIds(profile)) {
    const { tokenIds } = completion;
    const closeId = profile.thinking?.close_id ?? null;
    const behindThinking = closeId === null ? 0 : tokenIds.lastIndexOf(closeId) + 1;
    const from = Math.max(behindThinking, tokenIds.length - lastIds);
    for (let position = tokenIds.length - 1; position >= from; position -= 1) {
      const match = formOf({ id: tokenIds[position] ?? null, text: "" }, profile);
      if (match !== null) return { position, ...match };
    }
    return null;
  }
  const told = completion.logprobs ?? [];
  for (let i = told.length - 1; i >= Math.max(0, told.length - lastIds); i -= 1) {
    const match = formOf(told[i]?.sampled ?? { id: null, text: "" }, profile);
    if (match !== null) return { position: completion.logprobsEnd - told.length + i, ...match };
  }
  return null;
}

function formOf(
  token: { id: number | null; text: string },
  profile: Profile,
): { form: VerdictForm; word: string } | null {
  const is = (id: number | null, word: string): boolean =>
    token.id === null || id === null ? token.text === word : token.id === id;
  for (const form of profile.verdict.forms) {
    if (is(form.yes_id, form.yes)) return { form, word: form.yes };
    if (is(form.no_id, form.no)) return { form, word: form.no };
  }
  return null;
}

/** White space, a dot, stars and quotes may follow a verdict; the anchor may be bold and has at most one colon. */
const afterVerdict = '[\\s.*"]*';
const afterAnchor = "[*_\\s]*(?::[*_\\s]*)?";

function endsInVerdict(text: string, { word }: VerdictToken, profile: Profile): boolean {
  const { closers, others } = profile.specials;
  let tail = text;
  for (const special of [...closers, ...others]) tail = tail.replaceAll(special, "");
  const lastAnchor = [...tail.matchAll(new RegExp(profile.verdict.anchor ?? "", "giu"))].at(-1);
  if (lastAnchor === undefined) return false;
  const behind = tail.slice(lastAnchor.index + lastAnchor[0].length);
  const match = new RegExp(`^(${afterAnchor})(\\p{L}+)${afterVerdict}$`, "u").exec(behind);
  if (match === null || match[2] !== word.trimStart()) return false;
  return !word.startsWith(" ") || (match[1] ?? "").endsWith(" ");
}

/** The log-probabilities told for a position of the generated ids; null when they were not. */
export function logprobsAt(completion: Completion, position: number): PositionLogprobs | null {
  const told = completion.logprobs;
  if (told === null) return null;
  return told[position - (completion.logprobsEnd - told.length)] ?? null;
}
