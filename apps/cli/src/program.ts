import { AssayError, errorTable, exitCode, isAssayError } from "@assay/core";
import { Command, CommanderError, Help, Option } from "commander";
import { copyableText } from "./copyable-text.ts";
import type { RootFlags } from "./flags.ts";
import { amount, numberFlag, share, whole } from "./number-flag.ts";
import { refuseSlips } from "./refuse-slips.ts";
import { version } from "./version.ts";
import { toCloud } from "./watch-spot-notice.ts";

/** Kubernetes, Slurm and spot machines give 30 s between the first signal and SIGKILL: a few are for saving. */
const defaultDrainSeconds = 20;

/** A fortnight: timers of more than 24 days are over at once. */
const mostSeconds = 14 * 86_400;

/** Beyond it the queue's priorities could not tell the batch's own jobs apart. */
const maxWeight = 1_000;

/** Runs what was typed. Rejects with E_USAGE where nothing was meant that there is, and with what the verb throws. */
export async function program(argv: readonly string[], root: Command = commands()): Promise<void> {
  try {
    await root.parseAsync([...argv]);
  } catch (error) {
    const verb = verbOf(root, argv.slice(2));
    const help = `${fullName(verb)} --help`;
    if (isCommanderError(error)) {
      if (error.exitCode === exitCode.ok) return;
      throw copyable(usageError(error, help), verb);
    }
    if (!isAssayError(error)) throw error;
    // where nothing better is known, the verb's own help is the next step
    throw copyable(error.next === errorTable.E_USAGE.next ? withNext(error, help) : error, verb);
  }
}

/**
 * What people type: one verb, one file. Verbs are loaded when they are called, so that `assay --help` loads no SDK.
 * Never give a flag a name that begins with --no-: commander would read `--no-x` as x = false.
 */
export function commands(): Command {
  const root = new Command("assay")
    .description("Scores (conversation, response, principle) rows with Yes/No reward models and keeps every row.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ optionDescription })
    .showSuggestionAfterError();

  root
    .command("demo")
    .description("score the examples with a simulated engine, into a local directory")
    .addOption(new Option("--root <dir>", "where to write").default("assay-demo"))
    .option("--json", "print JSON lines")
    .action(async (flags) => (await import("./verbs/demo.ts")).demo(flags));

  const score = root
    .command("score")
    .description("submit, work and wait in one process: for a laptop or one node")
    .argument("<input...>", "files, folders, globs, s3:// prefixes, or - for stdin")
    .requiredOption("--engine <url>", "engine URL, several separated by commas, or sim", collect, []);
  addRoot(addRedis(addPlan(addWorker(score))))
    .option("--detach", "go on without this terminal; prints the file with the output")
    .option("--json", "print JSON lines")
    .action(async (inputs, flags) => (await import("./verbs/score.ts")).score(inputs, flags));

  const submit = root
    .command("submit")
    .description("stage a batch and queue it; prints its name")
    .argument("<input...>", "files, folders, globs, s3:// prefixes, or - for stdin");
  addRoot(addRedis(addPlan(submit)))
    .option("--wait", "wait until the batch is complete")
    .option("--dry-run", "only plan, as `assay plan` does")
    .action(async (inputs, flags) =>
      flags.dryRun === true
        ? (await import("./verbs/plan.ts")).plan(inputs, flags)
        : (await import("./verbs/submit.ts")).submit(inputs, flags),
    );

  const plan = root
    .command("plan")
    .description("what a submit would do: rows, bad records, how long the night is; stores nothing")
    .argument("<input...>", "files, folders, globs, s3:// prefixes, or - for stdin");
  addPlan(plan)
    .option("--root <root>", "only to say whether the batch exists already")
    .option("--json", "print one JSON object")
    .action(async (inputs, flags) => (await import("./verbs/plan.ts")).plan(inputs, flags));

  const worker = root
    .command("worker")
    .description("take chunks from Redis and score them; as many as wanted, on any host")
    .requiredOption("--engine <url>", "engine URL, several separated by commas, or sim", collect, []);
  addRoot(addRedis(addWorker(worker)))
    .option("--model <name>", "the served model to work for, where the engines serve several")
    .option("--batch <batch>", "work for this batch only")
    .option("--until-idle", "end when no batch of the root has work left")
    .option("--json", "log JSON lines")
    .action(async (flags) => (await import("./verbs/worker.ts")).worker(flags));

  const status = root
    .command("status")
    .description("how far a batch is, and, where a Redis is named, what its workers do or wait for")
    .argument("[batch]", "name, beginning or latest", "latest");
  addRoot(addRedis(status))
    .option("--watch", "again every two seconds until it ends")
    .option("--json", "print one JSON object")
    .action(async (batch, flags) => (await import("./verbs/status.ts")).status(batch, flags));

  addRoot(root.command("wait").description("wait until a batch ends").argument("<batch>"))
    .addOption(numberFlag("--timeout <seconds>", "give up after this long (exit 75)", whole(1)))
    .action(async (batch, flags) => (await import("./verbs/wait.ts")).wait(batch, flags));

  addRoot(root.command("ls").description("the batches of a root, newest first"))
    .option("--tag <k=v>", "only batches with this tag (repeatable)", collect, [])
    .option("--unplanned", "folders that are no batch, left by a submit that was killed, instead")
    .option("--json", "print JSON lines")
    .action(async (flags) => (await import("./verbs/ls.ts")).ls(flags));

  addRoot(addRedis(root.command("cancel").description("stop a batch; its shards stay").argument("<batch>"))).action(
    async (batch, flags) => (await import("./verbs/cancel.ts")).cancel(batch, flags),
  );

  addRoot(addRedis(root.command("pause").description("hold a batch until it is resumed").argument("<batch>")))
    .option("--reason <text>", "why, for those who look at its status")
    .action(async (batch, flags) => (await import("./verbs/pause.ts")).pause(batch, flags));

  addRoot(addRedis(root.command("resume").description("let a paused or cancelled batch go on").argument("<batch>")))
    .option("--accept-failures", "commit chunks whose every row failed, as they are")
    .addOption(
      numberFlag(
        "--weight <n>",
        "its share of the queue beside other batches, 1 to 1000; 1 is the default",
        whole(1, maxWeight),
      ),
    )
    .action(async (batch, flags) => (await import("./verbs/resume.ts")).resume(batch, flags));

  const retry = root
    .command("retry")
    .description("ask the failed rows of a complete batch again, as a child batch; prints its name")
    .argument("<batch>");
  addRoot(addRedis(addWorker(retry)))
    .option("--status <names>", "only rows of these statuses (default: all that another ask may change)", collect, [])
    .option("--set <key=value>", "change one setting of the profile, such as max_tokens=32000 (repeatable)", keep, [])
    .option("--again", "another retry, where the same one is complete")
    .option("--engine <url>", "work on it here: engine URL, several separated by commas, or sim", collect, [])
    .option("--wait", "wait until it is complete")
    .option("--json", "print JSON lines")
    .action(async (batch, flags) => (await import("./verbs/retry.ts")).retry(batch, flags));

  addRoot(
    root
      .command("failures")
      .description("rows without a reward by class, each with an example and the command to ask them again")
      .argument("[batch]", "name, beginning or latest", "latest"),
  )
    .option("--json", "print one JSON object")
    .action(async (batch, flags) => (await import("./verbs/failures.ts")).failures(batch, flags));

  addRoot(root.command("verify").description("check the promises of a batch from the store alone").argument("<batch>"))
    .option("--deep", "also make every row's key, and the rows of every retry, anew")
    .option("--json", "print one JSON object")
    .action(async (batch, flags) => (await import("./verbs/verify.ts")).verify(batch, flags));

  addRoot(
    root
      .command("explain")
      .description("what one row's reward rests on: request, verdict, arithmetic, and what others would have given")
      .argument("<batch>")
      .argument("<row>", "row_index, or id"),
  )
    .option("--id", "ROW is an id, also where it looks like a row_index")
    .option("--text", "show the texts, too: conversation, response, reasoning, and the request as curl")
    .option("--engine <url>", "ask it again on this engine; sim only for a row of a simulated one", collect, [])
    .option("--engine-key-file <file>", "file with the engine's API key (or ASSAY_ENGINE_KEY)")
    .option("--json", "print one JSON object")
    .action(async (batch, row, flags) => (await import("./verbs/explain.ts")).explain(batch, row, flags));

  addRoot(
    root
      .command("eval")
      .description("figures of a benchmark from batches or a score file: rm-bench, judgebench, rewardbench2, labels")
      .argument("<benchmark>", "rm-bench, judgebench, rewardbench2 or labels")
      .argument("[batch...]", "batches of one model, read as one"),
  )
    .option(
      "--scores <file>",
      "evaluate this score file instead of batches (JSON or JSON Lines, as `assay export BATCH FILE.jsonl` writes them)",
    )
    .option("--against <other>", "a second batch or score file beside ours, or card for the model card's rows")
    .option("--label <column>", "labels: the column with Yes or No, without in_ (default: fulfilment, else label)")
    .addOption(numberFlag("--seed <n>", "labels: seed of the bootstrap", whole(0)).default(0))
    .option("--markdown", "print Markdown tables")
    .option("--json", "print one JSON object")
    .action(async (name, batches, flags) => (await import("./verbs/eval.ts")).evaluate(name, batches, flags));

  addRoot(
    root
      .command("export")
      .description("a batch's results, those of its retries included, for whoever goes on with them")
      .argument("<batch>")
      .argument("<path>", "FILE.parquet, FILE.jsonl or FILE.csv; a folder for --as dataset"),
  )
    .option("--as <shape>", "rows, dataset (Hugging Face folder), pairs (DPO), groups (GRPO)", "rows")
    .addOption(numberFlag("--margin <reward>", "pairs: least distance between the two rewards", amount).default(1))
    .option("--text", "add prompt and response")
    .option("--missing <policy>", "reward of rows that have none: null, zero, floor, card, or drop the rows", "null")
    .action(async (batch, file, flags) => (await import("./verbs/export.ts")).exportBatch(batch, file, flags));

  addRoot(root.command("gc").description("remove checkpoints of chunks that are done; only says what it would remove"))
    .option("--yes", "remove them")
    .addOption(numberFlag("--older-than <hours>", "only uploads that were begun before", amount).default(24))
    .option("--json", "print JSON lines")
    .action(async (flags) => (await import("./verbs/gc.ts")).gc(flags));

  addRedis(root.command("doctor").description("check engine, Redis and root, and say what would mend them"))
    .option("--root <root>", "directory or s3://bucket/prefix (or ASSAY_ROOT)")
    .option("--engine <url>", "engine URL, several separated by commas", collect, [])
    .option("--engine-key-file <file>", "file with the engine's API key (or ASSAY_ENGINE_KEY)")
    .option("--profile <name>", "built-in profile or file to probe for")
    .option("--model <name>", "served name to probe for")
    .option("--read <way>", "way of reading to insist on: two-step, ids or top")
    .option("--json", "print one JSON object")
    .action(async (flags) => (await import("./verbs/doctor.ts")).doctor(flags));

  root
    .command("bench")
    .description("measure what is yours")
    .command("engine")
    .description("ways of reading, the price of seeds and rows in flight on one engine, and which flags follow")
    .option("--engine <url>", "engine URL, or sim", collect, [])
    .option("--engine-key-file <file>", "file with the engine's API key (or ASSAY_ENGINE_KEY)")
    .option("--profile <name>", "built-in profile or a file with one")
    .option("--model <name>", "served name")
    .option("--set <key=value>", "change one setting of the profile (repeatable)", keep, [])
    .addOption(numberFlag("--rows <n>", "rows of one measurement, at least", whole(1, 100_000)).default(24))
    .addOption(numberFlag("--rounds <n>", "how often each is measured", whole(1, 1_000)).default(3))
    .addOption(numberFlag("--minutes <n>", "stop after this long", whole(1, mostSeconds / 60)).default(30))
    .option("--json", "print one JSON object")
    .action(async (flags) => (await import("./verbs/bench-engine.ts")).benchEngine(flags));

  root
    .command("sim")
    .description("a simulated engine: vLLM's HTTP surface, no judgements; prints its URL")
    .addOption(numberFlag("--port <n>", "port, 0 = any", whole(0, 65_535)).default(0))
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--model <name>", "served name", "simulator")
    .addOption(numberFlag("--slots <n>", "rows at once", whole(1, 65_536)))
    .addOption(numberFlag("--tokens-per-second <n>", "speed of a row alone; 0 = at once", amount))
    .addOption(
      numberFlag(
        "--engine-tokens-per-second <n>",
        "of all rows together at most; 0 = rows do not disturb each other",
        amount,
      ),
    )
    .addOption(numberFlag("--prefill-tokens-per-second <n>", "speed of prompts; 0 = at once", amount))
    .addOption(numberFlag("--max-model-len <n>", "context in tokens", whole(1)))
    .addOption(numberFlag("--kv-blocks <n>", "KV cache, in blocks of 16 tokens", whole(1)))
    .addOption(numberFlag("--reasoning-tokens <n>", "mean length of an answer", whole(1)))
    .option("--dies-of <text>", "its process ends (exit 139) when a conversation that holds this text is asked")
    .action(async (flags) => (await import("./verbs/sim.ts")).sim(flags));

  refuseSlips(root);
  return root;
}

/** A list begins empty, and what that means is in its description. */
function optionDescription(option: Option): string {
  const isList = Array.isArray(option.defaultValue);
  return isList ? option.description : new Help().optionDescription(option);
}

/** Commander's words in the form of ours: what is wrong in one line, its guess at what was meant as the next step. */
function usageError(error: CommanderError, help: string): AssayError {
  if (error.code === "commander.help") return new AssayError("E_USAGE", "no command is named");
  const [what = "", guess] = error.message.replace(/^error: /, "").split("\n");
  return new AssayError("E_USAGE", what, { next: guess?.replace(/^\((.*)\)$/, "$1") ?? help });
}

/** No package knows how it was called, nor the root by its flag: what they say next is completed here, for all of them. */
function copyable(error: AssayError, verb: Command): AssayError {
  return withNext(error, copyableText(error.next, verb.opts<RootFlags>().root));
}

function withNext(error: AssayError, next: string): AssayError {
  const { code, message, where, expected, got, cause } = error;
  return new AssayError(code, message, {
    ...(where === undefined ? {} : { where }),
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
    next,
    cause,
  });
}

/** The command that was typed, as far as there is one. */
function verbOf(command: Command, words: readonly string[]): Command {
  const below = command.commands.find((one) => one.name() === words[0]);
  return below === undefined ? command : verbOf(below, words.slice(1));
}

/** "assay bench engine" */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof CommanderError;
}

/** Repeatable; commas separate, too. */
function collect(value: string, before: string[]): string[] {
  return [
    ...before,
    ...value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ];
}

function keep(value: string, before: string[]): string[] {
  return [...before, value];
}

function addRoot(command: Command): Command {
  return command.option("--root <root>", "directory or s3://bucket/prefix (or ASSAY_ROOT)");
}

function addRedis(command: Command): Command {
  return command.option("--redis <url>", "redis://host:6379 (or REDIS_URL)");
}

function addWorker(command: Command): Command {
  return command
    .option("--engine-key-file <file>", "file with the engine's API key (or ASSAY_ENGINE_KEY)")
    .addOption(
      numberFlag(
        "--in-flight <n>",
        "rows in flight per engine (default: what the engine's own state allows)",
        whole(1),
      ),
    )
    .option("--on-engine-hung <cmd>", "run when an engine writes no more tokens (ASSAY_ENGINE, ASSAY_REASON)")
    .addOption(
      numberFlag(
        "--drain-seconds <n>",
        "time for rows in flight after the first Ctrl-C, SIGTERM or SIGUSR1; then what has finished is saved",
        whole(0, mostSeconds),
      ).default(defaultDrainSeconds),
    )
    .option("--spot <cloud>", "aws, gcp or azure: its notice that it takes this machine away drains, too", toCloud);
}

function addPlan(command: Command): Command {
  return command
    .option("--profile <name>", "built-in profile or a file with one")
    .option("--model <name[@revision]>", "served name, and the revision you mean")
    .option("--principle <text>", "principle for records that bring none (repeatable)", keep, [])
    .option("--recipe <file>", "principles by domain for records that bring none (see examples/recipes)")
    .option("--set <key=value>", "change one setting of the profile (repeatable)", keep, [])
    .option("--format <name>", "how the records are written (default: found by their fields; `assay plan` says it)")
    .option("--read <way>", "insist on a way of reading the verdict: two-step, ids or top (as --set read=)")
    .option("--map <ours=theirs>", "names of fields, such as prompt=input,response=output", collect, [])
    .option(
      "--carry <name[:type]>",
      "a field as a typed column in_<name> (string, double, int64, boolean)",
      collect,
      [],
    )
    .option("--carry-all", "carry objects and long values, too")
    .addOption(numberFlag("--limit <n>", "only the first n records", whole(1)))
    .addOption(numberFlag("--sample <n>", "only n records drawn by --seed (0 where none is given)", whole(1)))
    .option("--name <text>", "readable part of the batch's name")
    .option("--tag <k=v>", "tag (repeatable)", keep, [])
    .option("--strip-reasoning <mode>", "auto, always or off (default: auto; off for labelled data sets)")
    .option(
      "--specials <mode>",
      "neutralise, reject or allow template strings in the rows' text (a mark that would begin or end a turn is never let through)",
      "neutralise",
    )
    .option("--reuse <batch>", "complete batch whose results stand for equal rows; repeatable", collect, [])
    .addOption(
      numberFlag("--samples <k>", "ask each row k times; one reward by the profile's combine (default 1)", whole(1)),
    )
    .addOption(numberFlag("--seed <n>", "seed sent with every request; sample i of a row gets n + i", whole(0)))
    .addOption(
      numberFlag("--max-bad <share>", "end before scoring when more of the records are bad", share).default(0.01),
    )
    .addOption(
      numberFlag("--max-failed <share>", "exit 3 at the end when more of the rows failed", share).default(0.05),
    )
    .option("--keep-reasoning <which>", "failed, none or all", "failed")
    .option("--order <order>", "mixed (what is done is a fair sample; over 100 chunks) or file", "mixed");
}
