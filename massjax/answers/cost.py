"""What asking took: prompts, tokens, seconds, and why cells have no score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Cost:
    """What one unit took; kept with it in the store.

    Attributes:
        prompts: prompts asked for it by the run that wrote it.
        recovered: prompts asked for it by a run that was stopped, whose answers were in the log.
        reused: cells answered by a prompt that was asked for another cell or before.
        prompt_tokens: tokens in its prompts; `cached_tokens` of them came from the prefix cache.
        seconds: its share of the time that the model took.
        reasons: cells without a score, by the value of their `massjax.models.failures.Reason`.
    """

    prompts: int = 0
    recovered: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    def recorded(self) -> dict[str, Any]:
        """As a store keeps it; `recovered` where there are some."""
        return {name: value for name, value in asdict(self).items() if value or name != "recovered"}


@dataclass
class Tally:
    """What a run of asking did, all units together.

    Attributes:
        units: units written.
        cells: all cells of the units written: `scores` of models, `rule_scores`, cells that had nothing to ask (`empty`), and those
            that were asked and have no score (`reasons`).
        distinct: different prompts of all cells that were wanted; those not among `prompts` had been answered before.
        prompts: prompts asked, those that calibrate aside.
        reused: cells answered by a prompt that was asked for another cell or before.
        prompt_tokens: tokens in the prompts; `cached_tokens` of them came from the prefix cache.
        seconds: the time that the model took for the scores.
        content_free: prompts asked to calibrate; not among `prompts`.
        others: units left to other processes that were at work on them.
        words: of every reason the words of one server or model; not kept in the store.
        texts, text_seconds: texts written before the scores, and how long the model took for them.
    """

    units: int = 0
    cells: int = 0
    scores: int = 0
    rule_scores: int = 0
    empty: int = 0
    prompts: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    distinct: int = 0
    content_free: int = 0
    others: int = 0
    texts: int = 0
    text_seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)

    def add(self, cost: Cost) -> None:
        """Count one more unit's cost."""
        self.prompts += cost.prompts
        self.reused += cost.reused + cost.recovered
        self.prompt_tokens += cost.prompt_tokens
        self.cached_tokens += cost.cached_tokens
        self.seconds += cost.seconds
        self.reasons.update(cost.reasons)

    def include(self, recorded: Mapping[str, Any]) -> None:
        """Add what another process did, given as the fields of its tally; `distinct` is left out, as prompts may be in several."""
        for name, value in recorded.items():
            if name == "distinct":
                continue
            if name == "reasons":
                self.reasons.update(value)
            elif name == "words":
                self.words = {**value, **self.words}
            else:
                setattr(self, name, getattr(self, name) + value)

    def statistics(self) -> dict[str, Any]:
        """As plain numbers, without what is zero beside the counts and shares that every run has."""
        shares = {"prefix_cache_share": round(self.cached, 4), "duplicate_share": round(self.duplicates, 4)}
        always = ("units", "cells", "prompts", "reused", "prompt_tokens", "cached_tokens", "seconds", *shares)
        plain = {**asdict(self), "seconds": round(self.seconds, 3), "reasons": dict(self.reasons), **shares}
        return {name: value for name, value in plain.items() if (value or name in always) and name != "words"}

    @property
    def cached(self) -> float:
        """Share of prompt tokens that came from the prefix cache."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0

    @property
    def duplicates(self) -> float:
        """Share of answered cells whose prompt needed no asking, because it was asked for another cell or before."""
        return self.reused / (self.reused + self.prompts) if self.reused + self.prompts else 0.0
