import type { PromptPrefix } from "@assay/core";

/** How much of a row's prompt an engine has computed before. */
export const shares = { nothing: 0, conversation: 1, response: 2 } as const;
export type Share = (typeof shares)[keyof typeof shares];

/** Where rows were sent last, by what their prompts begin with: the engine that most likely still holds it. */
export interface PrefixHomes<T> {
  /** The engine of the longest beginning whose engine is fit to take the row; null when there is none. */
  find(prefix: PromptPrefix, isFit: (engine: T) => boolean): { readonly engine: T; readonly shared: Share } | null;
  note(prefix: PromptPrefix, engine: T): void;
}

/**
 * Beginnings that are remembered, the longest unused forgotten first: about as many as the caches of eight full engines
 * hold, and 1 MB. One that is forgotten too soon costs a prefill.
 */
const mostRemembered = 8_192;

/**
 * A memory and not a hash over the engines: a hash knows where a row should go, and in a full pool most rows go where a
 * slot was free. What counts for the siblings is where the first one went.
 */
export function createPrefixHomes<T>(): PrefixHomes<T> {
  // in the order of use
  const homes = new Map<string, T>();

  function remember(beginning: string, engine: T): void {
    homes.delete(beginning);
    homes.set(beginning, engine);
    if (homes.size <= mostRemembered) return;
    for (const oldest of homes.keys()) {
      homes.delete(oldest);
      return;
    }
  }

  return {
    find({ conversation, response }, isFit) {
      const ofResponse = response === null ? undefined : homes.get(response);
      if (ofResponse !== undefined && isFit(ofResponse)) return { engine: ofResponse, shared: shares.response };
      const ofConversation = homes.get(conversation);
      if (ofConversation !== undefined && isFit(ofConversation))
        return { engine: ofConversation, shared: shares.conversation };
      return null;
    },
    note({ conversation, response }, engine) {
      remember(conversation, engine);
      if (response !== null) remember(response, engine);
    },
  };
}
