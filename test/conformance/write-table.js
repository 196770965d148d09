/**
 * write-table.js --write|--check RESULTS.json PAGE.md: what the suite saw as a table, between the page's markers.
 * --check writes nothing and says where the page differs. Does nothing unless every case passed.
 */
import { readFileSync, writeFileSync } from "node:fs";

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

function put(table) {
  const page = readFileSync(pagePath, "utf8");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${pagePath} has no place for the table: ${begin} ... ${end}`);
  const next = `${page.slice(0, from + begin.length)}\n\n${table}\n\n${page.slice(to)}`;
  if (next === page) say(`${pagePath} says what was seen`);
  else if (mode === "--check") say(`!!! ${pagePath} differs from what was seen: npm run test:vllm -- --write-table`);
  else {
    writeFileSync(pagePath, next);
    say(`wrote the table of ${pagePath}`);
  }
}

function say(text) {
  process.stderr.write(`conformance: ${text}\n`);
}
