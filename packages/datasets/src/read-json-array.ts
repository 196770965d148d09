import { AssayError } from "@assay/core";
import { parseJson } from "./parse-json.ts";
import { maxRecordBytes, type ReadRecord, type RecordBatch } from "./read-jsonl.ts";

/**
 * One JSON array, its members as records in order, each with the line and offset of its first byte. Members that are
 * too long, no UTF-8 or no JSON come as bad records. Takes bytes that are plain already. Memory: one read and one
 * member. Throws E_INPUT_UNREADABLE when the array does not end, or something follows it.
 */
export async function* readJsonArray(
  source: AsyncIterable<Uint8Array>,
  options: { readonly where: string; readonly maxMemberBytes?: number },
): AsyncGenerator<RecordBatch> {
  const splitter = createSplitter(options.where, options.maxMemberBytes ?? maxRecordBytes);
  for await (const bytes of source) yield { records: splitter.push(bytes), bytes: bytes.length, blank: 0, torn: 0 };
  splitter.end();
}

type Place = "before" | "between" | "inside" | "after";

function createSplitter(where: string, maxMemberBytes: number) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let place: Place = "before";
  let depth = 0;
  let inString = false;
  let escaped = false;
  let line = 1;
  let offset = 0;
  let member = { line: 1, offset: 0 };
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** a comma stood before: a member has to follow */
  let owing = false;

  function hold(bytes: Uint8Array): void {
    heldBytes += bytes.length;
    // copied: the source may reuse its buffer
    if (heldBytes <= maxMemberBytes) held.push(Uint8Array.prototype.slice.call(bytes));
    else held = [];
  }

  function take(): ReadRecord {
    const parsed = heldBytes > maxMemberBytes ? ({ ok: false, bad: "line_too_long" } as const) : parse();
    held = [];
    heldBytes = 0;
    return { ...member, parsed };
  }

  function parse(): ReadRecord["parsed"] {
    let text: string;
    try {
      text = decoder.decode(Buffer.concat(held));
    } catch {
      return { ok: false, bad: "invalid_utf8" };
    }
    return parseJson(text);
  }

  const unreadable = (message: string, at: string): AssayError =>
    new AssayError("E_INPUT_UNREADABLE", message, { where: `${where}, ${at}`, expected: "one JSON array" });

  function push(bytes: Uint8Array): ReadRecord[] {
    const records: ReadRecord[] = [];
    let from = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      const byte = bytes[i] ?? 0;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === 0x5c) escaped = true;
        else if (byte === 0x22) inString = false;
        if (byte === 0x0a) line += 1;
        continue;
      }
      const ends = byte === 0x2c || byte === 0x5d;
      if (place === "inside" && depth === 0 && ends) {
        hold(bytes.subarray(from, i));
        records.push(take());
        place = byte === 0x2c ? "between" : "after";
        owing = byte === 0x2c;
      } else if (place === "between" && ends) {
        // a comma too many, or one before the end
        if (owing || byte === 0x2c)
          records.push({ line, offset: offset + i, parsed: { ok: false, bad: "invalid_json" } });
        if (byte === 0x5d) place = "after";
        else owing = true;
      } else if (place === "before" && byte === 0x5b) place = "between";
      else if (!isSpace(byte) && place !== "inside") {
        // the mark of an encoding may stand in front
        if (place === "before" && offset + i < 3) continue;
        if (place !== "between") throw unreadable("something else follows the JSON array", `byte ${offset + i}`);
        place = "inside";
        member = { line, offset: offset + i };
        from = i;
      }
      if (place === "inside") {
        if (byte === 0x22) inString = true;
        else if (byte === 0x7b || byte === 0x5b) depth += 1;
        else if ((byte === 0x7d || byte === 0x5d) && depth > 0) depth -= 1;
      }
      if (byte === 0x0a) line += 1;
    }
    if (place === "inside") hold(bytes.subarray(from));
    offset += bytes.length;
    return records;
  }

  return {
    push,
    end(): void {
      if (place === "inside")
        throw unreadable("a member of the JSON array does not end", `line ${member.line}, byte ${member.offset}`);
      if (place !== "after") throw unreadable("the JSON array does not end", `in all ${offset} bytes`);
    },
  };
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}
