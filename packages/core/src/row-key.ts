import { canonicalJson } from "./canonical-json.ts";
import { defaultCombine } from "./combine-samples.ts";
import { layoutSha256, type Profile } from "./profile.ts";
import type { Message } from "./row.ts";
import { sha256 } from "./sha256.ts";

/**
 * Identity of a judgement over all batches, for reuse: what was asked of which model and how it was sampled. Not the
 * token budget, way of reading or transport: a row that was truncated at 8,000 tokens asks the same as at 16,000.
 * `messages` are the final ones, after stripping and neutralising.
 */
export function rowKey(asked: {
  messages: readonly Message[];
  model: string;
  profile: Profile;
  samples: number;
  seed: number | null;
}): string {
  const { combine = defaultCombine } = asked.profile;
  return sha256(
    canonicalJson({
      messages: asked.messages,
      model: asked.model,
      layout: layoutSha256(asked.profile),
      sampling: asked.profile.sampling,
      samples: asked.samples,
      // the same answers under another rule are another reward
      ...(asked.samples === 1 || combine === defaultCombine ? {} : { combine }),
      ...(asked.seed === null ? {} : { seed: asked.seed }),
    }),
  );
}
