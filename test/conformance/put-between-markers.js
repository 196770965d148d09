import { readFileSync, writeFileSync } from "node:fs";

/**
 * Puts a text between two markers of a page. `check` writes nothing. Returns whether the page said so already; throws
 * where it has no such place.
 */
export function putBetweenMarkers(pagePath, { begin, end, text, check = false }) {
  const page = readFileSync(pagePath, "utf8");
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < from) throw new Error(`${pagePath} has no place for the table: ${begin} ... ${end}`);
  const next = `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
  if (next !== page && !check) writeFileSync(pagePath, next);
  return next === page;
}
