import type { FaultRow } from "./fault-matrix.ts";
import { faultNames, kindOf } from "./processes/fault-kinds.ts";
import type { ChaosRun } from "./processes/record-run.ts";

/** docs/reference/faults.md from the matrix and the counts of the recorded runs. Pure. */
export function faultsPage(matrix: readonly FaultRow[], runs: readonly ChaosRun[]): string {
  return [
    "# Faults",
    "",
    "Made from `test/chaos/fault-matrix.ts` and the runs in `test/chaos/last-run.json` by `npm run chaos:page`; a test says when it is stale.",
    "",
    "## What real runs counted",
    "",
    ...runsText(runs),
    "",
    "`npm run chaos -- --seed N --minutes M` starts a redis-server with an append-only log, an S3 server (the test kit's, or with `--store versitygw` a real one behind gates that disturb it), two simulated engines, three `assay worker` processes that a supervisor starts again, and submits batch after batch while a plan of faults that is a pure function of the seed is carried out. The same seed is the same plan and not the same run: real clocks are no part of a seed. People pause, resume and cancel batches meanwhile, and type the same retry twice at once. Then everything heals, every batch and every retry that nobody cancelled has to become complete, and the checker reads input and store alone: `verify --deep`, a count of its own, and every reward beside the one that an undisturbed engine gives. Gates before the engines count how often each row is asked. A batch that was cancelled has to stay so: its late shards are checked like all others, `verify` ends with 75, and the same submit is refused.",
    "",
    "A kill may cost the rows that the worker had in flight and, for each chunk in its hands, one checkpoint that was not saved yet (64 rows). Kills of a worker that met a sick store are counted and not judged: its checkpoints waited on the host's disk.",
    "",
    "## The matrix",
    "",
    "| | fault | how it is made | promise | tests | in real runs |",
    "|---|---|---|---|---|---|",
    ...matrix.map((row) => matrixLine(row, runs)),
    "",
    "## What is not tried",
    "",
    ...untried(matrix, runs),
    "",
  ].join("\n");
}

function runsText(runs: readonly ChaosRun[]): string[] {
  if (runs.length === 0) return ["No run is recorded."];
  const sum = (of: (run: ChaosRun) => number | undefined): string =>
    runs.reduce((total, run) => total + (of(run) ?? 0), 0).toLocaleString("en-US");
  const worst = runs.reduce((most, run) => ((run.largestWaste ?? 0) > (most.largestWaste ?? 0) ? run : most));
  const faults = (run: ChaosRun): number => Object.values(run.faults).reduce((total, times) => total + times, 0);
  const failed = runs.filter(({ held }) => !held);
  return [
    "| | |",
    "|---|---|",
    `| runs | ${runs.length}, ${sum(({ minutes }) => minutes)} minutes of faults; seeds ${runs.map(({ seed }) => seed).join(", ")} |`,
    `| stores | ${[...new Set(runs.map(({ store }) => store))].join(", ")} |`,
    `| faults | ${sum(faults)} of ${new Set(runs.flatMap((run) => Object.keys(run.faults))).size} kinds |`,
    `| worker processes killed with -9 | ${sum(({ kills }) => kills)} |`,
    `| rows | ${sum(({ rows }) => rows)} |`,
    `| rows lost | ${sum(({ lost }) => lost)} |`,
    `| rows doubled | ${sum(({ doubled }) => doubled)} |`,
    `| rewards invented | ${sum(({ invented }) => invented)} |`,
    `| rows without a reward, told by their status | ${sum(({ withoutReward }) => withoutReward)} |`,
    `| of them quarantined, since engines seemed to die under them, twice | ${sum(({ quarantined }) => quarantined)} |`,
    `| rows asked again although a checkpoint held them | ${sum((run) => run.checkpointedAskedAgain)} |`,
    `| largest waste of one kill | ${worst.largestWaste ?? 0} rows, bound ${worst.boundThere ?? 0} |`,
    ...failed.map(
      ({ seed, note }) => `| the run of seed ${seed} broke a promise | ${cell(note ?? "not explained yet")} |`,
    ),
  ];
}

function matrixLine({ id, fault, injected, promise, tests }: FaultRow, runs: readonly ChaosRun[]): string {
  const named = tests.map(([file, title]) => `[${cell(title)}](../../${file})`).join("<br>");
  const kinds = faultNames
    .filter((name) => standsFor(name, id))
    .map((name) => `${name}: ${runs.reduce((total, run) => total + (run.faults[name] ?? 0), 0)}`);
  return `| ${[id, fault, injected, promise].map(cell).join(" | ")} | ${named} | ${kinds.map(cell).join("<br>")} |`;
}

function standsFor(name: (typeof faultNames)[number], id: string): boolean {
  return kindOf(name).rows.some((row) => row === id || (row === "W1-8" && /^W[1-8]$/.test(id)));
}

/** Faults of the plan that no recorded run could make stand here as well. */
function untried(matrix: readonly FaultRow[], runs: readonly ChaosRun[]): string[] {
  const why = new Map(runs.flatMap((run) => Object.entries(run.notInjected)));
  const made = new Set(runs.flatMap((run) => Object.keys(run.faults)));
  const left = [
    ...matrix.flatMap((row) => (row.untried === undefined ? [] : [`- ${row.id}: ${row.untried}`])),
    ...faultNames.flatMap((name) =>
      made.has(name) ? [] : [`- ${name}, in the recorded runs: ${why.get(name) ?? "not drawn"}`],
    ),
  ];
  return left.length === 0 ? ["Nothing of the matrix."] : left;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
