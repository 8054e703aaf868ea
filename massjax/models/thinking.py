"""Models that think before they answer: how a passage of thinking is recognised, left out of a prompt, or cut from a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from massjax.errors import ModelError
from massjax.models.failures import Failure, Reason

THOUGHT = re.compile(
    r"<\s*/?\s*\|?\s*(think(ing)?|thoughts?|reason(ing)?|reflection|seed:think|(start|begin)_(of_)?(thinking|thought|reasoning))\s*\|?\s*>"
    r"|<\|?channel\|?>|\[THINK\]|◁think▷|<unused94>|<\s*(th|thi|thin|think|thinking|thought|reasoning)$",
    re.IGNORECASE,
)
"""How models open a passage of thinking, the mark whole or the first piece of one that their vocabulary has not."""

ASKED_NOT_TO = {"enable_thinking": False, "thinking": False, "date_string": "26 Jul 2024"}
"""What chat templates are rendered with: those of thinking models leave the thinking out for it, and those that say today's date say one
that never changes (the one that Llama's template falls back to)."""

THINKS = 0.5
"""Probability of a mark of thinking as the first token, from which on a model counts as thinking before it answers."""

_OPEN_AT_THE_END = re.compile(r"(<(think|thinking|seed:think)>|\[THINK\]|◁think▷)\s*\Z", re.IGNORECASE)
_CLOSED_AT_THE_END = re.compile(r"(</(think|thinking|seed:think)>|\[/THINK\]|◁/think▷)\s*\Z", re.IGNORECASE)
_END = re.compile(r"</\s*(think(ing)?|thoughts?|reason(ing)?|reflection|seed:think)\s*>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_FINAL = re.compile(r"<\|channel\|>\s*final\s*<\|message\|>")

Thinking = Literal["off", "prefill", "refuse"]


def past_thinking(folder: object, rendered: str, template: str, vocabulary: Iterable[str], thinking: Thinking) -> str:
    """What goes between a rendered prompt and its answer, so that the answer comes first: nothing, or an empty passage of thinking.

    Args:
        rendered: a prompt in the chat template, asked to leave the thinking out, up to where the answer begins.
        template: the chat template.
        vocabulary: tokens that the tokenizer was given beside its vocabulary.

    Raises:
        ModelError: the model thinks, and the settings do not say how it is to be asked.
    """
    added = set(vocabulary)
    opened = _OPEN_AT_THE_END.search(rendered)
    thinks = opened is not None or THOUGHT.search(template) is not None
    if thinking == "refuse" and thinks:
        raise ModelError(f"{folder}: its chat template has passages of thinking, which thinking: refuse does not ask; use off or prefill")
    if thinking != "prefill":
        if opened is not None:
            raise ModelError(
                f"{folder}: its chat template opens a passage of thinking ({opened[1]}) and cannot be asked not to; "
                "thinking: prefill closes it, or name a model that answers at once"
            )
        return ""
    if opened is not None:
        mark = opened[1]
        return "\n" * (2 - min(2, opened[0].count("\n"))) + f"{mark[0]}/{mark[1:]}\n\n"
    if not thinks or _CLOSED_AT_THE_END.search(rendered):
        return ""
    if "<|channel|>" in added:
        return "<|channel|>final<|message|>"
    marks = ("<think>", "<thinking>", "<seed:think>", "[THINK]", "◁think▷")
    mark = next((mark for mark in marks if mark in added or mark in template), marks[0])
    return f"{mark}\n\n{mark[0]}/{mark[1:]}\n\n"


def opening_marks(vocabulary: Iterable[str]) -> list[str]:
    """Tokens that open a passage of thinking."""
    return sorted(token for token in vocabulary if THOUGHT.fullmatch(token.strip()) and "/" not in token)


def spoken(text: str) -> str | Failure:
    """A text without the passage of thinking that it begins with; a failure where nothing follows it."""
    text = text.strip()
    if not THOUGHT.match(text):
        return text
    ends = [found.end() for found in (_FINAL.search(text), _END.search(text)) if found is not None]
    rest = text[min(ends) :].strip() if ends else ""
    return rest or Failure(Reason.THINKING, f"it has said nothing else within its tokens; it began: {text[:80]!r}")


def thinks_first(likely: Iterable[float]) -> Failure | None:
    """That a model thinks before it answers, by the log-probabilities of the marks that open its thinking."""
    total = sum(math.exp(value) for value in likely)
    return Failure(Reason.THINKING, f"it opens a passage of thinking with probability {total:.2g}") if total > THINKS else None
