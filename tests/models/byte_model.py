"""A model folder whose tokenizer has a token a byte, and a table of probabilities in place of weights: for exact tests without vLLM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"
VOCABULARY = 256 + 3


def byte_model(folder: Path, template: str = TEMPLATE, tokens: Sequence[str] = ()) -> Path:
    """A model folder with a real tokenizer of bytes and no weights worth the name."""
    tokenizers = pytest.importorskip("tokenizers")
    folder.mkdir(parents=True)
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|system|>", "<|user|>", "<|assistant|>", *tokens])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 512, "dtype": "float16"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}))
    (folder / "model.safetensors").write_bytes(bytes(4000))
    return folder


@cache
def table(ids: tuple[int, ...]) -> np.ndarray:
    """Log-probabilities of all tokens after some, which depend on all of them."""
    seed = int.from_bytes(hashlib.blake2b(repr(ids).encode(), digest_size=8).digest(), "little")
    return np.log(np.random.default_rng(seed).dirichlet(np.full(VOCABULARY, 0.5)) + 1e-12)
