"""Which choice a token spells: the spellings of one choice ("5", " 5", "▁5", a newline after it, full-width "５") mean the same answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

AROUND = "".join(("▁", "Ġ", "Ċ", "č", "ĉ", "\u200b", "\ufeff"))
"""What tokenizers write for a blank around a token: SentencePiece's mark, those of byte-level BPE, and characters of no width."""

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

SUMMED = "the probabilities of all tokens that spell a choice are added (1)"
"""How a choice's probability is come by where a server chooses which tokens it tells of; part of the model's identity, so that scores made
otherwise are not mixed in. Where the tokens are asked for, `choice_token_ids` says it."""


def without_blanks(text: str) -> str:
    """A token's text without the blanks around it."""
    found = _BYTE.fullmatch(text)
    return (chr(int(found[1], 16)) if found else text).strip(f"{AROUND} \t\r\n\f\v\u00a0\u3000")


def choice_of(text: str, choices: Sequence[str]) -> int | None:
    """The number of the choice that a token spells, None if it spells none.

    Blanks around the token do not count; full-width letters and digits count as the plain ones, unless they are a choice themselves.
    Case counts, and so does punctuation: `"5."` is not `"5"`.
    """
    names = [without_blanks(choice) or choice for choice in choices]
    plain = without_blanks(text)
    for name in (text, plain, plain.translate(_FULL_WIDTH)):
        if name in choices:
            return choices.index(name)
        if names.count(name) == 1:
            return names.index(name)
    return None
