"""What a run's strategies had before and after the date at which the knowledge of its models ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from massjax.evaluate.result import Strategy
from massjax.report.evidence_tables import EvidenceTable
from massjax.report.run import RunResult
from massjax.report.wording import NONE, percent, return_name, signed_percent
from massjax.statistics.clusters import Estimate
from massjax.statistics.intervals import Interval
from massjax.statistics.memory_probe import sides_of_cutoff


class StrategySplit(NamedTuple):
    """The daily RankIC of a strategy on both sides of a cut-off, at the fitted horizon, out of sample.

    Attributes:
        strategy: whose it is.
        before, after: its mean up to the cut-off, and after it; None where no evaluated date lies there.
        difference: before − after; with the reason where there is none to give.
    """

    strategy: Strategy
    before: Interval | None
    after: Interval | None
    difference: Estimate


def split_at_cutoff(result: RunResult) -> list[StrategySplit]:
    """Every strategy's RankIC up to the cut-off and after it; none where `result.cutoff` is not known."""
    if result.cutoff is None:
        return []
    before = result.panel.dates <= np.datetime64(result.cutoff)
    found = []
    for strategy in result.strategies:
        daily = strategy.rank_ic[result.horizon]
        found.append(StrategySplit(strategy, *sides_of_cutoff(daily, before, result.horizon)))
    return found


def cutoff_table(result: RunResult) -> EvidenceTable | None:
    """RankIC before and after the cut-off as a table; None where it is not known, or not both sides have an evaluated date."""
    splits = split_at_cutoff(result)
    if not any(one.before for one in splits) or not any(one.after for one in splits):
        return None
    headings = (f"to {result.cutoff}", "±", "dates", "after", "±", "dates", "difference", "low", "high")
    rows = tuple((one.strategy, (*_side(one.before), *_side(one.after), *_difference(one.difference))) for one in splits)
    notes = (
        "±, low, high: 95 % intervals by Newey and West; of the difference with Welch's degrees of freedom.",
        "Weights of the first dates after the cut-off were still chosen on dates before it.",
        "Other years are other markets: a difference alone does not prove memory.",
    )
    return EvidenceTable(f"RankIC before and after the cut-off, {return_name(result, result.horizon)}, %", headings, rows, notes)


def about_cutoff(result: RunResult) -> str:
    """Why there is no such table, in a sentence; empty where there is one, or no model was asked."""
    if not result.memory or cutoff_table(result) is not None:
        return ""
    if result.cutoff is None:
        return "Nothing is split at a cut-off: that of a model is not known (knowledge_cutoff, in scoring or under models)."
    side = "after" if result.panel.dates[result.evaluated][-1].item() <= result.cutoff else "up to"
    clean = ", so nothing in this report is free of what the model may remember" if side == "after" else ""
    return f"No evaluated date lies {side} the cut-off, {result.cutoff}{clean}."


def cutoff_document(result: RunResult) -> dict[str, Any] | None:
    """The split as JSON-like values, NaN among them; None where the cut-off is not known."""
    if result.cutoff is None:
        return None
    strategies = {
        one.strategy.name: {"before": _values(one.before), "after": _values(one.after), "difference": _estimate(one.difference)}
        for one in split_at_cutoff(result)
    }
    return {"cutoff": str(result.cutoff), "horizon": result.horizon, "strategies": strategies}


def _values(side: Interval | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {"rank_ic": side.mean, "standard_error": side.standard_error, "low": side.low, "high": side.high, "dates": side.dates}


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "standard_error": found.standard_error, "low": found.low, "high": found.high, "reason": found.reason}


def _side(side: Interval | None) -> tuple[str, str, str]:
    return (NONE, NONE, "0") if side is None else (percent(side.mean), percent((side.high - side.low) / 2), f"{side.dates:,}")


def _difference(found: Estimate) -> tuple[str, str, str]:
    return signed_percent(found.value), signed_percent(found.low), signed_percent(found.high)
