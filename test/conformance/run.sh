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
servers=

say() { echo "conformance: $*" >&2; }

# Each server leads a process group of its own: its engine and worker go with it.
stop_servers() {
  for server in $servers; do kill -s TERM -- "-$server" 2>/dev/null || true; done
  for server in $servers; do
    tries=0
    while kill -s 0 -- "-$server" 2>/dev/null && [ "$tries" -lt 20 ]; do
      sleep 0.5
      tries=$((tries + 1))
    done
    kill -s KILL -- "-$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  done
  servers=
}
clean_up() {
  stop_servers
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# start NAME PORT FLAGS...: sets $started to the server's process id. No compiled graphs (--enforce-eager): nothing here
# hangs on them, and they cost a minute and a C compiler.
start() {
  name=$1 port=$2
  shift 2
  HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_CACHE_ROOT=$scratch/cache \
    "$folder/bin/python" -c 'import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])' \
    -m vllm.entrypoints.openai.api_server --model "$folder/judge" --served-model-name judge \
    --host 127.0.0.1 --port "$port" --max-model-len 4096 --enforce-eager "$@" >"$scratch/$name.log" 2>&1 &
  started=$!
  servers="$servers $started"
  say "starting $name on 127.0.0.1:$port: vLLM $*"
}

# Waits until the server says that it is healthy; 1 when it ended or 10 minutes are over.
healthy() {
  node -e '
    const [port, pid] = process.argv.slice(1).map(Number);
    const end = Date.now() + 600_000;
    const knock = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
      if (answer?.ok) process.exit(0);
      try { process.kill(pid, 0); } catch { process.exit(1); }
      if (Date.now() > end) process.exit(1);
      setTimeout(knock, 500);
    };
    knock();' "$1" "$2"
}

folder=$(sh test/conformance/set-up.sh)

begun=$(date +%s)
plain_port=$(free_port)
start plain "$plain_port" --dtype bfloat16
plain=$started
tuned_port=$(free_port)
start tuned "$tuned_port" --dtype float32 --reasoning-parser qwen3 --enable-prompt-tokens-details \
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
