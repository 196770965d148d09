#!/usr/bin/env python3
"""The model card's own steps beside Assay's rewards: card_parity.py CHECKPOINT REWARDS.json

REWARDS.json is what the suite got for the same checkpoint from vLLM, once for each dtype it was served in: rows with a
prompt, a response and a principle, Assay's reward at temperature 0 (`greedy`) and at the checkpoint's sampling defaults
(`sampled`).

1. Greedy, the card's reward is to be Assay's: within 0.01 in float32, which compares the two methods and nothing else;
   within 0.25 in bfloat16, where a logit between 16 and 32 is a multiple of 0.125 and two kernels may round either of
   the two by one step apart.
2. At the sampling defaults it is to have the sign of Assay's. Its size is another matter: `scores` are processed, so a
   word that top_k or top_p takes out counts as -50, and the rest is divided by the temperature. The same place is read
   once more from the raw logits. Where the less likely word was drawn the sign may differ in good faith: counted.

Prints a line a row; exits 1 where a row fails. Needs torch and transformers, no network.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

YES, NO = 7414, 2308
TOLERANCE = {"float32": 0.01, "bfloat16": 0.25}


def read_reward(scores):
    """The last lines of the card's snippet: the scores of one position -> reward."""
    highest = torch.max(scores).item()
    no = max(scores[NO].item() - highest, -50)
    yes = max(scores[YES].item() - highest, -50)
    return yes - no


def ask(model, tokenizer, row, **sampling):
    """One answer by the card's steps: the reward as printed there, and the same from the raw logits."""
    messages = [
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["response"]},
        {"role": "principle", "content": row["principle"]},
    ]
    prompt = tokenizer.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(
        prompt["input_ids"],
        attention_mask=prompt["attention_mask"],
        max_new_tokens=16000,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        **sampling,
    )
    # -1 is the end of the turn, -2 the verdict
    verdict = answer.sequences[0, -2].item()
    if verdict not in (YES, NO):
        sys.exit(f"card_parity.py: no verdict at the end of {tokenizer.decode(answer.sequences[0])!r}")
    return {
        "printed": read_reward(answer.scores[-2][0].float()),
        "raw": read_reward(answer.logits[-2][0].float()),
        "verdict": verdict,
    }


def compare(checkpoint, dtype, rows):
    """The number of rows that fail."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, dtype))
    torch.manual_seed(0)
    print(f"\n{dtype}, greedy             | each sampled at 0.6, 0.95, 20")
    print("   Assay      card   apart |    Assay   printed  and from raw logits")
    failed, distances, unlikely = 0, [], 0
    for row in rows:
        greedy, sampled = ask(model, tokenizer, row, do_sample=False), ask(model, tokenizer, row)
        distances.append(abs(greedy["printed"] - row["greedy"]))
        drew_the_unlikely = (sampled["verdict"] == YES) != (sampled["raw"] > 0)
        unlikely += drew_the_unlikely
        same_sign = (sampled["printed"] > 0) == (row["sampled"] > 0)
        ok = distances[-1] <= TOLERANCE[dtype] and (same_sign or drew_the_unlikely)
        failed += not ok
        print(
            f"{row['greedy']:8.4f}  {greedy['printed']:8.4f}  {distances[-1]:6.4f} |"
            f" {row['sampled']:8.4f}  {sampled['printed']:8.4f}  {sampled['raw']:8.4f}{'' if ok else '   FAILED'}"
        )
    within = sum(distance <= 0.01 for distance in distances)
    print(
        f"{dtype}: greedy {within} of {len(rows)} within 0.01, all within {max(distances):.4f}"
        f" (allowed {TOLERANCE[dtype]}); {unlikely} drew the less likely word"
    )
    return failed


def main(checkpoint, rewards):
    with open(rewards) as file:
        by_dtype = json.load(file)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    failed = sum(compare(checkpoint, dtype, rows) for dtype, rows in by_dtype.items())
    print(f"\ncard parity: {failed} rows failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: card_parity.py CHECKPOINT REWARDS.json")
    sys.exit(main(*sys.argv[1:]))
