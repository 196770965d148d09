/** A test that holds a row: its file, and the words that stand in its title there. */
export type NamedTest = readonly [file: string, title: string];

export interface FaultRow {
  readonly id: string;
  readonly fault: string;
  /** how it is made to happen */
  readonly injected: string;
  readonly promise: string;
  readonly tests: readonly NamedTest[];
  /** what of the row nothing here tries */
  readonly untried?: string;
}

const crash = "test/e2e/crash-points.test.ts";
const kill = "test/e2e/kill.test.ts";
const drain = "test/e2e/drain.test.ts";
const markers = "packages/scoring/test/attempt-markers.test.ts";
const workerIdles = "packages/scoring/test/worker-until-idle.test.ts";
const workerStops = "packages/scoring/test/worker-stops.test.ts";
const heldLeases = "packages/scoring/test/held-leases.test.ts";
const silentStore = "packages/scoring/test/silent-store.test.ts";
const workerObeys = "packages/scoring/test/worker-obeys-control.test.ts";
const workerRefuses = "packages/scoring/test/worker-refuses-engines.test.ts";
const once = "packages/scoring/test/exactly-once.test.ts";
const bullmq = "packages/queue/test/bullmq.test.ts";
const redisLoss = "packages/queue/test/redis-loss.test.ts";
const findRedis = "packages/queue/test/find-redis.test.ts";
const s3 = "packages/store/test/s3.test.ts";
const local = "packages/store/test/local-processes.test.ts";
const spool = "packages/scoring/test/spool.test.ts";
const scoreRow = "packages/scoring/test/score-row.test.ts";
const pool = "packages/engine/test/engine-pool.test.ts";
const client = "packages/engine/test/engine-client.test.ts";
const submit = "packages/scoring/test/submit-batch.test.ts";
const wrongNames = "packages/datasets/test/wrong-names.test.ts";
const jsonlMemory = "packages/datasets/test/read-jsonl-memory.test.ts";
const jsonlUnreadable = "packages/datasets/test/read-jsonl-unreadable.test.ts";
const parquet = "packages/datasets/test/read-parquet.test.ts";
const normalise = "packages/core/test/normalise-record.test.ts";
const carried = "packages/core/test/normalise-carried.test.ts";
const foreign = "test/e2e/foreign-errors.test.ts";
const unwell = "test/e2e/redis-unwell.test.ts";
const builds = "test/e2e/two-builds.test.ts";

const killed = (
  after: string,
  promise: string,
  title: string,
  id: string,
  more: readonly NamedTest[] = [],
): FaultRow => ({
  id,
  fault: `kill -9 after: ${after}`,
  injected: "ASSAY_CRASH_AT in a real process",
  promise,
  tests: [[crash, title], ...more],
});

/** Everything that is known to go wrong on such a night, what is promised then, and which tests hold it. */
export const faultMatrix: readonly FaultRow[] = [
  killed("a lease was taken", "the chunk is asked by somebody else", "W1 a lease was taken", "W1", [
    [bullmq, "that is killed loses its lease to another"],
  ]),
  killed("the input was read", "nothing is charged: no row was sent", "W2 the input was read", "W2", [
    [markers, "a chunk that waits for an engine has not begun: who is killed there charges nobody"],
  ]),
  killed("the first request was sent", "the row is asked again, once", "W3 the first request was sent", "W3"),
  killed("some rows are done", "rows in a checkpoint are never asked again", "W4 some rows are done", "W4", [
    ["test/e2e/checkpoints.test.ts", "SIGKILL in the middle of a chunk"],
    [once, "workers are killed and drained again and again, and no row that a checkpoint holds is asked again"],
  ]),
  killed("all rows are done", "at most one unsaved checkpoint is asked again", "W5 all rows are done", "W5"),
  killed("the shard is written, before anybody is told", "nobody sees half a shard", "W6 W7", "W6", [
    [local, "a process that is killed while it puts leaves whole objects and at most a temp"],
  ]),
  killed("the shard is put, job not acknowledged", "the next holder finds the shard and asks nothing", "W6 W7", "W7"),
  killed(
    "the job is acknowledged, batch not ended",
    "the next reconcile ends the batch",
    "W8 the job is acknowledged",
    "W8",
    [[workerIdles, "complete without _SUCCESS is carried on: a finalizer was killed between the two"]],
  ),
  {
    id: "W9",
    fault: "SIGSTOP beyond the lease, then CONT: a zombie",
    injected: "signals to a real worker; a lease that lapses in the adapter's tests",
    promise: "one shard; the zombie looks into the store at its first refusal",
    tests: [
      [markers, "with a younger attempt in the store: saves what has finished, stops, and the younger one goes on"],
      [workerStops, "a lease that lapses: where nobody else has committed it goes on"],
    ],
  },
  {
    id: "W10",
    fault: "event loop blocked beyond the lease",
    injected: "a busy loop on SIGUSR2 in a real worker",
    promise: "as a zombie; who gets its own chunk again goes on with it",
    tests: [
      [workerStops, "refused a renewal with the shard there: the chunk stops by itself"],
      [heldLeases, "when its leases lapse, as on a machine that slept"],
    ],
  },
  {
    id: "W11",
    fault: "out of memory: heap limit, kill by the kernel",
    injected: "--max-old-space-size of a real worker; kill -9 stands for the kernel's",
    promise: "as kill -9",
    tests: [[kill, "a killed worker, a Redis wiped twice and a cancelled batch: every row exactly once"]],
  },
  {
    id: "W12",
    fault: "SIGTERM idle, in the middle, twice; SIGUSR1; SIGHUP; a spot notice",
    injected: "signals to real processes, a metadata service",
    promise: "P9: exit 75 within the deadline, finished rows saved, the chunk goes back at once",
    tests: [
      [drain, "%s: nothing new is sent, finished rows are saved, the chunk goes back at once, exit 75"],
      [drain, "rows that take longer than the deadline are stopped; a second signal does not wait for it"],
      [drain, "a closed terminal does not stop it"],
      [drain, "a cloud's notice that it takes the spot machine away is a first signal"],
      [drain, "submit, stopped in the middle of staging"],
    ],
  },
  {
    id: "W13",
    fault: "two workers at one chunk, a job delivered twice, a lock that is lost",
    injected: "leases that lapse, doubled jobs, any number of workers from a seed",
    promise: "one commit wins, the other drops its work and ends well",
    tests: [
      [once, "any number of workers, kills, wipes, lapsed leases and faults of the store; sampled rewards"],
      [once, "two workers that disagree about a row: one shard wins and stays"],
    ],
  },
  {
    id: "W14",
    fault: "rolling deploy: workers of two versions, engines of two revisions",
    injected: "two real builds side by side, batches of another format, engines that render another template",
    promise: "a patch release goes on; another format or template is refused; nothing is mixed inside a batch",
    tests: [
      [builds, "a patch release beside the release before it: both work at the batch"],
      [builds, "a build of another format leaves the batch alone and says why"],
      [workerIdles, "one batch that is broken or of another generation does not keep the others from being served"],
      [
        workerRefuses,
        "a second worker whose engines render another template is refused with both fingerprints and its engine",
      ],
      [
        "packages/scoring/test/pin-batch.test.ts",
        "of two that differ at once exactly one is refused, with both values",
      ],
    ],
  },
  {
    id: "R1",
    fault: "Redis killed and started again with its log",
    injected: "kill -9 of a real redis-server with an append-only log",
    promise: "work goes on when it is back",
    tests: [[redisLoss, "Redis away and back, empty: nothing hangs or rejects but what says so; then all goes on"]],
  },
  {
    id: "R2",
    fault: "FLUSHALL, restart without data or with an old log, keys evicted",
    injected: "the same on a real redis-server",
    promise: "P4: heals by itself; a policy that evicts is refused at the start",
    tests: [
      [redisLoss, "FLUSHALL: a lease says once that it was refused"],
      [kill, "a killed worker, a Redis wiped twice and a cancelled batch: every row exactly once"],
      [bullmq, "refuses a Redis that may evict jobs, and names the setting"],
      [markers, "by a wiped Redis: nobody else has begun, so it goes on and commits"],
      [heldLeases, "when Redis is wiped under it"],
    ],
  },
  {
    id: "R3",
    fault: "Redis stops answering, CLIENT PAUSE, connections reset",
    injected: "SIGSTOP and CLIENT PAUSE of a real redis-server, a proxy that cuts",
    promise: "rows in flight go on and are committed; only intake stops",
    tests: [
      [redisLoss, "Redis stopped for longer than the lock: refused once"],
      [redisLoss, "connections cut: the lease stays, jobs are taken, nudges are heard, and the reconnect is told"],
    ],
  },
  {
    id: "R4",
    fault: "fail-over that loses the tail; READONLY",
    injected: "an old log restored, REPLICAOF of a real redis-server in real runs",
    promise: "reconcile adds what is missing: a lost tail is a small wipe",
    tests: [[bullmq, "a job that is in no list is healed by remove and add"]],
  },
  {
    id: "R5",
    fault: "Redis out of memory, without room to save, loading, asking for a password",
    injected: "maxmemory, requirepass, a folder that takes no file, thousands of keys to load, on a real redis-server",
    promise: "a code at the start, or waiting while it loads; a worker that runs waits",
    tests: [
      [unwell, "MISCONF: rows in flight are committed, nothing new is taken, a start ends with a code"],
      [unwell, "LOADING: a worker that runs waits, a start waits for the end of it, and all goes on"],
      [findRedis, "that refuses the password, or asks for one, is E_DENIED, and the password is not said"],
      [findRedis, "that does not answer is E_REDIS_UNAVAILABLE, and no password is in the error"],
      [redisLoss, "a lease ended while Redis is away is ended there when it comes back"],
    ],
  },
  {
    id: "R6",
    fault: "no way from one worker to Redis, the store is still there",
    injected: "a proxy that cuts or swallows, in real runs",
    promise: "the worker commits what it has and acknowledges later",
    tests: [
      [redisLoss, "a lease ended while Redis is away is ended there when it comes back"],
      [
        workerStops,
        "a lease that lapses: where nobody else has committed it goes on, and the chunk has one shard in the end",
      ],
    ],
  },
  {
    id: "S1",
    fault: "bursts of 503, 500, 429, 409, time-outs of the store",
    injected: "an S3 server with a script of faults",
    promise: "asked again with growing pauses; no row and no chunk fails",
    tests: [
      [s3, "%s: no call shows it"],
      [s3, "of 50 racers in a storm of conflicts, lost answers and slow-downs has one winner"],
      ["packages/scoring/test/wait-for-store.test.ts", "asks until the store answers, at pauses from 1 s to 30 s"],
    ],
  },
  {
    id: "S2",
    fault: "a put was stored and its answer was lost",
    injected: "the S3 server drops the connection behind the put",
    promise: "the writer is told that it won",
    tests: [
      [s3, "whose answer is lost after it was stored is ours"],
      [s3, "whose answer is lost and whose key was another's is theirs"],
    ],
  },
  {
    id: "S3",
    fault: "a slow store, a socket that stalls",
    injected: "answers that never come; a wire of 20 kB/s in real runs",
    promise: "a limit for every call, then asked again; a drain waits for none of them",
    tests: [
      [s3, "a call ends at its own limit where no other limit bites"],
      [s3, "that is stored and never answered is ours"],
      [silentStore, "law: from whichever call on the store says nothing"],
    ],
  },
  {
    id: "S4",
    fault: "a body cut short, bytes that changed",
    injected: "the S3 server cuts; shards with a flipped byte",
    promise: "never parsed as whole; verify names the object",
    tests: [
      [s3, "for good never passes as a shorter object"],
      [s3, "is never put together with the bytes of another object"],
      ["packages/scoring/test/verify-batch.test.ts", "one byte of a shard flipped, at any place"],
    ],
  },
  {
    id: "S5",
    fault: "403, wrong region, no bucket, a store without conditional puts",
    injected: "the S3 server refuses, or ignores the condition",
    promise: "refused before the first write; in the middle the worker ends with its code and its chunk goes back",
    tests: [
      [
        workerStops,
        "a store that denies: the worker ends with E_DENIED, its job given back, and nothing is left unhandled",
      ],
      [s3, "a bucket that does not exist is denied, with what to do"],
      [s3, "501 on a conditional put names stores that work"],
      [
        "packages/store/test/assert-atomic-store.test.ts",
        "tells two that they won and keeps the first one's bytes: refused",
      ],
    ],
  },
  {
    id: "S6",
    fault: "uploads and folders that somebody began and left",
    injected: "killed submits, multipart uploads left in the S3 server",
    promise: "never taken for a batch; gc and ls --unplanned name them",
    tests: [
      ["packages/store/test/abandoned-uploads.test.ts", "uploads of the root that are old enough are found"],
      ["packages/scoring/test/collect-garbage.test.ts", "folders that are no batch, with their size"],
      [submit, "two submitters at once, either killed anywhere; name and tags are the first one's"],
    ],
  },
  {
    id: "S7",
    fault: "listings of more than one page, pages that lie",
    injected: "an S3 server with small pages, one that loses its token",
    promise: "whole or an error, never short",
    tests: [
      [s3, "a page that says there is more and not where is an error, not the end"],
      [s3, "a listing whose page is cut is asked for again or fails, and is never short"],
    ],
  },
  {
    id: "E1",
    fault: "engine says 400: too long, bad template",
    injected: "simulator, scripted pool",
    promise: "the row ends as rejected or too_long; a setting that fails every row stops the batch in its first rows",
    tests: [
      [scoreRow, "%s for ever: %j after %i requests"],
      [workerObeys, "an engine that suddenly rejects everything pauses the batch, commits nothing more of it"],
    ],
  },
  {
    id: "E2",
    fault: "engine says 429, 503, 500",
    injected: "simulator, scripted pool",
    promise: "a busy engine charges no row; 500 is asked again, three times in all",
    tests: [
      [scoreRow, "%s is never charged, however often"],
      [pool, "halves what is in flight, once for all requests that were sent before; 503 does not"],
    ],
  },
  {
    id: "E3",
    fault: "engine hangs: no byte, or in the middle, with /health well",
    injected: "simulator",
    promise: "given up when no token moves; its rows go on elsewhere, nobody charged",
    tests: [
      ["packages/engine/test/watch-engine.test.ts", "an engine that writes no token although a row runs is given up"],
      [client, "is closed by the deadline of the request"],
    ],
  },
  {
    id: "E4",
    fault: "connection reset, engine dead, engine started again",
    injected: "simulator; its server ended and started again in real runs",
    promise: "rows go to another engine or wait, nobody charged; what comes back is probed",
    tests: [
      [client, "cut in the middle of a body is lost, never half an answer"],
      ["packages/engine/test/wait-until-back.test.ts", "takes no more rows until it is back; who waits is served then"],
      ["packages/engine/test/take-back.test.ts", "with other log-probabilities gets no rows, both values are said"],
    ],
  },
  {
    id: "E5",
    fault: "garbage: no JSON, half of it, HTML, another model's answer",
    injected: "simulator, scripted server",
    promise: "never a reward; asked again, then engine_error",
    tests: [
      [scoreRow, "a reward stands exactly where the status is ok, whatever the engine does"],
      [client, "an answer under another model's name than the first one's is a bad answer"],
    ],
  },
  {
    id: "E6",
    fault: "log-probabilities missing, null, NaN, -9999; verdict elsewhere, cut or not there",
    injected: "the verdict table, recorded answers",
    promise: "null and a status, never a made-up number",
    tests: [
      ["packages/core/test/verdict-table.test.ts", "an anchor and a verdict in the judged response are never read"],
      [scoreRow, "an answer with %s"],
      [scoreRow, "a verdict with next to no mass keeps both log-probabilities and has no reward"],
    ],
  },
  {
    id: "E7",
    fault: "16,000 tokens of reasoning, a prompt beyond the context, a row of 10 MB",
    injected: "simulator, generated lines",
    promise: "too_long is a status; memory is bounded",
    tests: [
      [
        "packages/simulator/test/start-simulator.test.ts",
        "a 16,000-token row with log-probabilities is answered whole",
      ],
      [
        "packages/engine/test/fit-answer.test.ts",
        "is sent once more with the budget that fits behind its prompt, as the server counts it",
      ],
      [jsonlMemory, "an over-long line is not held: 200 MB of it are read on, and the next record is there"],
    ],
  },
  {
    id: "E8",
    fault: "a row that ends its engine each time it is asked",
    injected: "sim --dies-of, engines that somebody restarts",
    promise: "at most five restarts for one such row in a chunk; it is quarantined, and no other",
    tests: [
      ["test/e2e/poison.test.ts", "one row that kills engines costs five restarts at most, is quarantined"],
      [
        "packages/core/test/poison.test.ts",
        "a chunk of 256 rows: 256, 32, 4, 1; at most five restarts for one poison row",
      ],
      ["packages/scoring/test/suspect-rows.test.ts", "two rows that kill: both are quarantined, no other"],
    ],
  },
  {
    id: "D1",
    fault: "disk full: under a root that is a directory, or where finished rows wait for the store",
    injected: "a disk that takes nothing; a tmpfs that fills, in a mount namespace of a real process",
    promise: "costs no row and no chunk; a start ends with a code, and nothing half written is taken for whole",
    tests: [
      [spool, "a disk that takes nothing costs no row and no chunk"],
      ["test/e2e/full-disk.test.ts", "a disk that fills in the middle is waited for: nothing half written"],
      ["test/e2e/full-disk.test.ts", "a submit onto a full disk ends with a code"],
    ],
  },
  {
    id: "D2",
    fault: "a file system that may not be written, no more file handles",
    injected: "rights taken away, errors of the system, prlimit on a worker that runs",
    promise: "a code and the place; a worker that runs waits, and no row is charged",
    tests: [
      ["test/e2e/few-handles.test.ts", "EMFILE in a running worker: it says so and waits, no row is charged"],
      ["packages/store/test/local.test.ts", "rights that are missing are denied"],
      [foreign, "%s"],
    ],
  },
  {
    id: "C1",
    fault: "the clock jumps by an hour, hosts' clocks differ",
    injected: "libfaketime in a real worker, in real runs",
    promise: "nothing that is stored is decided by a clock",
    tests: [["test/architecture/source-rules.test.ts", "core has no clock"]],
  },
  {
    id: "I1",
    fault: "corrupt or cut Parquet and gzip, another format under a wrong name",
    injected: "fixtures, cut and flipped bytes",
    promise: "an error that names file and place",
    tests: [
      [jsonlUnreadable, "a second member that is cut is no end of the file"],
      [parquet, "no rows are no records, and an input of ours is told by its first bytes, whatever its name"],
      ["packages/datasets/test/open-decoder.test.ts", "a decode that spins is ended by the limit"],
      ["packages/datasets/test/hostile-bytes.test.ts", "are records in their order and at their places, or a code"],
      ["packages/datasets/test/hostile-parquet.test.ts", "a file that is cut anywhere cannot be read on"],
      [wrongNames, "cut anywhere: the rows before the cut, and that it is cut"],
      [wrongNames, "with one byte changed: its own row may be another, all others are there or the fault is told"],
    ],
  },
  {
    id: "I2",
    fault: "columns missing, of another type, null, too many",
    injected: "fixtures",
    promise: "a bad record with its field, or refused as a whole",
    tests: [
      [normalise, "a fault names their field"],
      [parquet, "cells as JSON would have them: nested, 64-bit, decimals, times, NaN, what is missing"],
      ["packages/datasets/test/hostile-records.test.ts", "become lines or a code"],
      ["packages/datasets/test/schema-drift.test.ts", "each record by its own file's names and types, or bad"],
      [
        "packages/datasets/test/carried-round-trip.test.ts",
        "fields of any and changing types are carried as they were written, or their record is bad",
      ],
    ],
  },
  {
    id: "I3",
    fault: "lone surrogates, NUL, byte order marks, CRLF, __proto__, ids that are equal",
    injected: "fast-check and hostile lists",
    promise: "a record whose lines can be stored, or a code; no silent change of text",
    tests: [
      [normalise, "is a record whose lines can be stored, or a code"],
      [carried, "a field named __proto__ is data like any other, at any depth"],
      [submit, "what is staged is the input, whatever the records"],
      [
        "packages/scoring/test/hostile-ids.test.ts",
        "labels of any kind go through a worker into the shard as they were",
      ],
    ],
  },
  {
    id: "I4",
    fault: "empty input, one row, millions, many small files",
    injected: "generators",
    promise: "flat memory, a code for nothing",
    tests: [
      [submit, "an input without a record is E_INPUT_EMPTY: %j"],
      [jsonlMemory, "plain: 200 MB are asked for one read at a time"],
      ["packages/datasets/test/bombs.test.ts", "%s without an end is read to the limit, and no further"],
      [
        "packages/core/test/plan-batch-limit.test.ts",
        "as many chunks as the limit are planned, one more is E_INPUT_TOO_LARGE",
      ],
    ],
  },
  {
    id: "I5",
    fault: "the input changes while it is staged",
    injected: "another text in the second pass",
    promise: "nothing wrong stands under a name; E_INPUT_CHANGED",
    tests: [
      [submit, "the input changed between the passes (%s): E_INPUT_CHANGED, no batch, and not one wrong chunk"],
      [submit, "killed %s its k-th operation, for every k, and run again: the bytes of an undisturbed run"],
      ["apps/cli/test/open-inputs.test.ts", "a file that vanishes or may not be read between the passes says so"],
    ],
  },
  {
    id: "I6",
    fault: "names of inputs with any character, links that lead nowhere, devices, pipes; patterns that nearly match",
    injected: "such files, made; fast-check",
    promise: "a name is a name, what is no file is a code, and nothing is read or looked for without an end",
    tests: [
      ["apps/cli/test/hostile-names.test.ts", "a name is a name, whatever characters it has"],
      ["apps/cli/test/hostile-names.test.ts", "a link that leads nowhere, or in a circle, is an error"],
      ["test/e2e/endless-input.test.ts", "a pipe into which nobody writes ends with the signal"],
      ["packages/datasets/test/glob.test.ts", "%s that nearly match are told in time that does not explode"],
      ["apps/cli/test/say.test.ts", "a terminal obeys no name"],
    ],
  },
  {
    id: "I7",
    fault: "a score file of anything",
    injected: "fast-check and hostile lists",
    promise: "figures of finite numbers, or a code with file and line",
    tests: [["apps/cli/test/read-scores.test.ts", "records with anything in any place are figures or a code"]],
  },
  {
    id: "U1",
    fault: "flags and settings that are wrong",
    injected: "a table of them, over every flag of every verb",
    promise: "exit 2 before anything happens, with the nearest that is right",
    tests: [
      ["apps/cli/test/flag-values.test.ts", "takes what is a number and names itself where it is none"],
      ["packages/core/test/profiles.test.ts", "an unknown key is named, with the nearest and all that are allowed"],
      ["apps/cli/test/program.test.ts", "a worker without Redis is refused"],
    ],
  },
  {
    id: "U2",
    fault: "Ctrl-C, a reader that goes away, a terminal that is closed",
    injected: "signals and closed pipes of real processes",
    promise: "no trace of the stack, the right code, work goes on where it should",
    tests: [
      [drain, "a closed terminal does not stop it"],
      [drain, "submit, stopped in the middle of staging"],
    ],
  },
  {
    id: "U3",
    fault: "pause, resume and cancel while everything else goes wrong",
    injected: "the commands themselves, with a wiped Redis in between",
    promise: "P4: paused until somebody resumes it, cancelled for good; what is committed stays and is valid",
    tests: [
      [kill, "a killed worker, a Redis wiped twice and a cancelled batch: every row exactly once"],
      [
        "packages/scoring/test/control-log.test.ts",
        "property: cancel and complete at once, among others: never both, no gap, and everybody is told what rules",
      ],
      [workerObeys, "cancel stops the rows in flight and stays, whatever is wiped; resume revives"],
    ],
  },
  {
    id: "U4",
    fault: "the same retry typed twice, at once or later",
    injected: "two processes of the command",
    promise: "one retry; each row of the family comes out once",
    tests: [
      [
        "packages/scoring/test/retry.test.ts",
        "is one when it is typed twice: while it waits, while it runs, and when it is complete",
      ],
      ["test/e2e/retry.test.ts", "an export of the batch has every row once, the newest"],
    ],
  },
  {
    id: "N1",
    fault: "a network that is far or narrow",
    injected: "proxies that delay and narrow, in real runs; test/bench/latency.bench.ts measures 1, 10 and 100 ms",
    promise: "slower, and nothing else",
    tests: [[s3, "a call ends at its own limit where no other limit bites"]],
  },
];
