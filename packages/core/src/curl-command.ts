import { visibleText } from "./visible-text.ts";

/** The here-document's last line. No line of `jsonLines` is without a quote, a bracket or a brace, so none is this one. */
const endMark = "ASSAY";

/**
 * A request as lines for a shell: the body in a quoted here-document, which nothing inside can end or expand, the key
 * by its variable's name only. `url` is an engine's origin, or the word ENGINE where none is known. Pure.
 */
export function curlCommand(url: string, body: { readonly [field: string]: unknown }, withKey: boolean): string[] {
  return [
    `curl -sS ${quoted(url)} \\`,
    "  -H 'Content-Type: application/json' \\",
    ...(withKey ? ['  -H "Authorization: Bearer $ASSAY_ENGINE_KEY" \\'] : []),
    `  --data-binary @- <<'${endMark}'`,
    ...jsonLines(body),
    endMark,
  ];
}

/** JSON with one field a line, one message a line, and every hidden character as an escape: the same value. */
function jsonLines(body: { readonly [field: string]: unknown }): string[] {
  const fields = Object.entries(body);
  const lines = fields.flatMap(([name, value], i) => {
    const comma = i === fields.length - 1 ? "" : ",";
    if (!Array.isArray(value) || typeof value[0] !== "object")
      return [`  ${JSON.stringify(name)}: ${JSON.stringify(value)}${comma}`];
    const items = value.map((item, k) => `    ${JSON.stringify(item)}${k === value.length - 1 ? "" : ","}`);
    return [`  ${JSON.stringify(name)}: [`, ...items, `  ]${comma}`];
  });
  return ["{", ...lines.map(visibleText), "}"];
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
