import type { Status } from "./status.ts";

/** What a status says about its row, for a person, and what that person can do. */
export interface StatusMeaning {
  readonly means: string;
  readonly next: string;
}

/** What is scored stays as it is: a retry asks again in a child batch. */
export const statusMeanings: { readonly [status in Status]: StatusMeaning } = {
  ok: { means: "a verdict was found and both of its log-probabilities were read", next: "nothing" },
  truncated: {
    means: "the answer reached the token budget before its verdict",
    next: "assay retry BATCH --status truncated --set max_tokens=N, where the engine's context allows it",
  },
  looped: {
    means: "the engine stopped an answer that repeated itself",
    next: "read the end of the reasoning; assay retry BATCH --status looped; a temperature above 0 may leave the loop",
  },
  no_verdict: {
    means: "the answer ended without a verdict that can be told, or Yes and No were hardly likely where it stood",
    next: "read the end of the reasoning: a model that ends otherwise wants another --profile",
  },
  verdict_not_in_topk: {
    means: "the server tells only its likeliest tokens, and neither Yes nor No was among them",
    next: "use an engine that tells exact ids: vLLM 0.20 or later (assay doctor --engine URL)",
  },
  no_response: {
    means: "nothing is left to judge behind the policy's own thinking; the model was not asked",
    next: "look at the response (--text); --strip-reasoning off judges it with its thinking",
  },
  too_long: {
    means: "prompt and token budget together do not fit the engine's context",
    next: "start vLLM with a larger --max-model-len, or a smaller --set max_tokens=N; then assay retry BATCH --status too_long",
  },
  bad_input: {
    means: "the record could not be read, so there was nothing to ask",
    next: "mend this line of the input and submit it again with --reuse BATCH: only what is new is asked",
  },
  rejected: {
    means: "the engine refused the request, or the row's text would have become, or became, template",
    next: "read the error; assay doctor --engine URL says whether the engine's template fits the profile",
  },
  engine_error: {
    means: "the engine failed at this row until its attempts were used up",
    next: "assay doctor --engine URL, then assay retry BATCH --status engine_error",
  },
  quarantined: {
    means: "engines died while this row was asked, so it is asked no more",
    next: "look at the row (--text), then assay retry BATCH --status quarantined, on an engine of its own",
  },
};
