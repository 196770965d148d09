import { compoundWords, markTokens, specialTokens, vocabularySize, wordTokens } from "./vocabulary.ts";

/**
 * A small reversible tokenizer: special strings first, wherever they stand; then known words and marks; then pieces of
 * up to three lower-case letters; then single bytes. For well-formed text, detokenize(tokenize(text)) === text. Prompts
 * come out about 1.7 times as long as with the real tokenizer. Pure; linear in the text's length.
 */
export function tokenize(text: string): number[] {
  const ids: number[] = [];
  let from = 0;
  for (const match of text.matchAll(specialPattern)) {
    tokenizeOrdinary(text.slice(from, match.index), ids);
    ids.push(specialIds.get(match[0]) ?? 0);
    from = match.index + match[0].length;
  }
  tokenizeOrdinary(text.slice(from), ids);
  return ids;
}

/** The text of the ids' bytes, specials included. Ids that stand for nothing are "", cut UTF-8 is U+FFFD. */
export function detokenize(ids: readonly number[]): string {
  return Buffer.concat(ids.map(bytesOf)).toString("utf8");
}

/** The text of one id alone, as log-probability lists print it. */
export function tokenText(id: number): string {
  return tokenOf(id).text;
}

/** The bytes of one id. The list is shared: do not change it. */
export function tokenBytes(id: number): readonly number[] {
  return tokenOf(id).bytes;
}

/** The id as the tokenizer's own table spells it: one printable character a byte, "Ġis" for " is" (GPT-2's mapping). */
export function tokenSpelling(id: number): string {
  const special = specialTexts.get(id);
  if (special !== undefined) return special;
  return tokenBytes(id)
    .map((byte) => {
      const byteId = byteIds[byte] ?? 0;
      return String.fromCodePoint(byteId < printableBytes ? byte : 256 + byteId - printableBytes);
    })
    .join("");
}

const specialIds = new Map(specialTokens);
const specialTexts = new Map(specialTokens.map(([text, id]) => [id, text]));
const specialPattern = new RegExp(specialTokens.map(([text]) => text.replace(/[|]/g, "\\|")).join("|"), "g");

const wordIds = new Map<string, readonly number[]>([
  ...[...wordTokens, ...markTokens].map(([text, id]): [string, number[]] => [text, [id]]),
  ...compoundWords,
]);
const marks = markTokens.map(([text]) => text.replaceAll("*", "\\*")).join("|");
const ordinaryPattern = new RegExp(`${marks}| ?[A-Za-z]+|[\\s\\S]`, "gu");

function tokenizeOrdinary(text: string, ids: number[]): void {
  for (const [part] of text.matchAll(ordinaryPattern)) {
    const known = wordIds.get(part);
    if (known !== undefined) ids.push(...known);
    else if (/^ ?[A-Za-z]/.test(part)) tokenizeWord(part, ids);
    else pushBytes(part, ids);
  }
}

function tokenizeWord(word: string, ids: number[]): void {
  for (const [piece] of word.matchAll(/ ?[a-z]{1,3}|[\s\S]/g)) {
    if (piece.length > 1) ids.push(pieceId(piece));
    else pushBytes(piece, ids);
  }
}

function pushBytes(text: string, ids: number[]): void {
  for (const byte of Buffer.from(text, "utf8")) ids.push(byteIds[byte] ?? 0);
}

/**
 * Qwen3 gives the 256 bytes the ids 0 to 255: first those that print in Latin-1, in order, then the rest in order. So
 * "1" is 16, "\n" 198 and " " 220, as in the recordings.
 */
const printable = (byte: number): boolean =>
  (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
const allBytes = Array.from({ length: 256 }, (_, byte) => byte);
const bytesById = [...allBytes.filter(printable), ...allBytes.filter((byte) => !printable(byte))];
const printableBytes = allBytes.filter(printable).length;
const byteIds = allBytes.map((byte) => bytesById.indexOf(byte));

/**
 * Pieces are numbers in base 27 (a is 1, z is 26) behind this id: no word, mark or special lies in the range, which a
 * test holds.
 */
export const firstPieceId = 100_000;
const lettersCount = 27 ** 3;
export const pieceCount = 2 * lettersCount;

function pieceId(piece: string): number {
  const spaced = piece.startsWith(" ");
  let number = 0;
  for (const letter of piece.trimStart()) number = number * 27 + letter.charCodeAt(0) - 96;
  return firstPieceId + (spaced ? lettersCount : 0) + number;
}

function pieceText(id: number): string {
  const offset = id - firstPieceId;
  let letters = "";
  for (let number = offset % lettersCount; number > 0; number = Math.floor(number / 27)) {
    // a digit 0 inside is no piece that tokenize makes; "`" keeps it visible
    letters = String.fromCharCode(96 + (number % 27)) + letters;
  }
  return (offset >= lettersCount ? " " : "") + letters;
}

interface Token {
  readonly text: string;
  readonly bytes: readonly number[];
}

const textById = new Map<number, string>([
  ...specialTexts,
  ...[...wordTokens, ...markTokens].map(([text, id]): [number, string] => [id, text]),
  [649, "pr"],
  [15996, "inciple"],
]);
const bufferCache = new Map<number, Buffer>();
const tokenCache = new Map<number, Token>();

function bytesOf(id: number): Buffer {
  let bytes = bufferCache.get(id);
  if (bytes === undefined) {
    bytes = readBytes(id);
    bufferCache.set(id, bytes);
  }
  return bytes;
}

function readBytes(id: number): Buffer {
  const text = textById.get(id);
  if (text !== undefined) return Buffer.from(text, "utf8");
  if (id < bytesById.length) return Buffer.from([bytesById[id] ?? 0]);
  const isPiece = id >= firstPieceId && id < firstPieceId + pieceCount && id < vocabularySize;
  return isPiece ? Buffer.from(pieceText(id), "utf8") : Buffer.alloc(0);
}

function tokenOf(id: number): Token {
  let token = tokenCache.get(id);
  if (token === undefined) {
    const bytes = bytesOf(id);
    token = { text: bytes.toString("utf8"), bytes: [...bytes] };
    tokenCache.set(id, token);
  }
  return token;
}
