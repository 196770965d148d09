import { isAssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import type { Clock } from "./clock.ts";

/** Somebody does not answer: since when (epoch ms), and what was heard last. */
export interface Away {
  readonly since: number;
  readonly why: string;
}

export interface WatchedStore extends ObjectStore {
  /**
   * Null when the last answer was one. Puts and all else are told apart, since a full store answers every question;
   * of puts it is worth asking only while something wants to put.
   */
  away(of: "puts" | "questions"): Away | null;
}

/** The same store, which remembers whether it answered. */
export function watchStore(inner: ObjectStore, clock: Pick<Clock, "now">): WatchedStore {
  const away: { puts: Away | null; questions: Away | null } = { puts: null, questions: null };

  function noteError(of: keyof typeof away, error: unknown): void {
    if (!isAssayError(error, "E_STORE_UNAVAILABLE")) return;
    away[of] = { since: away[of]?.since ?? clock.now(), why: error.got ?? error.message };
  }

  async function noting<T>(of: keyof typeof away, work: Promise<T>): Promise<T> {
    try {
      const answer = await work;
      away[of] = null;
      return answer;
    } catch (error) {
      noteError(of, error);
      throw error;
    }
  }

  return {
    uri: inner.uri,
    away: (of) => away[of],
    get: (key, options) => noting("questions", inner.get(key, options)),
    putIfAbsent: (key, bytes, options) => noting("puts", inner.putIfAbsent(key, bytes, options)),
    head: (key, options) => noting("questions", inner.head(key, options)),
    read: (key, options) => noting("questions", inner.read(key, options)),
    ranges: (key, options) => noting("questions", inner.ranges(key, options)),
    remove: (key, options) => noting("questions", inner.remove(key, options)),
    async *list(prefix, options) {
      try {
        yield* inner.list(prefix, options);
        away.questions = null;
      } catch (error) {
        noteError("questions", error);
        throw error;
      }
    },
  };
}
