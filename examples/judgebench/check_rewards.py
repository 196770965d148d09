#!/usr/bin/env python3
"""Are the rewards what the model says? Asks it again, knowing nothing of Assay's code:

    check_rewards.py --model DIR --engine URL --pairs PAIRS.jsonl --recipe RECIPE.json --rows ROWS.jsonl \
        --figures FIGURES.json --out OUT.json [--sample 64] [--forward 8] [--seed 0]

ROWS.jsonl is `assay export BATCH ROWS.jsonl`, FIGURES.json is `assay eval judgebench BATCH --json`. Three things:

1. Every pair of the file has its two rows, each under the recipe's principle for its source.
2. A drawn sample of rows is asked again: the prompt is laid out here from the pairs' file and tokenised here by the
   checkpoint's own template, the engine gets token ids on /v1/completions, and the reward is added up here. --forward of
   them also go through the checkpoint in transformers, where no engine has a part. The reward, both log-probabilities and
   the mass are to be within TOLERANCE: the checkpoint is in float32, so nothing but the order of sums is left.
3. The table: each category's pairs and how many are right, counted here from the rewards, are to be eval's own.

Rows in which Assay broke up special strings are asked with another text than the file's: they are counted and not drawn.
Exits 1 where something does not fit. Needs transformers and torch, no network but the engine.
"""

import argparse
import json
import math
import os
import random
import sys
import urllib.request
from collections import Counter

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOLERANCE = 0.01
WORDS = [("Yes", "No"), ("yes", "no"), ("YES", "NO")]
QUESTION = "Does your last answer satisfy this principle: %s? Only answer Yes or No."
CATEGORIES = {"mmlu-pro": "Knowledge", "livebench-reasoning": "Reasoning", "livebench-math": "Math", "livecodebench": "Code"}


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def principle_of(recipe, pair):
    """The recipe's one principle for this pair: an exact value, else the longest beginning that fits."""
    value = str(pair[recipe["by"]])
    keys = [key for key in recipe["principles"] if value == key or key.endswith("*") and value.startswith(key[:-1])]
    (principle,) = recipe["principles"][max(keys, key=len)] if keys else recipe["otherwise"]
    return principle


def verdict_ids(tokenizer):
    """Yes and No with and without a space, in three spellings, where both words are one token each."""
    yes_ids, no_ids = [], []
    for yes, no in [(space + yes, space + no) for yes, no in WORDS for space in ("", " ")]:
        ids = [tokenizer.encode(word, add_special_tokens=False) for word in (yes, no)]
        if all(len(each) == 1 for each in ids):
            yes_ids += ids[0]
            no_ids += ids[1]
    return yes_ids, no_ids


def prompt_ids(tokenizer, pair, side, principle):
    messages = [
        {"role": "user", "content": pair["question"]},
        {"role": "assistant", "content": pair["response_" + side]},
        {"role": "user", "content": QUESTION % principle},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def ask_engine(url, prompt, ids):
    """id -> log-probability of the first token of the answer."""
    body = {
        "model": MODEL,
        "prompt": prompt,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 0,
        "logprob_token_ids": ids,
        "return_tokens_as_token_ids": True,
    }
    request = urllib.request.Request(
        url + "/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        (top,) = json.load(answer)["choices"][0]["logprobs"]["top_logprobs"]
    return {int(key.removeprefix("token_id:")): value for key, value in top.items()}


def ask_checkpoint(model, prompt, ids):
    with torch.no_grad():
        logits = model(torch.tensor([prompt]), logits_to_keep=1).logits[0, -1].float()
    every = torch.log_softmax(logits, dim=-1)
    return {each: every[each].item() for each in ids}


def sum_up(logprobs, yes_ids, no_ids):
    """What the row is to say, by the definition of the reward."""
    yes, no = (math.log(sum(math.exp(logprobs[each]) for each in ids)) for ids in (yes_ids, no_ids))
    return {
        "reward": max(yes, -50) - max(no, -50),
        "logprob_yes": yes,
        "logprob_no": no,
        "yes_no_mass": math.exp(yes) + math.exp(no),
    }


def farthest(row, again):
    """The largest distance between what the row says and what came out here; a row without a reward says no reward."""
    said = {key: row[key] for key in again if row[key] is not None}
    return max(abs(value - again[key]) for key, value in said.items())


def table(pairs, by_place):
    """category -> [pairs, right]: right where the labelled side's reward is the larger one."""
    counts = {}
    for pair in pairs:
        a, b = (by_place.get((pair["pair_id"], side), {}).get("reward") for side in "AB")
        better, worse = (a, b) if pair["label"] == "A>B" else (b, a)
        right = better is not None and worse is not None and better > worse
        category = next((name for start, name in CATEGORIES.items() if pair["source"].startswith(start)), None)
        for name in (category, "Overall"):
            if name is not None:
                seen = counts.setdefault(name, [0, 0])
                seen[0] += 1
                seen[1] += right
    return counts


def main(options):
    pairs, recipe, rows = lines(options.pairs), json.load(open(options.recipe)), lines(options.rows)
    broken = []

    by_place = {(row["id"], row["in_side"]): row for row in rows if row["in_side"] is not None}
    asked = [pair for pair in pairs if (pair["pair_id"], "A") in by_place]
    if not options.part and len(asked) != len(pairs):
        broken.append(f"{len(pairs) - len(asked)} pairs of {len(pairs)} have no row")
    if len(rows) != 2 * len(asked) or len(by_place) != len(rows):
        broken.append(f"{len(rows)} rows of {len(asked)} pairs, {len(by_place)} of them different")
    places = [(pair, side) for pair in asked for side in "AB" if (pair["pair_id"], side) in by_place]
    for pair, side in places:
        said, wanted = by_place[pair["pair_id"], side]["principle"], principle_of(recipe, pair)
        if said != wanted:
            broken.append(f"{pair['pair_id']} {side}: principle {said!r}, the recipe says {wanted!r}")

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    yes_ids, no_ids = verdict_ids(tokenizer)
    readable = [
        (pair, side)
        for pair, side in places
        if by_place[pair["pair_id"], side]["logprob_yes"] is not None and by_place[pair["pair_id"], side]["neutralised"] == 0
    ]
    drawn = random.Random(options.seed).sample(readable, min(options.sample, len(readable)))
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32) if options.forward > 0 else None
    engine_apart, forward_apart = [], []
    print("   Assay    engine   apart | transformers   apart   tokens  row")
    for number, (pair, side) in enumerate(drawn):
        row = by_place[pair["pair_id"], side]
        prompt = prompt_ids(tokenizer, pair, side, row["principle"])
        if len(prompt) != row["prompt_tokens"]:
            broken.append(f"{row['id']} {side}: {len(prompt)} tokens here, the row says {row['prompt_tokens']}")
        again = sum_up(ask_engine(options.engine, prompt, yes_ids + no_ids), yes_ids, no_ids)
        engine_apart.append(farthest(row, again))
        told = f"{row['reward'] if row['reward'] is not None else math.nan:8.4f}  {again['reward']:8.4f}  {engine_apart[-1]:6.4f} |"
        if number < options.forward:
            whole = sum_up(ask_checkpoint(model, prompt, yes_ids + no_ids), yes_ids, no_ids)
            forward_apart.append(farthest(row, whole))
            told += f"     {whole['reward']:8.4f}  {forward_apart[-1]:6.4f}"
        else:
            told += " " * 21
        print(f"{told}   {len(prompt):6}  {row['id']} {side}", flush=True)
    for name, apart in (("engine", engine_apart), ("transformers", forward_apart)):
        beyond = sum(distance > TOLERANCE for distance in apart)
        if beyond > 0:
            broken.append(f"{beyond} of {len(apart)} rows are more than {TOLERANCE} from the {name}")

    counted = table(asked, by_place)
    (figures,) = json.load(open(options.figures))["figures"]
    theirs = {each["name"]: [each["pairs"], each["right"]] for each in [*figures["categories"], figures["overall"]]}
    if counted != theirs:
        broken.append(f"the table: {counted} here, {theirs} by eval")

    report = {
        "pairs": len(asked),
        "pairs_in_file": len(pairs),
        "rows": len(rows),
        "status": Counter(row["status"] for row in rows),
        "neutralised": sum((row["neutralised"] or 0) > 0 for row in rows),
        "above_zero": sum((row["reward"] or 0) > 0 for row in rows),
        "prompt_tokens": sum(row["prompt_tokens"] or 0 for row in rows),
        "cached_tokens": sum(row["cached_tokens"] or 0 for row in rows),
        "longest_prompt": max((row["prompt_tokens"] or 0 for row in rows), default=0),
        # with one prompt at a time a row's latency holds the waiting for the rows before it
        "engine_seconds": sum(row["latency_ms"] or 0 for row in rows) / 1000 / options.in_flight,
        "asked_again": len(engine_apart),
        "engine_apart": max(engine_apart, default=None),
        "forward": len(forward_apart),
        "forward_apart": max(forward_apart, default=None),
        "tolerance": TOLERANCE,
        "broken": broken,
    }
    with open(options.out, "w") as file:
        json.dump(report, file, indent=1)
    print(f"rewards checked: {len(engine_apart)} asked again, {len(broken)} things do not fit", *broken, sep="\n  ")
    return 1 if broken or not drawn else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("model", "engine", "pairs", "recipe", "rows", "figures", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name, value in (("sample", 64), ("forward", 8), ("seed", 0), ("in_flight", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--served", default="smollm2-135m-instruct", help="the engine's name for the model")
    parser.add_argument("--part", action="store_true", help="only some of the pairs were scored")
    options = parser.parse_args()
    MODEL = options.served
    sys.exit(main(options))
