import { AssayError } from "./error.ts";
import type { Profile } from "./profile.ts";
import type { Message } from "./row.ts";

/**
 * A conversation as one text, made of the profile's own pieces, for servers whose template refuses the profile's
 * roles. The delimiters come from here, so the messages must be neutralised before. Pure. Throws E_PROFILE where the
 * profile has no pieces, or none for a role.
 */
export function renderPlain(messages: readonly Pick<Message, "role" | "content">[], profile: Profile): string {
  const { plain } = profile;
  if (plain === undefined) {
    throw new AssayError("E_PROFILE", "this profile has no plain text for a server that refuses its roles", {
      where: profile.name,
      expected: "plain: the text around each role's turn",
    });
  }
  const turns = messages.map(({ role, content }) => {
    const around = plain.turns[role];
    if (around === undefined) {
      throw new AssayError("E_PROFILE", "the profile's plain text has no such role", {
        where: profile.name,
        expected: Object.keys(plain.turns).join(", "),
        got: role,
      });
    }
    return around.before + (around.drop_leading_newlines ? content.replace(/^\n+/, "") : content) + around.behind;
  });
  return plain.start + turns.join("") + plain.answer;
}
