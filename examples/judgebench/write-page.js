/** write-page.js TABLE.md REPORT.json PAGE.md: eval's tables and check_rewards.py's report, between the page's markers. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { putBetweenMarkers } from "../../test/conformance/put-between-markers.js";

const [tablePath, reportPath, pagePath] = process.argv.slice(2);
if (pagePath === undefined) throw new Error("usage: write-page.js TABLE.md REPORT.json PAGE.md");

const table = readFileSync(tablePath, "utf8").trim();
const seen = JSON.parse(readFileSync(reportPath, "utf8"));
const count = (n) => n.toLocaleString("en-US");
const statuses = Object.entries(seen.status).map(([status, rows]) => `${count(rows)} ${status}`);
const pairs =
  seen.pairs === seen.pairs_in_file
    ? `${count(seen.pairs)} pairs`
    : `the first ${count(seen.pairs)} of ${count(seen.pairs_in_file)} pairs`;
const text = [
  table,
  "",
  "| | |",
  "|---|---|",
  `| rows | ${count(seen.rows)} of ${pairs}: ${statuses.join(", ")}; ${count(seen.above_zero)} above 0 |`,
  `| prompts | ${count(seen.prompt_tokens)} tokens, the longest ${count(seen.longest_prompt)}; ${percent(seen.cached_tokens, seen.prompt_tokens)} came from the engine's prefix cache |`,
  `| time | ${duration(seen.engine_seconds)} of the engine on ${availableParallelism()} cores, ${(seen.rows / seen.engine_seconds).toFixed(2)} rows/s |`,
  `| asked again by check_rewards.py | ${seen.asked_again} rows drawn, the farthest ${seen.engine_apart.toExponential(1)} apart (allowed ${seen.tolerance}) |`,
  `| in transformers, without the engine | ${seen.forward} rows, the farthest ${seen.forward_apart.toExponential(1)} apart |`,
  `| counted again | the table's pairs and right ones, from the rewards and the file's labels: equal |`,
].join("\n");
const begin = "<!-- made by npm run example:judgebench -- --write FILE: begin -->";
const same = putBetweenMarkers(pagePath, { begin, end: "<!-- end -->", text });
process.stderr.write(`${pagePath} ${same ? "says what was seen" : "is written"}\n`);

function percent(part, whole) {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

function duration(seconds) {
  return seconds < 3_600
    ? `${Math.round(seconds / 60)} min`
    : `${Math.floor(seconds / 3_600)} h ${Math.round((seconds % 3_600) / 60)} min`;
}
