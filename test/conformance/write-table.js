/**
 * write-table.js --write|--check RESULTS.json PAGE.md: what the suite saw as a table, between the page's markers.
 * --check writes nothing and says where the page differs. Does nothing unless every case passed.
 */
import { readFileSync } from "node:fs";
import { putBetweenMarkers } from "./put-between-markers.js";

const begin = "<!-- made by npm run test:vllm -- --write-table: begin -->";
const end = "<!-- end -->";

const [mode, resultsPath, pagePath] = process.argv.slice(2);
if ((mode !== "--write" && mode !== "--check") || resultsPath === undefined || pagePath === undefined) {
  throw new Error("usage: write-table.js --write|--check RESULTS.json PAGE.md");
}

const results = JSON.parse(readFileSync(resultsPath, "utf8"));
if (results.seen.length === results.cases) put(tableOf(results));
else say(`${results.seen.length} of ${results.cases} cases ran: the table stays as it is`);

function tableOf({ version, seen }) {
  const topics = [...new Set(seen.map(({ topic }) => topic))];
  const tables = topics.map((topic) => {
    const rows = seen
      .filter((one) => one.topic === topic)
      .map((one) => `| ${one.holds} | ${one.on} | ${one.seen} |`.replaceAll("\n", " "));
    return [`### ${topic}`, "", "| what holds | on | seen |", "|---|---|---|", ...rows].join("\n");
  });
  return [`vLLM ${version}, ${seen.length} cases.`, ...tables].join("\n\n");
}

function put(text) {
  const check = mode === "--check";
  if (putBetweenMarkers(pagePath, { begin, end, text, check })) say(`${pagePath} says what was seen`);
  else if (check) say(`!!! ${pagePath} differs from what was seen: npm run test:vllm -- --write-table`);
  else say(`wrote the table of ${pagePath}`);
}

function say(text) {
  process.stderr.write(`conformance: ${text}\n`);
}
