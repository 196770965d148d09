import { advance, type Cursor } from "./cursor.ts";
import { type Distribution, nextToken } from "./next-token.ts";
import { processDistribution, type Sampling } from "./sample-token.ts";
import { verdictForms } from "./vocabulary.ts";

/** Which log-probabilities a request asked for. */
export interface LogprobsAsked {
  /** the likeliest so many; not told when `ids` are asked for */
  readonly top: number;
  readonly ids: readonly number[] | null;
}

export interface ToldLogprob {
  readonly id: number;
  readonly logprob: number;
}

/**
 * Log-probabilities at every position of an answer, from a fresh cursor behind its prompt, which is moved. Each list
 * holds the sampled token first and then, in the order asked, the ids, or the likeliest tokens in their order; none
 * twice. Values are 32-bit floats and never below -9999, as vLLM prints them.
 */
export function tellLogprobs(
  cursor: Cursor,
  answerIds: readonly number[],
  asked: LogprobsAsked,
  sampling: Sampling,
  { mode, prefillShift }: { mode: "raw" | "processed"; prefillShift: number },
): ToldLogprob[][] {
  return answerIds.map((sampled, i) => {
    const raw = i === 0 && prefillShift !== 0 ? shifted(nextToken(cursor), prefillShift) : nextToken(cursor);
    const told = tellPosition(mode === "raw" ? raw : processDistribution(raw, sampling), sampled, asked);
    advance(cursor, sampled);
    return told;
  });
}

function tellPosition(distribution: Distribution, sampled: number, { top, ids }: LogprobsAsked): ToldLogprob[] {
  const others = ids ?? likeliest(distribution, top);
  return [sampled, ...others.filter((id) => id !== sampled)].map((id) => ({
    id,
    logprob: logprobOf(distribution, id),
  }));
}

const yesIds = new Set(verdictForms.map(({ yes }) => yes));

function shifted(distribution: Distribution, by: number): Distribution {
  const logprobs = distribution.logprobs.map((logprob, i) =>
    yesIds.has(distribution.ids[i] ?? 0) ? logprob - by : logprob,
  );
  return { ...distribution, logprobs };
}

/** What vLLM prints for minus infinity. */
const floor = -9_999;

function logprobOf({ ids, logprobs, other }: Distribution, id: number): number {
  const at = ids.indexOf(id);
  return Math.max(Math.fround((at < 0 ? undefined : logprobs[at]) ?? other), floor);
}

/** The `count` likeliest ids; those without a name are equally unlikely and come in the order of their ids. */
function likeliest({ ids, logprobs, other }: Distribution, count: number): number[] {
  const named = ids
    .map((id, i) => ({ id, logprob: logprobs[i] ?? other }))
    .filter(({ logprob }) => logprob > other)
    .sort((x, y) => y.logprob - x.logprob)
    .map(({ id }) => id)
    .slice(0, count);
  for (let id = 0; named.length < count; id += 1) if (!ids.includes(id)) named.push(id);
  return named;
}
