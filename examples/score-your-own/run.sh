#!/bin/sh
# Scores records that have other field names than ours, against principles of one's own, and exports one file.
#   sh examples/score-your-own/run.sh FOLDER           with a simulated engine
#   ENGINE=http://gpu-node:8000 sh examples/score-your-own/run.sh FOLDER
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
folder=${1:?an empty folder to write into}
assay=$here/../../assay

# question and reply are this data's names for prompt and response; agent becomes a typed column in_agent
set -- "$here/reviews.jsonl" \
  --map prompt=question,response=reply,id=ticket \
  --principle "The reply solves the customer's problem." \
  --principle "The reply is friendly." \
  --carry agent

# what would be asked of the real model, and how long that takes; stores nothing
"$assay" plan "$@" --profile genrm-principle

# the same command again carries on after a Ctrl-C or a crash, and does nothing when all is there
batch=$("$assay" score "$@" --root "$folder/root" --engine "${ENGINE:-sim}" --json | tail -n 1 |
  sed 's/.*"batch":"\([^"]*\)".*/\1/')

# from the stored bytes alone: is every row there once, with the reward that its log-probabilities give?
"$assay" verify "$batch" --root "$folder/root"

# one file with prompt, response and reward of every row
"$assay" export "$batch" "$folder/rewards.jsonl" --root "$folder/root" --text
node -e '
  const rows = require("node:fs").readFileSync(process.argv[1], "utf8").trim().split("\n").map((line) => JSON.parse(line));
  for (const { id, in_agent, principle, reward } of rows) {
    console.log([id, in_agent.padEnd(4), reward === null ? "none" : reward.toFixed(2).padStart(6), principle].join("  "));
  }' "$folder/rewards.jsonl"
