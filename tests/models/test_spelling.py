"""Spellings of one choice are one choice: blanks of every tokenizer, full width; and what is another answer stays one."""

from __future__ import annotations

import pytest

from massjax.models.spelling import choice_of

DIGITS = ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("text", ["5", " 5", "▁5", "Ġ5", "5\n", "Ċ5", "\t5 ", "▁▁5", "５", " ５", "<0x35>", "\u00a05", "\u30005"])
def test_spellings_of_a_choice(text: str) -> None:
    assert choice_of(text, DIGITS) == 4


@pytest.mark.parametrize("text", ["55", "5.", "-5", "", " ", "Ġ", "⁵", "five", "<0x36>", "0x35", "The", "½"])
def test_other_tokens_are_no_choice(text: str) -> None:
    assert choice_of(text, DIGITS) is None


def test_what_is_a_choice_as_it_stands_is_that_one() -> None:
    assert [choice_of(text, ("5", "５")) for text in ("5", " 5", "５", "▁５")] == [0, 0, 1, 1]
    assert [choice_of(text, ("yes", "no", "Yes")) for text in (" yes", "Yes", "ＹＥＳ", "No")] == [0, 2, None, None]
    assert [choice_of(text, (" sell", " buy")) for text in ("sell", "▁buy", " buy")] == [0, 1, 1]
    assert [choice_of(text, ("5", " 5")) for text in ("5", " 5")] == [0, 1]
