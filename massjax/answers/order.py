"""The order of asking that leaves the fewest tokens to compute, given that a model keeps the beginnings of prompts: the sorted one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt


def computed_tokens(prompts: Sequence[Prompt]) -> int:
    """Tokens (at `CHARACTERS_PER_TOKEN`) that are not the beginning of the prompt before, over the sorted prompts."""
    ordered = sorted(set(prompts))
    total = sum(len(prompt.system) + len(prompt.user) for prompt in ordered)
    return round((total - sum(shared(a, b) for a, b in pairwise(ordered))) / CHARACTERS_PER_TOKEN)


def shared(a: Prompt, b: Prompt) -> int:
    """Characters that two prompts have in common from their beginning."""
    if a.system != b.system:
        return _same(a.system, b.system)
    return len(a.system) + _same(a.user, b.user)


def _same(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
