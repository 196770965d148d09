#!/bin/sh
# npm run test:vllm [-- --write-table] [-- jest's arguments]: the conformance suite against a real vLLM, CPU build, two
# times on free loopback ports with the checkpoint of make_judge.py: `plain` with its defaults, `tuned` with every flag
# that changes an answer. Then the model card's own steps on the same checkpoint (card_parity.py). --write-table puts
# what was seen into docs/reference/engines.md; without it only a difference is said. Installs 6 GB once (set-up.sh);
# needs 6 GB of memory and, after that, 4 minutes on 2 cores. Exits with jest's code, or the parity check's.
set -eu
cd "$(dirname "$0")/../.."

table=--check
if [ "${1:-}" = --write-table ]; then
  table=--write
  shift
fi

scratch=$(mktemp -d)
. test/conformance/servers.sh

clean_up() {
  stop_servers
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

folder=$(sh test/conformance/set-up.sh)

begun=$(date +%s)
plain_port=$(free_port)
judge() {
  start "$@" --model "$folder/judge" --served-model-name judge --max-model-len 4096
}
judge plain "$plain_port" --dtype bfloat16
plain=$started
tuned_port=$(free_port)
judge tuned "$tuned_port" --dtype float32 --reasoning-parser qwen3 --enable-prompt-tokens-details \
  --logprobs-mode processed_logprobs --max-num-seqs 2 --max-num-queued-reqs 3 --shutdown-timeout 1 --api-key not-a-secret
tuned=$started
if ! healthy "$plain_port" "$plain" || ! healthy "$tuned_port" "$tuned"; then
  tail -n 40 "$scratch/plain.log" "$scratch/tuned.log" >&2
  say "vLLM does not come up; above are the ends of its logs"
  exit 1
fi
say "both answer after $(($(date +%s) - begun)) s"

export CONFORMANCE_PLAIN_URL="http://127.0.0.1:$plain_port" CONFORMANCE_TUNED_URL="http://127.0.0.1:$tuned_port" \
  CONFORMANCE_TUNED_KEY=not-a-secret CONFORMANCE_TUNED_PID="$tuned" \
  CONFORMANCE_RESULTS="$scratch/results.json" CONFORMANCE_REWARDS="$scratch/rewards.json"
code=0
node --disable-warning=ExperimentalWarning --experimental-vm-modules node_modules/jest/bin/jest.js \
  --config test/conformance/jest.config.js "$@" || code=$?
stop_servers
if [ "$code" -ne 0 ]; then
  tail -n 20 "$scratch/plain.log" "$scratch/tuned.log" >&2
  exit "$code"
fi

if [ -f "$scratch/rewards.json" ]; then
  say "the model card's own steps"
  "$folder/bin/python" test/conformance/card_parity.py "$folder/judge" "$scratch/rewards.json" 2>"$scratch/parity.log" || code=$?
  if [ "$code" -ne 0 ]; then cat "$scratch/parity.log" >&2; fi
fi
node test/conformance/write-table.js "$table" "$scratch/results.json" docs/reference/engines.md
exit "$code"
