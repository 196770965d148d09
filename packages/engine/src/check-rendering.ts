import type { Pin, Profile, ServerForm } from "@assay/core";
import type { Fail, Pass } from "./engine-check.ts";
import type { EngineClient } from "./engine-client.ts";
import {
  measureDelimiters,
  messagesOf,
  probeRow,
  type RenderedPrompt,
  renderAt,
  specialsLeak,
  templateFingerprint,
} from "./probe-template.ts";

export interface RenderedHere {
  readonly rendered: ServerForm["rendered"];
  /** a fixed conversation */
  readonly prompt: RenderedPrompt;
}

export const fixedRow = { prompt: "What is 1+1?", response: "1+1=2", principle: "correctness" };

/** The server's own template where it takes the profile's roles, else the profile's plain text where it has one. */
export async function chooseRendering(
  client: EngineClient,
  model: string,
  profile: Profile,
  pass: Pass,
  fail: Fail,
): Promise<RenderedHere> {
  const messages = messagesOf(probeRow(fixedRow), model, profile);
  const tell = (found: RenderedHere, how: string): RenderedHere => {
    const { ids } = found.prompt;
    const weaker = ids === null ? "; of the number of tokens alone, since their ids are not told" : "";
    pass("template", `${how}fingerprint ${templateFingerprint(found.prompt).slice(0, 12)}${weaker}`);
    return found;
  };
  const own = await renderAt(client, model, messages, profile, "template");
  if (!("refused" in own)) return tell({ rendered: "template", prompt: own }, "");
  const expected = `turns ${messages.map(({ role }) => role).join(", ")}`;
  const next = "serve the model with its own chat template, or choose another --profile";
  if (profile.plain === undefined) return fail("template", own.refused, expected, next);
  const plain = await renderAt(client, model, messages, profile, "plain");
  if ("refused" in plain) {
    const found = `${own.refused}; and of the profile's plain text on /v1/completions: ${plain.refused}`;
    return fail("template", found, `${expected}, or a plain text`, next);
  }
  return tell({ rendered: "plain", prompt: plain }, `refuses the roles (${own.refused}), so the plain text is sent; `);
}

/** That no row's text can speak as the template (P11), as far as the server tells token ids. */
export async function checkTurns(
  client: EngineClient,
  model: string,
  profile: Profile,
  rendered: ServerForm["rendered"],
  idsTold: boolean,
  pass: Pass,
  fail: Fail,
): Promise<Pin["delimiters"]> {
  if (!idsTold) {
    pass(
      "row text stays text",
      "not checked: token ids are not told; special strings in rows are broken up all the same",
    );
    return [];
  }
  const measured = await measureDelimiters(client, model, profile, rendered);
  if ("why" in measured)
    return fail(
      "turn delimiters",
      measured.why,
      "each of the profile's delimiters is one token, made by the template alone",
    );
  const leak = await specialsLeak(client, model, profile, rendered);
  if (leak !== null) return fail("row text stays text", leak, "no special token out of a row's text");
  pass("row text stays text", "specials in a row are broken up");
  return measured.delimiters;
}
