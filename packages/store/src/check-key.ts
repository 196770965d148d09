import { AssayError } from "@assay/core";

/** What S3 allows, in bytes; a root's prefix takes its part of it. */
const maxKeyBytes = 1_024;
/** The longest name of a file, also in the S3 servers that keep objects as files. */
const maxPartBytes = 255;

/** Whether a name is a key: a bucket may have objects of other people whose names are none. */
export function isKey(name: string): boolean {
  return isFine(name) && !name.split("/").some((part) => part === "" || isUnfit(part));
}

/** Refuses keys that could leave the root or mean two things: a fault of ours, never of the user's data. */
export function checkKey(key: string): void {
  if (!isKey(key)) refuse(key, "a key");
}

/** A prefix is the beginning of a key, so only its last part may be empty or unfinished. */
export function checkPrefix(prefix: string): void {
  const whole = prefix.split("/").slice(0, -1);
  if (prefix === "") return;
  if (!isFine(prefix) || whole.some((part) => part === "" || isUnfit(part))) refuse(prefix, "a prefix");
}

/** The only places where anything is ever deleted. */
export function checkRemovable(key: string): void {
  checkKey(key);
  if (/^_tmp\/./.test(key) || /^[^/]+\/partial\/./.test(key)) return;
  throw new AssayError("E_INTERNAL", "nothing is ever deleted outside partial/ and _tmp/", { where: key });
}

/** Ascending by UTF-8 bytes, the order in which S3 lists; UTF-16 order differs above U+FFFF. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function isUnfit(part: string): boolean {
  return part === "." || part === ".." || Buffer.byteLength(part) > maxPartBytes;
}

function isFine(text: string): boolean {
  return (
    text !== "" &&
    Buffer.byteLength(text) < maxKeyBytes &&
    !text.includes("\\") &&
    // control characters cannot stand in the XML of a listing
    !/[\u0000-\u001f\u007f]/.test(text) &&
    // a lone surrogate becomes U+FFFD on the way, so two keys would be one
    text.isWellFormed()
  );
}

function refuse(text: string, what: string): never {
  throw new AssayError("E_INTERNAL", `not ${what}`, {
    where: JSON.stringify(text),
    expected: "parts of at most 255 bytes, joined by /",
  });
}
