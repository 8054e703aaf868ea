"""What a language model is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64

from massjax.models.forms import Form, form_text

CHARACTERS_PER_TOKEN = 4.4
"""Of English text under a usual tokenizer; for estimates before a model is there."""

KEY_BYTES = 16


class Prompt(NamedTuple):
    """What a model is shown: a system message and a user message."""

    system: str
    user: str

    def digest(self) -> int:
        """A 64-bit fingerprint of both messages; never 0."""
        text = f"{len(self.system)}\n{self.system}\n{self.user}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") or 1


class Question(NamedTuple):
    """All that can change an answer.

    Attributes:
        model: digest of the identity of the model that is asked (`massjax.models.identity.identity_digest`), 32 hex digits.
        prompt: its messages, as rendered.
        form: what the answer may be.
    """

    model: str
    prompt: Prompt
    form: Form

    @property
    def key(self) -> bytes:
        """128 bits by which the question is known."""
        state = _state(self.model, self.form)
        state.update(_shown(self.prompt))
        return state.digest()


def question_keys(model: str, form: Form, prompts: Sequence[Prompt]) -> UInt64[np.ndarray, "Q 2"]:
    """The keys of many questions of one model and form, each as two little-endian 64-bit words."""
    start = _state(model, form)
    keys = bytearray(KEY_BYTES * len(prompts))
    for number, prompt in enumerate(prompts):
        state = start.copy()
        state.update(_shown(prompt))
        keys[KEY_BYTES * number : KEY_BYTES * (number + 1)] = state.digest()
    return np.frombuffer(keys, dtype="<u8").reshape(-1, 2)


def _state(model: str, form: Form) -> hashlib.blake2b:
    head, body = model.encode(), form_text(form).encode()
    return hashlib.blake2b(b"massjax question\n%d %d\n%b\n%b\n" % (len(head), len(body), head, body), digest_size=KEY_BYTES)


def _shown(prompt: Prompt) -> bytes:
    system, user = prompt.system.encode(), prompt.user.encode()
    return b"%d %d\n%b%b" % (len(system), len(user), system, user)
