"""All tokens of a vocabulary that spell a choice are found, the usual one first; control tokens are none."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from massjax.errors import ModelError
from massjax.models.chat import spellings

VOCABULARY = ["<unk>", "5", "▁5", "55", "1", "▁1", "５", "5\n", "▁The", "<5>"]


def tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def test_every_token_that_spells_a_choice_is_found() -> None:
    found = spellings(tokenizer(VOCABULARY), ["1", "5"], [5, 1])
    assert found == [[5, 4], [1, 2, 6, 7]]


def test_a_control_token_is_no_choice() -> None:
    made = tokenizer(VOCABULARY)
    made.add_special_tokens({"additional_special_tokens": [" 5 "]})
    assert len(made) == len(VOCABULARY) + 1
    assert spellings(made, ["1", "5"], [5, 1]) == [[5, 4], [1, 2, 6, 7]]


def test_more_tokens_than_vllm_takes_are_told() -> None:
    words = ["<unk>", *("5" + "\n" * n for n in range(130)), "1"]
    with pytest.raises(ModelError, match=r"131 tokens of this model spell them, of which 128"):
        spellings(tokenizer(words), ["1", "5"], [131, 1])
