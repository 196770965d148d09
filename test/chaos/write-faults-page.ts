import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { faultMatrix } from "./fault-matrix.ts";
import { faultsPage } from "./faults-page.ts";
import { readRuns } from "./processes/record-run.ts";

// npm run chaos:page
writeFileSync(
  fileURLToPath(new URL("../../docs/reference/faults.md", import.meta.url)),
  faultsPage(faultMatrix, readRuns()),
);
