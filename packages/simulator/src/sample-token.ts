import type { Distribution } from "./next-token.ts";

/** How to choose the next token; names and defaults as in vLLM's SamplingParams. */
export interface Sampling {
  /** 0: the likeliest */
  readonly temperature: number;
  /** 0 or less: no limit */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  /** null: the server's own */
  readonly seed: number | null;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly allowed: readonly number[] | null;
}

/**
 * The way to choose ids under these settings, from a number in [0, 1). Ties go to the first. Ids without a name are
 * chosen only when they are biased or allowed.
 */
export function createSampler(sampling: Sampling): (distribution: Distribution, chance: number) => number {
  const isPlain = sampling.logitBias.size === 0 && sampling.allowed === null;
  const kept = new WeakMap<readonly number[], readonly Choice[]>();
  return (distribution, chance) => {
    if (!isPlain) {
      const { ids, logits } = biased(distribution, sampling);
      return ids[pick(choices(logits, sampling), chance)] ?? 0;
    }
    // most positions of a row share their values: filter them once
    let filtered = kept.get(distribution.logprobs);
    if (filtered === undefined) {
      filtered = choices(distribution.logprobs, sampling);
      kept.set(distribution.logprobs, filtered);
    }
    return distribution.ids[pick(filtered, chance)] ?? 0;
  };
}

/**
 * What processed log-probabilities are made of: scaled by the temperature, filtered, and normalised over what is left.
 * At temperature 0 the distribution is the raw one, as a real server showed (conformance).
 */
export function processDistribution(distribution: Distribution, sampling: Sampling): Distribution {
  const { temperature, topK, topP, minP } = sampling;
  if (temperature === 0) return distribution;
  const filters = topK > 0 || topP < 1 || minP > 0;
  const left = choices(
    distribution.logprobs,
    filters ? sampling : { ...sampling, topK: 0, topP: Number.POSITIVE_INFINITY, minP: 0 },
  );
  // weights are relative to the likeliest
  const most = Math.max(...distribution.logprobs) / temperature;
  const norm = Math.log(left.reduce((sum, { weight }) => sum + weight, 0));
  return {
    ids: left.map(({ at }) => distribution.ids[at] ?? 0),
    logprobs: left.map(({ weight }) => Math.log(weight) - norm),
    other: filters ? Number.NEGATIVE_INFINITY : distribution.other / temperature - most - norm,
  };
}

interface Choice {
  /** place in the distribution */
  readonly at: number;
  /** probability, not normalised */
  readonly weight: number;
}

function pick(from: readonly Choice[], chance: number): number {
  let left = chance * from.reduce((sum, { weight }) => sum + weight, 0);
  for (const { at, weight } of from) {
    left -= weight;
    if (left < 0) return at;
  }
  return from.at(-1)?.at ?? 0;
}

/** Likeliest first, scaled by the temperature, then cut by top_k, top_p and min_p in vLLM's order. */
function choices(logits: readonly number[], { temperature, topK, topP, minP }: Sampling): Choice[] {
  const sorted = logits.map((logit, at) => ({ at, logit })).sort((x, y) => y.logit - x.logit);
  if (temperature === 0) return sorted.slice(0, 1).map(({ at }) => ({ at, weight: 1 }));
  const most = sorted[0]?.logit ?? 0;
  const weighed = sorted.map(({ at, logit }) => ({ at, weight: Math.exp((logit - most) / temperature) }));
  const top = topK > 0 ? weighed.slice(0, topK) : weighed;
  const total = top.reduce((sum, { weight }) => sum + weight, 0);
  let before = 0;
  return top.filter(({ weight }) => {
    // the likeliest weighs 1
    const isKept = before < topP * total && weight >= minP;
    before += weight;
    return isKept;
  });
}

function biased({ ids, logprobs, other }: Distribution, { logitBias, allowed }: Sampling) {
  const known = new Map(ids.map((id, i) => [id, logprobs[i] ?? other]));
  for (const id of logitBias.keys()) if (!known.has(id)) known.set(id, other);
  const candidates = allowed ?? [...known.keys()];
  return { ids: candidates, logits: candidates.map((id) => (known.get(id) ?? other) + (logitBias.get(id) ?? 0)) };
}
