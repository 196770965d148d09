import { expect, test } from "@jest/globals";
import { templateBreach } from "../src/template-breach.ts";
import { qwen3 } from "./build-completion.ts";

const { imStart, imEnd } = qwen3;
const turn = [imStart, 872, 198, 42, imEnd, 198];
const opened = [imStart, 77091, 198];
const user = { role: "user" };
const system = { role: "system" };
/** As recorded: one opener more than turns, for the answer; as many closers as turns. */
const recorded = [
  { id: imStart, per_turn: 1, extra: 1, extra_system: 1 },
  { id: imEnd, per_turn: 1, extra: 0, extra_system: 0 },
];
/** A template that brings a system turn of its own where the messages have none. */
const ownSystem = [{ id: imStart, per_turn: 1, extra: 2, extra_system: 1 }];

test.each<[string, number[], typeof recorded, { role: string }[], boolean]>([
  ["the template's own delimiters", [...turn, ...turn, ...opened], recorded, [user, user], true],
  ["a turn that a text opened", [...turn, ...turn, imStart, ...opened], recorded, [user, user], false],
  ["a turn that a text closed", [...turn, imEnd, ...opened], recorded, [user], false],
  ["a delimiter too few", [...turn.slice(1), ...opened], recorded, [user], false],
  ["the template's own system turn", [...turn, ...turn, ...opened], ownSystem, [user], true],
  ["given instead of its own", [...turn, ...turn, ...opened], ownSystem, [system, user], true],
  ["beside one that was given: a breach", [...turn, ...turn, ...turn, ...opened], ownSystem, [system, user], false],
  ["nothing pinned, nothing to tell", [imStart, imStart], [], [user], true],
])("%s", (_name, prompt, delimiters, messages, fine) => {
  const breach = templateBreach(prompt, delimiters, messages);
  if (fine) expect(breach).toBeNull();
  else expect(breach).toMatch(/the prompt holds token \d+ \d+ times, \d turns make \d+/);
});
