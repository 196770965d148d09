import type { Message } from "@assay/core";

/** A conversation that was found in flat text. */
export interface SplitText {
  /** the chat template that made it */
  readonly template: string;
  readonly turns: readonly Message[];
}

interface Template {
  readonly name: string;
  /** stands once before the first turn, or not at all */
  readonly beginning: string;
  readonly open: string;
  /** between role and content */
  readonly colon: string;
  readonly close: string;
}

const templates: readonly Template[] = [
  { name: "ChatML", beginning: "<|endoftext|>", open: "<|im_start|>", colon: "\n", close: "<|im_end|>" },
  {
    name: "Llama 3",
    beginning: "<|begin_of_text|>",
    open: "<|start_header_id|>",
    colon: "<|end_header_id|>\n\n",
    close: "<|eot_id|>",
  },
  { name: "Gemma", beginning: "<bos>", open: "<start_of_turn>", colon: "\n", close: "<end_of_turn>" },
];

/**
 * The turns of a text that a known chat template rendered, or null. With the template's own marks any number of turns
 * is found; the last one may be without its end, as it is where a policy writes on. Where a decoder left the marks out,
 * only the words stand ("user\n...\nassistant\n"), which any text may hold: then one question is found, with or without
 * a system turn, when the words stand there exactly once. Roles and contents are as they were written.
 */
export function splitTurns(text: string): SplitText | null {
  for (const template of templates) {
    const turns = splitByMarks(text, template);
    if (turns !== null) return { template: template.name, turns };
  }
  return splitByLines(text) ?? splitByWords(text);
}

function splitByMarks(text: string, { beginning, open, colon, close }: Template): Message[] | null {
  let rest = text;
  // padding on the left comes out as the same mark many times
  while (rest.startsWith(beginning)) rest = rest.slice(beginning.length);
  if (!rest.startsWith(open)) return null;
  const pieces = rest.slice(open.length).split(open);
  const turns: Message[] = [];
  for (const [i, piece] of pieces.entries()) {
    const at = piece.indexOf(colon);
    const role = at < 0 ? "" : piece.slice(0, at);
    if (!/^[a-z_]+$/.test(role)) return null;
    const body = piece.slice(at + colon.length);
    const end = body.lastIndexOf(close);
    const isLast = i === pieces.length - 1;
    if (end < 0 ? !isLast : body.slice(end + close.length).trim() !== "") return null;
    turns.push({ role: role === "model" ? "assistant" : role, content: end < 0 ? body : body.slice(0, end) });
  }
  return turns;
}

/** ChatML and Gemma without their marks: each role is a line of its own. */
function splitByLines(text: string): SplitText | null {
  const lines = text.split("\n");
  const places = ["system", "user", "assistant", "model"].map((role) => placesOf(role, lines));
  const [systems = [], users = [], assistants = [], models = []] = places;
  const [user, answer] = [users[0], [...assistants, ...models][0]];
  if (users.length !== 1 || assistants.length + models.length !== 1 || user === undefined || answer === undefined)
    return null;
  // a system turn is the first line, or there is none
  if (answer < user || (user === 0 ? systems.length > 0 : systems.length !== 1 || systems[0] !== 0)) return null;
  const between = (from: number, to: number): string => lines.slice(from + 1, to).join("\n");
  return {
    template: `${models.length > 0 ? "Gemma" : "ChatML"} without its marks`,
    turns: turnsOf(user === 0 ? null : between(0, user), between(user, answer), between(answer, lines.length)),
  };
}

function placesOf(role: string, lines: readonly string[]): number[] {
  return lines.flatMap((line, i) => (line === role ? [i] : []));
}

/** Llama 3 without its marks: each role is a word before an empty line, right behind what came before. */
function splitByWords(text: string): SplitText | null {
  const [systems, users, answers] = ["system\n\n", "user\n\n", "assistant\n\n"].map((word) => text.split(word));
  if (systems === undefined || users?.length !== 2 || answers?.length !== 2) return null;
  const [before = "", asked = ""] = users;
  const hasSystem = before.startsWith("system\n\n");
  if (systems.length !== (hasSystem ? 2 : 1) || (!hasSystem && before !== "")) return null;
  const at = asked.indexOf("assistant\n\n");
  if (at < 0) return null;
  const system = hasSystem ? before.slice("system\n\n".length) : null;
  const begun = asked.slice(at + "assistant\n\n".length);
  return { template: "Llama 3 without its marks", turns: turnsOf(system, asked.slice(0, at), begun) };
}

function turnsOf(system: string | null, user: string, begun: string): Message[] {
  return [
    ...(system === null ? [] : [{ role: "system", content: system }]),
    { role: "user", content: user },
    { role: "assistant", content: begun },
  ];
}
