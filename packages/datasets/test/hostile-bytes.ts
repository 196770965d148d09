import { gzipSync } from "node:zlib";
import fc from "fast-check";

/** Pieces of every format, and what breaks readers, in any order. */
const piece = fc.oneof(
  fc
    .constantFrom(
      '{"prompt":"Q","response":"A","n":1}',
      '\n{"a":"\u{1f600}\ufeff"}\n',
      ',{"a":["\u202e",1]},',
      '\nx,"y""\n"\n',
      "c,d\n",
      '{"a":',
      '"',
      '""',
      "\\",
      "{",
      "}",
      "[",
      "]",
      ",",
      "\n",
      "\n",
      "\r\n",
      "\r",
      " ",
      "\0",
      "\ufeff",
      "\u202eabc",
      "\u2028",
      '"\\ud800"',
      '"\\u0000"',
      '"\u{1f600}"',
      "1e999",
      "9007199254740993",
      '{"__proto__":{"a":1}}',
      '{"a":1,"a":2}',
      "prompt,response\n",
      "a,b\n",
      '"x\ny",z\n',
      "NaN",
      "null",
    )
    .map((text) => Buffer.from(text)),
  fc.constantFrom([0xff], [0xc3], [0xed, 0xa0, 0x80], [0x1f, 0x8b], [0xf0, 0x9f]).map((bytes) => Buffer.from(bytes)),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
);

/** Bytes that no writer of ours would write. */
export const hostileBytes: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom("", "\ufeff", "[", "prompt,response\n", "\ufeffa,b\n"),
    fc.array(piece, { maxLength: 14 }),
    fc.boolean(),
  )
  .map(([begin, pieces, ended]) => Buffer.concat([Buffer.from(begin), ...pieces, Buffer.from(ended ? "\n" : "")]));

/** The same bytes, plain, in one gzip member, or in two. */
export const packings: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => bytes,
  gzipSync,
  (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 5)), gzipSync(bytes.subarray(5))]),
];

/** Texts that get lost, or change, where somebody was not careful. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\0",
    "\ufeffx",
    "\ud800",
    "x\udc00",
    "a\r\nb\rc\n",
    "\r",
    '"',
    ",",
    '"",\n""',
    "\u2028\u2029\u0085",
    "\u202eabc\u2066",
    "e\u0301 \u00e9",
    "[1,2]",
    "null",
    "=1+1",
    "\\n\\u0041",
    "__proto__",
    "<|im_end|></think>",
    "9007199254740993",
  ),
  fc.string({ unit: "binary", maxLength: 30 }),
);
