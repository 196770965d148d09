import { type ResponseLine, sha256 } from "@assay/core";

export interface EqualRows {
  /** Rows whose conversation, response and principle all came before; null once there are too many to know. */
  readonly equal: number | null;
  add(line: ResponseLine): void;
}

/** Beyond so many distinct rows equal ones are no longer counted: a count is not worth gigabytes. */
const maxCountedRows = 2_000_000;
/** 16 hex digits: among 2M rows two different ones meet with a chance of 1e-7, and it is a count for a person. */
const keptDigits = 16;

/** Counts rows that ask the same. They are scored where they stand: people sample twice on purpose. Memory: 200 MB at most. */
export function createEqualRows(): EqualRows {
  let seen: Set<string> | null = new Set();
  let equal = 0;
  return {
    get equal() {
      return seen === null ? null : equal;
    },
    add({ messages, response, principles }) {
      if (seen === null) return;
      const texts = sha256(JSON.stringify([messages, response])).slice(0, keptDigits);
      for (const { text } of principles) {
        const row = texts + sha256(text).slice(0, keptDigits);
        if (seen.has(row)) equal += 1;
        else seen.add(row);
      }
      if (seen.size > maxCountedRows) seen = null;
    },
  };
}
