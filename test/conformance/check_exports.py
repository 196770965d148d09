#!/usr/bin/env python3
"""Do other people's tools load what `assay export` writes? check_exports.py FOLDER TOKENIZER_DIR

FOLDER holds one batch's exports: rows.csv, rows.jsonl, rows.parquet (with --text), set/ (--as dataset --text),
pairs.jsonl (--as pairs), groups.csv and groups.parquet (--as groups). Each is loaded as its users would, with no option
that one has to look up: pandas, DuckDB, Hugging Face datasets (the card's own snippet is run, too), and TRL, whose
DPOTrainer takes one step on the pairs with a model of a few thousand weights and TOKENIZER_DIR's tokenizer.

Prints a line for each; exits 1 where one does not load or says something else than rows.parquet. Needs duckdb, pandas,
datasets, trl, torch; no network.
"""

import copy
import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=tempfile.mkdtemp())
import datasets
import duckdb
import pandas
import torch
import trl
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

FOLDER, TOKENIZER = Path(sys.argv[1]), sys.argv[2]
checks = []


def check(run):
    checks.append(run)
    return run


def rows():
    return pandas.read_parquet(FOLDER / "rows.parquet")


def same(got, wanted, what):
    if not got == wanted:
        raise AssertionError(f"{what}: {got!r}, wanted {wanted!r}")


def same_columns(got, names, apart=0.0):
    """Row by row the same values, nulls in the same places; numbers at most so far apart."""
    wanted = rows()
    same(len(got), len(wanted), "rows")
    for name in names:
        one, other = (frame[name].reset_index(drop=True) for frame in (got, wanted))
        same(list(one.isna()), list(other.isna()), f"nulls of {name}")
        if apart > 0 and other.dtype == "float64":
            same(bool((one - other).abs().max() <= apart), True, f"{name} within {apart}")
        else:
            same(list(one.dropna()), list(other.dropna()), name)


NAMES = ["row_index", "id", "reward", "logprob_yes", "status", "principle", "prompt", "response"]


@check
def parquet_in_pandas_and_duckdb():
    table = duckdb.sql(f"select * from '{FOLDER}/rows.parquet'").df()
    same_columns(table, NAMES)
    return f"{len(table)} rows, {len(table.columns)} columns"


@check
def csv_in_pandas():
    same_columns(pandas.read_csv(FOLDER / "rows.csv"), NAMES)
    return "equal to the Parquet file"


@check
def jsonl_in_pandas():
    # its reader of JSON is not exact in the last digit unless it is told to be
    same_columns(pandas.read_json(FOLDER / "rows.jsonl", lines=True), NAMES, apart=1e-12)
    return "equal to the Parquet file within 1e-12"


@check
def jsonl_in_datasets():
    loaded = datasets.load_dataset("json", data_files=str(FOLDER / "rows.jsonl"), split="train")
    same_columns(loaded.to_pandas(), NAMES)
    return f"{loaded.num_rows} rows"


@check
def data_set_folder_in_datasets():
    loaded = datasets.load_dataset(str(FOLDER / "set"))
    same(list(loaded), ["train"], "splits")
    same_columns(loaded["train"].to_pandas(), NAMES)
    return ", ".join(f"{name} {loaded['train'].features[name].dtype}" for name in ("row_index", "reward", "scored_at"))


@check
def snippet_of_the_card():
    card = (FOLDER / "set" / "README.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.S)
    known = {}
    here = os.getcwd()
    os.chdir(FOLDER / "set")
    try:
        exec(snippet, known)
    finally:
        os.chdir(here)
    same(known["scored"].num_rows, int((rows()["status"] == "ok").sum()), "rows that are ok")
    return f"{known['scored'].num_rows} rows are ok"


@check
def groups_in_pandas_and_datasets():
    for frame in (pandas.read_csv(FOLDER / "groups.csv"), pandas.read_parquet(FOLDER / "groups.parquet")):
        ok = frame.dropna(subset=["reward"])
        by_hand = ok.groupby(["group", "principle"])["reward"]
        if (by_hand.transform("mean") - ok["group_mean"]).abs().max() > 1e-9:
            raise AssertionError("group_mean is not the mean of the group")
        if (by_hand.transform("std") - ok["group_std"]).abs().max() > 1e-9:
            raise AssertionError("group_std is not the deviation of the group")
    loaded = datasets.load_dataset("parquet", data_files=str(FOLDER / "groups.parquet"), split="train")
    same(loaded.num_rows, len(frame), "rows")
    return f"{by_hand.ngroups} groups"


@check
def pairs_in_trl():
    pairs = datasets.load_dataset("json", data_files=str(FOLDER / "pairs.jsonl"), split="train")
    if not trl.is_conversational(pairs[0]):
        raise AssertionError("TRL takes the pairs for plain text")
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    tiny = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(tiny)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = trl.DPOTrainer(
            model=model,
            ref_model=copy.deepcopy(model),
            args=trl.DPOConfig(
                output_dir=scratch, max_steps=1, per_device_train_batch_size=2, report_to="none", use_cpu=True, bf16=False
            ),
            train_dataset=pairs,
            processing_class=tokenizer,
        )
        loss = trainer.train().training_loss
    # policy and reference are the same model before the first step: DPO's loss is ln 2
    if abs(loss - 0.6931) > 0.01:
        raise AssertionError(f"the first loss is {loss}, not ln 2")
    return f"{len(pairs)} pairs, one step of DPO, loss {loss:.4f}"


failed = 0
print(f"datasets {datasets.__version__}, trl {trl.__version__}, pandas {pandas.__version__}, duckdb {duckdb.__version__}")
for run in checks:
    name = run.__name__.replace("_", " ")
    try:
        print(f"  {name}: {run()}", flush=True)
    except Exception as error:
        failed += 1
        print(f"  {name}: FAILED: {type(error).__name__}: {error}", flush=True)
print(f"exports: {len(checks) - failed} of {len(checks)} load")
sys.exit(1 if failed else 0)
