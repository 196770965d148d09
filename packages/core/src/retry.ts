import { z } from "zod";
import { type BatchFile, formatVersion } from "./batch-file.ts";
import { canonicalJson } from "./canonical-json.ts";
import { AssayError } from "./error.ts";
import { profileSha256 } from "./profile.ts";
import type { ResultRow } from "./result-row.ts";
import { isBadLine, type RowsLine } from "./row.ts";
import { setProfile } from "./set-profile.ts";
import { type Status, statuses } from "./status.ts";

/**
 * Retries: `<batch>/retries/0001.json` says which rows of a complete batch are asked again and
 * under which changed settings. It makes the child batch `<batch>-r1`, an ordinary batch whose rows keep the parent's
 * `row_index`. A chain: the next one is allowed when the batch and its earlier retries are complete, and its rows are
 * a pure function of the store. So a row is ok at most once over the family.
 */
export const retryLinkSchema = z.strictObject({
  /** the format of the batch: software of another generation must not cut the child's rows */
  format: z.int(),
  filter: z.strictObject({ status: z.array(z.enum(statuses)).min(1) }),
  /** `--set` as typed, by key */
  set: z.record(z.string(), z.string()),
  at: z.string(),
  by: z.string(),
});
export type RetryLink = z.infer<typeof retryLinkSchema>;

export function retryLinkBytes(link: RetryLink): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson(link)}\n`);
}

/** What another ask can never change: nothing was asked, or the row has its reward. */
export const unretryableStatuses = ["ok", "bad_input", "no_response"] as const satisfies readonly Status[];

/**
 * What `retry` asks again when no status is named: everything that another ask may change. Not `quarantined`, which
 * ended engines and is asked again only by name; `too_long` only with another token budget.
 */
export function defaultRetryStatuses(set: ReadonlyMap<string, string>): Status[] {
  return statuses.filter((status) => {
    if ((unretryableStatuses as readonly Status[]).includes(status) || status === "quarantined") return false;
    return status !== "too_long" || set.has("max_tokens");
  });
}

/**
 * The statuses of `--status a,b` in the order of the table, each once. Throws E_USAGE for an unknown one, and for one
 * that another ask cannot change.
 */
export function parseRetryStatuses(names: readonly string[]): Status[] {
  for (const name of names) {
    const status = statuses.find((known) => known === name);
    if (status === undefined || (unretryableStatuses as readonly Status[]).includes(status)) {
      throw new AssayError(
        "E_USAGE",
        status === undefined ? "no such status" : `asking again changes nothing of a row that is ${status}`,
        {
          where: "--status",
          expected: statuses.filter((known) => !(unretryableStatuses as readonly Status[]).includes(known)).join(", "),
          got: name,
        },
      );
    }
  }
  return statuses.filter((status) => names.includes(status));
}

type RetryWish = Pick<RetryLink, "filter" | "set">;

/** Whether two links ask the same rows in the same way; who wrote them and when is not part of it. */
export function isSameRetry(parent: BatchFile, a: RetryWish, b: RetryWish): boolean {
  const settings = ({ set }: RetryWish): string => profileSha256(retryProfile(parent, { set }));
  return canonicalJson(a.filter) === canonicalJson(b.filter) && settings(a) === settings(b);
}

/** The parent's profile with the retry's settings. Throws E_PROFILE. */
export function retryProfile(parent: BatchFile, { set }: Pick<RetryLink, "set">): BatchFile["profile"] {
  return setProfile(parent.profile, new Map(Object.entries(set)));
}

/** Rows of a line whose `row_index` is wanted, as a line of the child: everything but the list of principles stays. */
export function narrowLine(line: RowsLine, isWanted: (rowIndex: number) => boolean): RowsLine | null {
  if (isBadLine(line)) return null;
  const principles = line.principles.filter(({ row_index }) => isWanted(row_index));
  const [first] = principles;
  return first === undefined ? null : { ...line, row_index: first.row_index, principles };
}

/** What a row came to over a batch and its retries: its ok result where it has one, else the newest. */
export function newestResult(results: readonly ResultRow[]): ResultRow | undefined {
  return results.find(({ status }) => status === "ok") ?? results.at(-1);
}

/** The settings that a child has from its parent and its link; its chunks and counts are made from rows. */
export function retrySettings(
  parent: BatchFile,
  link: RetryLink,
): Omit<BatchFile, "batch" | "sha256" | "chunks" | "counts" | "parent" | "software"> {
  const { batch: _batch, sha256: _sha256, chunks: _chunks, counts: _counts, parent: _parent, ...settings } = parent;
  const { software: _software, ...kept } = settings;
  return { ...kept, format: formatVersion, profile: retryProfile(parent, link), created_at: link.at, inputs: [] };
}
