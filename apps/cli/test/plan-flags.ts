import type { PlanFlags } from "../src/flags.ts";

/** What commander hands over where nobody typed a flag, but for what differs from verb to verb. */
export const untypedFlags: PlanFlags = {
  principle: [],
  reuse: [],
  set: [],
  map: [],
  carry: [],
  tag: [],
  specials: "neutralise",
  maxBad: 0.01,
  maxFailed: 0.05,
  keepReasoning: "failed",
};
