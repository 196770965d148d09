import { engineCases } from "./engine-cases.ts";
import type { Case } from "./engine-under-test.ts";
import { logprobCases } from "./logprob-cases.ts";
import { modeCases } from "./mode-cases.ts";
import { refusalCases, stopCase } from "./refusal-cases.ts";
import { templateCases } from "./template-cases.ts";
import { twoStepCases } from "./two-step-cases.ts";
import { wayCases } from "./way-cases.ts";

/** Everything that Assay relies on, in the order of the table. The last one leaves its engine dead. */
export const allCases: readonly Case[] = [
  ...engineCases,
  ...templateCases,
  ...logprobCases,
  ...twoStepCases,
  ...wayCases,
  ...modeCases,
  ...refusalCases,
  stopCase,
];
