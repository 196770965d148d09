import type { Pin, ReadsFile } from "@assay/core";

/**
 * Whether rewards of a batch were read in ways that may not stand beside each other: only two steps and exact ids, and
 * only where reads.json says that they agree here. Returns what is wrong in words, or null. `ways`: the values of
 * column `read`. A batch of before the first way was pinned is not judged. Pure.
 */
export function checkWays(
  ways: ReadonlySet<string>,
  pin: Pin,
  reads: ReadsFile | null,
): { what: string; expected: string; got: string } | null {
  const first = pin.read;
  if (first === undefined) return null;
  const others = [...ways].filter((way) => way !== first);
  if (others.length === 0) return null;
  const got = `read ${[...ways].sort().join(", ")}`;
  if (first === "top" || ways.has("top"))
    return { what: "lists of the likeliest tokens are mixed with exact readings", expected: `read ${first}`, got };
  if (reads?.may_mix === true) return null;
  return { what: "two ways of reading are mixed that were not found to agree", expected: `read ${first}`, got };
}
