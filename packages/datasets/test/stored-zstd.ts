/** A zstd frame whose one block, of at most 128 kB, is stored as it is and has no checksum (RFC 8878): any Node can make it. */
export function storedZstd(content: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(content);
  // one segment, its size in four bytes
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  frame.writeUInt32LE(bytes.length, 5);
  const block = Buffer.alloc(3);
  // last block, raw, size
  block.writeUIntLE((bytes.length << 3) | 1, 0, 3);
  return Buffer.concat([frame, block, bytes]);
}
