import type { Profile } from "@assay/core";
import type { SubmitSettings } from "@assay/scoring";

/** Settings of a batch that wants nothing special. */
export function submitSettings(
  model: string,
  profile: Profile,
  readable: string,
  principles: readonly string[] = [],
): SubmitSettings {
  return {
    records: { roles: profile.messages.roles, principles: [...principles], map: {}, columns: [], carryAll: false },
    limit: null,
    batch: {
      model,
      revision: null,
      profile,
      strip: "auto",
      specials: "neutralise",
      samples: 1,
      seed: null,
      columns: [],
      reuse: [],
    },
    readable,
    name: null,
    tags: {},
    keepReasoning: "failed",
    maxBad: 0,
    maxFailed: 0,
    software: "test",
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}
