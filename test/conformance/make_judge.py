#!/usr/bin/env python3
"""Writes a judge of 39 MB that any engine can serve: make_judge.py OUT_DIR TOKENIZER_DIR

TOKENIZER_DIR holds tokenizer.json and tokenizer_config.json of Qwen3. OUT_DIR becomes a checkpoint of the real
Qwen3ForCausalLM with one layer, whose weights are set by hand instead of learned. It behaves like a generative Yes/No
reward model and knows nothing: its verdicts mean nothing, but they are the same for the same tokens, they differ
between rows, and both signs occur. So it shows what an engine does with such a model. Same input, same bytes.

What it writes: <think>, some words, </think>, a blank line, "Final Judgement:", " Yes" or " No", end of turn. Greedy
answers have 18 tokens; sampled ones go round a loop of four words as often as chance has it, so with </think> forbidden
(logit_bias) it thinks until max_tokens. A last token that is not in the script leads to </think>.

The maths, for a context of n tokens and a hidden state of 64 numbers:

    embedding   PLACE  one number a script token, 8 for the token itself, 0 elsewhere: "where in the script are we"
                TASTE  16 numbers, each +1/2 or -1/2 by lot, for every token that is neither script nor template: "what
                       this token says about the verdict"
                ONE    1
    attention   queries and keys are 0, so each of the n tokens gets the weight 1/n. Values are the TASTE numbers as the
                layer's RMSNorm leaves them, and the output puts  GAIN * (mean taste . direction)  into LEAN. So each
                token of the context moves the verdict: by its taste, or, without one, by making the mean smaller.
    mlp         0
    logits      the final norm divides the state by r = sqrt((8^2 + 1 + lean^2) / 64); the head's row of a token says
                20 where the script's place has it as the next one, and </think> has 6 everywhere, more behind tokens that
                have no place. " Yes" and " No" both follow ":", and the head adds PULL * lean to the one and takes it
                from the other:

                    logprob(Yes) - logprob(No) = 2 * PULL * lean / r

The script's own tokens have no taste, so what was sampled while thinking changes the size of the margin, not its sign.
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

VOCABULARY, HIDDEN = 151936, 64
PLACES, TASTE, LEAN, ONE = 40, slice(40, 56), 56, 57
HERE, LIKELY, LOST, GAIN, PULL = 8.0, 20.0, 6.0, 1.5, 2.0
END_OF_TURN, END_OF_TEXT, FIRST_SPECIAL = "<|im_end|>", "<|endoftext|>", 151643

LOOP = [" and", " if", " then", " how"]
OPENING = ["\n", "<think>", "We", " ask", " whether", " it", " holds", *LOOP]
CLOSING = ["</think>", "\n\n", "Final", " Jud", "gement", ":"]
# "principle" in two: it is not one token
WORDS_OF_THE_TEMPLATE = ["user", "assistant", "system", "pr", "inciple"]

TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'principle' and not loop.last -%}"
    "{{- raise_exception('principle must come last') -}}"
    "{%- endif -%}"
    "{%- set text = message.content or '' -%}"
    "{%- if message.role == 'assistant' -%}{%- set text = text.split('</think>')[-1].lstrip('\\n') -%}{%- endif -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def successors():
    """Token -> its next tokens with their logits."""
    script = {here: {after: LIKELY} for here, after in zip(OPENING, OPENING[1:])}
    # </think> has LOST anyway; a little likelier than once more round the loop, so that greedy answers leave it
    script[LOOP[-1]] = {LOOP[0]: LIKELY, "</think>": LIKELY + 0.4 - LOST}
    script |= {here: {after: LIKELY} for here, after in zip(CLOSING, CLOSING[1:])}
    script[":"] = {" Yes": LIKELY, " No": LIKELY}
    script |= {verdict: {END_OF_TURN: LIKELY} for verdict in (" Yes", " No")}
    return script


def make_weights(id_of):
    lots = torch.Generator().manual_seed(3)
    script = successors()
    silent = {id_of(word) for word in [*script, END_OF_TURN, *WORDS_OF_THE_TEMPLATE]} | set(
        range(FIRST_SPECIAL, VOCABULARY)
    )

    embedding = torch.zeros(VOCABULARY, HIDDEN)
    embedding[:, TASTE] = torch.randint(0, 2, (VOCABULARY, 16), generator=lots) - 0.5
    embedding[sorted(silent), TASTE] = 0.0
    embedding[:, ONE] = 1.0

    head = torch.zeros(VOCABULARY, HIDDEN)
    # what follows a token outside the script differs from token to token, so that lists of the top 20 are no ties
    head[:, TASTE] = torch.randn(VOCABULARY, 16, generator=lots) * 0.3
    unlean_norm = ((HERE**2 + 1) / HIDDEN) ** 0.5
    head[id_of("</think>"), ONE] = LOST * unlean_norm
    assert len(script) <= PLACES
    for place, (here, nexts) in enumerate(script.items()):
        embedding[id_of(here), place] = HERE
        for after, logit in nexts.items():
            head[id_of(after), place] = logit * unlean_norm / HERE
    head[id_of(" Yes"), LEAN], head[id_of(" No"), LEAN] = PULL, -PULL

    values, output = torch.zeros(HIDDEN, HIDDEN), torch.zeros(HIDDEN, HIDDEN)
    values[TASTE, TASTE] = torch.eye(16)
    output[LEAN, TASTE] = torch.randn(16, generator=lots) * GAIN

    layer = "model.layers.0."
    ones, nothing = torch.ones(HIDDEN), torch.zeros(HIDDEN, HIDDEN)
    return {
        "model.embed_tokens.weight": embedding,
        "model.norm.weight": ones,
        "lm_head.weight": head,
        layer + "self_attn.v_proj.weight": values,
        layer + "self_attn.o_proj.weight": output,
        **{layer + f"self_attn.{name}_proj.weight": nothing for name in "qk"},
        **{layer + f"mlp.{name}_proj.weight": nothing for name in ("gate", "up", "down")},
        **{layer + f"self_attn.{name}_norm.weight": ones for name in "qk"},
        **{layer + f"{name}_layernorm.weight": ones for name in ("input", "post_attention")},
    }


def make_config(id_of):
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": HIDDEN,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-06,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "bos_token_id": id_of(END_OF_TEXT),
        "eos_token_id": id_of(END_OF_TURN),
    }


def main(out, tokenizer_dir):
    out, tokenizer_dir = pathlib.Path(out), pathlib.Path(tokenizer_dir)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir)

    def id_of(word):
        ids = tokenizer.encode(word, add_special_tokens=False)
        if len(ids) != 1:
            sys.exit(f"make_judge.py: {word!r} is to be one token of {tokenizer_dir}, got {ids}")
        return ids[0]

    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(torch.bfloat16).clone() for name, tensor in make_weights(id_of).items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})

    # Qwen3's own defaults for thinking: what stands for a sampling parameter that a request leaves out
    sampling = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}
    ends = {"eos_token_id": [id_of(END_OF_TURN), id_of(END_OF_TEXT)], "pad_token_id": id_of(END_OF_TEXT)}
    write_json(out / "generation_config.json", {**ends, **sampling})
    write_json(out / "config.json", make_config(id_of))
    shutil.copyfile(tokenizer_dir / "tokenizer.json", out / "tokenizer.json")
    settings = json.loads((tokenizer_dir / "tokenizer_config.json").read_text())
    write_json(out / "tokenizer_config.json", {**settings, "chat_template": TEMPLATE})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: make_judge.py OUT_DIR TOKENIZER_DIR")
    main(*sys.argv[1:])
