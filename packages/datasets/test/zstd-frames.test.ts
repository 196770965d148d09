import { expect, test } from "@jest/globals";
import { createZstdFrames } from "../src/zstd-frames.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Frames by hand (RFC 8878), so that any Node can run this: each kind of header and of block. */
const frames: readonly (readonly [string, Uint8Array])[] = [
  ["one stored block, its size in a byte", hex("28b52ffd 20 03 190000 616263")],
  ["a window, and no size", hex("28b52ffd 00 58 190000 616263")],
  ["a size of two bytes and a checksum", hex("28b52ffd 64 0300 190000 616263 01020304")],
  [
    "sizes of four and eight bytes",
    hex("28b52ffd 80 58 03000000 190000 616263 28b52ffd c0 58 0300000000000000 190000 616263"),
  ],
  ["a dictionary", hex("28b52ffd 23 01020304 03 190000 616263")],
  ["a run and a stored block", hex("28b52ffd 20 09 320000 78 190000 616263")],
  ["a frame to be skipped", hex("502a4d18 04000000 01020304")],
  ["nothing in a frame to be skipped", hex("5f2a4d18 00000000")],
];

test.each([...frames, ["all of them", Buffer.concat(frames.map(([, bytes]) => bytes))] as const])(
  "%s: whole at the ends of its frames and nowhere else, however it is cut",
  (_name, bytes) => {
    const single = createZstdFrames();
    const whole: number[] = [];
    for (let at = 0; at < bytes.length; at += 1) {
      single.push(bytes.subarray(at, at + 1));
      const all = createZstdFrames();
      all.push(bytes.subarray(0, at + 1));
      expect(all.isWhole()).toBe(single.isWhole());
      if (all.isWhole()) whole.push(at + 1);
    }
    expect(whole.at(-1)).toBe(bytes.length);
    expect(whole).toHaveLength(
      Buffer.from(bytes)
        .toString("hex")
        .split(/28b52ffd|5[0-9a-f]2a4d18/).length - 1,
    );
  },
);

test("what is no frame is never whole, and nothing at all is", () => {
  const frames = createZstdFrames();
  expect(frames.isWhole()).toBe(true);
  frames.push(hex("7b7d0a00 00"));
  expect(frames.isWhole()).toBe(false);
});
