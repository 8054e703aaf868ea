"""What a language model is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from massjax.models.forms import Form, form_document

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


class Question(NamedTuple):
    """What is asked, whole."""

    model: str
    prompt: Prompt
    form: Form

    @property
    def key(self) -> bytes:
        """16 bytes of all that can change the answer."""
        return question_keys(self.model, self.form, [self.prompt]).tobytes()


def question_keys(model: str, form: Form, prompts: Sequence[Prompt]) -> UInt64[np.ndarray, "Q 2"]:
    """The keys of questions of one model and form, as two little-endian words each."""
    head = json.dumps(form_document(form), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    start = hashlib.blake2b(f"{model}\n{head}\n".encode(), digest_size=16)
    found = bytearray()
    for system, user in prompts:
        state = start.copy()
        first = system.encode()
        state.update(b"%d\n%s\n%s" % (len(first), first, user.encode()))
        found += state.digest()
    return np.frombuffer(bytes(found), dtype="<u8").reshape(-1, 2)
