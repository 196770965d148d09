import { isSameRetry, statusMeanings, unretryableStatuses } from "@assay/core";
import type { FailureGroup, Family } from "@assay/scoring";
import { commandLine } from "./command-line.ts";
import { copyableText } from "./copyable-text.ts";

/**
 * The retry of a class, with twice the token budget that was too small; else what a person can do. A retry that is the
 * same as a complete one has to say that it is another.
 */
export function stepAfterFailures(
  { head, retries }: Family,
  { status, batches }: FailureGroup,
  root: string | undefined,
): string {
  const asksAgain = !unretryableStatuses.some((one) => one === status);
  const whole = head.parent?.batch ?? head.batch;
  if (!asksAgain || status === "too_long")
    return copyableText(statusMeanings[status].next.replace("BATCH", whole), root);
  const asked = [head, ...retries.flatMap(({ file }) => (file === null ? [] : [file]))];
  const budgets = asked.filter(({ batch }) => batches.includes(batch)).map(({ profile }) => profile.max_tokens);
  const set = status === "truncated" ? { max_tokens: String(2 * Math.max(...budgets)) } : {};
  const link = { filter: { status: [status] }, set };
  const isSame = retries.some((retry) => retry.complete && isSameRetry(head, retry.link, link));
  const flags = Object.entries(set).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
  return commandLine(["retry", whole, "--status", status, ...flags, ...(isSame ? ["--again"] : [])], root);
}
