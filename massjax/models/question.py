"""What a language model is asked."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

CHARACTERS_PER_TOKEN = 4.4
"""Of English text under a usual tokenizer; for estimates before a model is there."""


class Prompt(NamedTuple):
    """What a model is shown: a system message and a user message."""

    system: str
    user: str

    def digest(self) -> int:
        """A 64-bit fingerprint of both messages; never 0."""
        text = f"{len(self.system)}\n{self.system}\n{self.user}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") or 1
