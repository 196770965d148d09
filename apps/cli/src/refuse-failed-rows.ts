import { AssayError } from "@assay/core";
import { commandLine } from "./command-line.ts";
import { count, counted } from "./say.ts";
import { familyOk, readRetries } from "./show-retries.ts";
import { type CompleteBatch, okRows, statusText } from "./show-summary.ts";

/**
 * Exit 3 when more rows than `maxFailed` have no reward, over the batch and its retries. Resolves with the rows that
 * have one. Throws E_ROWS_FAILED.
 */
export async function refuseFailedRows(
  { store, file, summary }: Pick<CompleteBatch, "store" | "file" | "summary">,
  maxFailed: number,
  root: string | undefined,
): Promise<number> {
  const retries = await readRetries(store, file);
  const ok = familyOk(okRows(summary), retries);
  const failed = summary.rows - ok;
  if (failed <= maxFailed * summary.rows) return ok;
  const { ok: _ok, ...others } = summary.status;
  const still = retries.length === 0 ? "" : "still ";
  throw new AssayError("E_ROWS_FAILED", `${count(failed)} of ${counted(summary.rows, "row")} ${still}have no reward`, {
    where: file.batch,
    expected: `at most ${Number((100 * maxFailed).toFixed(2))} % (--max-failed)`,
    ...(retries.length === 0 ? { got: statusText(others) } : {}),
    next: commandLine(["failures", file.batch], root),
  });
}
