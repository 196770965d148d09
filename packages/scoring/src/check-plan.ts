import { type BatchFile, batchName, batchSha256, retryName } from "@assay/core";
import { Broken } from "./broken-promise.ts";

/** Whether batch.json is the plan that its name says, and its chunks hold every row once. Throws Broken. */
export function checkPlan(file: BatchFile): void {
  const full = batchSha256(
    file,
    file.chunks.map((chunk) => chunk.sha256),
  );
  const { parent } = file;
  const isNamed =
    parent === undefined
      ? file.batch.endsWith(batchName("x", full).slice(1))
      : file.batch === retryName(parent.batch, parent.retry);
  if (full !== file.sha256 || !isNamed) {
    throw new Broken({
      promise: "P5",
      what: "batch.json is not the plan its name says",
      where: `${file.batch}/batch.json`,
      expected: file.sha256,
      got: full,
    });
  }
  let rowStart = 0;
  let rows = 0;
  for (const [chunk, plan] of file.chunks.entries()) {
    if (parent === undefined ? plan.row_start !== rowStart : plan.row_start < rowStart) {
      throw new Broken({
        promise: "P1",
        what: "the plan's chunks leave out or double rows",
        where: `chunk ${chunk}`,
        expected: `row ${rowStart}`,
        got: `row ${plan.row_start}`,
      });
    }
    rowStart = plan.row_start + plan.rows;
    rows += plan.rows;
  }
  if (rows !== file.counts.rows) {
    throw new Broken({
      promise: "P1",
      what: "the plan's chunks do not hold the plan's rows",
      where: `${file.batch}/batch.json`,
      expected: String(file.counts.rows),
      got: String(rows),
    });
  }
}
