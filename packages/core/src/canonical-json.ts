/**
 * JSON with one spelling per value, for hashing: RFC 8785 (keys ordered by UTF-16 unit, ECMAScript numbers, no white
 * space). Takes JSON values only. Throws TypeError on NaN, infinities, undefined members, functions and lone
 * surrogates, since a hash of those would mean nothing.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`canonicalJson: expected a finite number, got ${value}`);
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("canonicalJson: expected well-formed text, got a lone surrogate");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`canonicalJson: expected a JSON value, got ${typeof value}`);
}
