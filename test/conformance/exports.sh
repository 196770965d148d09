#!/bin/sh
# npm run test:exports: what `assay export` writes, loaded by the tools that people load it with: pandas, DuckDB, Hugging
# Face datasets, TRL (check_exports.py). The batch is the examples' rollouts, scored by the simulator. Installs those tools
# once, 370 MB beside the vLLM venv of set-up.sh, whose torch, transformers and tokenizer they use. A minute after that.
set -eu
cd "$(dirname "$0")/../.."

vllm=$(sh test/conformance/set-up.sh)
wanted="datasets==5.2.0 trl==1.16.0 pandas==3.1.1 duckdb==2.0.0"
loaders=$vllm/loaders
python=$loaders/bin/python
if [ "$(cat "$loaders/complete" 2>/dev/null)" != "$wanted" ]; then
  echo "exports: installing $wanted" >&2
  "$vllm/bin/python" -m venv --clear "$loaders"
  # packages of vLLM's venv count as installed, and are never changed from here
  "$vllm/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm.pth"
  # shellcheck disable=SC2086 # a list of words
  "$python" -m pip install --quiet --disable-pip-version-check --no-input $wanted 2>"$loaders/pip.log" || {
    cat "$loaders/pip.log" >&2
    exit 1
  }
  echo "$wanted" >"$loaders/complete"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# two of its rollouts were cut while they were thinking: rows without a reward
./assay score examples/rollouts.jsonl --principle correctness --engine sim --max-failed 1 --root "$scratch/root" >&2
for file in rows.csv rows.jsonl rows.parquet; do
  ./assay export latest "$scratch/$file" --root "$scratch/root" --text
done
./assay export latest "$scratch/set" --root "$scratch/root" --text --as dataset
./assay export latest "$scratch/pairs.jsonl" --root "$scratch/root" --as pairs --margin 0.1
for file in groups.csv groups.parquet; do
  ./assay export latest "$scratch/$file" --root "$scratch/root" --as groups
done
"$python" test/conformance/check_exports.py "$scratch" "$vllm/judge" 2>"$scratch/check.log" || {
  tail -n 40 "$scratch/check.log" >&2
  exit 1
}
