/** Follows zstd frames as their bytes go by, without unpacking any. */
export interface ZstdFrames {
  push(bytes: Uint8Array): void;
  /** Whether the bytes so far end where a frame does. */
  isWhole(): boolean;
}

type Part = "magic" | "size" | "descriptor" | "block" | "unknown";

/** Bytes of each part that have to be looked at; the rest of a frame is stepped over. */
const lengths: { readonly [part in Part]: number } = { magic: 4, size: 4, descriptor: 1, block: 3, unknown: 0 };

/**
 * Frame after frame, by the lengths that RFC 8878 puts in front of everything. Some releases of Node take a frame that
 * is cut for a whole one. What is no frame is nobody's end: the decompressor says what is wrong with it. Memory: 4 bytes.
 */
export function createZstdFrames(): ZstdFrames {
  let part: Part = "magic";
  let value = 0;
  let seen = 0;
  let skip = 0;
  let hasChecksum = false;

  function next(following: Part, bytes: number): void {
    part = following;
    skip = bytes;
    value = 0;
    seen = 0;
  }

  function take(): void {
    if (part === "magic") {
      const isSkippable = value >= 0x184d2a50 && value <= 0x184d2a5f;
      next(isSkippable ? "size" : value === 0xfd2fb528 ? "descriptor" : "unknown", 0);
    } else if (part === "size") next("magic", value);
    else if (part === "descriptor") {
      const isSingle = (value & 0x20) !== 0;
      hasChecksum = (value & 0x04) !== 0;
      const window = isSingle ? 0 : 1;
      const dictionary = [0, 1, 2, 4][value & 3] ?? 0;
      const content = [isSingle ? 1 : 0, 2, 4, 8][value >> 6] ?? 0;
      next("block", window + dictionary + content);
    } else {
      // a run is one byte, however long it becomes
      const size = ((value >> 1) & 3) === 1 ? 1 : value >> 3;
      if ((value & 1) === 1) next("magic", size + (hasChecksum ? 4 : 0));
      else next("block", size);
    }
  }

  return {
    push(bytes) {
      let at = 0;
      while (at < bytes.length && part !== "unknown") {
        const stepped = Math.min(skip, bytes.length - at);
        skip -= stepped;
        at += stepped;
        if (at === bytes.length) return;
        value += (bytes[at] ?? 0) * 2 ** (8 * seen);
        seen += 1;
        at += 1;
        if (seen === lengths[part]) take();
      }
    },
    isWhole: () => part === "magic" && seen === 0 && skip === 0,
  };
}
