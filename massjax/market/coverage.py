"""How many of the members' forward returns are unknown, of which stocks, and why."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from massjax.market.grid import until_last
from massjax.market.panel import Panel
from massjax.row_words import counted, first_few

LEAST_KNOWN = 0.9
"""Share of the members' forward returns below which a sentence says how many are unknown."""
HARDLY_KNOWN, TELLING = 0.5, 20
"""A stock of which less than this share is known is named in any case, if it was a member on so many dates."""
NAMED = 3


def lost_returns(panel: Panel, dates: slice, execution_lag: int, ready_made: frozenset[int], source: str) -> tuple[str, ...]:
    """Sentences about forward returns of members that are unknown, the last dates of the data aside, whose returns nobody knows yet.

    Args:
        panel: with all dates of the data.
        dates: those that a run sees.
        execution_lag: rows from a decision to its fill.
        ready_made: horizons of which the returns were read, not computed.
        source: the file they are from or are computed from.
    """
    found = []
    for horizon, returns in panel.forward_returns.items():
        ahead = execution_lag + horizon
        wanted = panel.member.copy()
        wanted[:, max(panel.dates.size - ahead, 0) :] = False
        wanted[:, : dates.start] = False
        wanted[:, dates.stop :] = False
        unknown = wanted & ~np.isfinite(returns)
        if unknown.any():
            why = "" if horizon in ready_made else _reasons(panel, unknown, execution_lag, ahead)
            found += _sentences(panel.stocks, wanted, unknown, f"forward returns over {counted(horizon, 'row')}", ahead, why, source)
    return tuple(found)


def _sentences(
    stocks: tuple[str, ...], wanted: Bool[np.ndarray, "N T"], unknown: Bool[np.ndarray, "N T"], what: str, ahead: int, why: str, source: str
) -> list[str]:
    of, lost = wanted.sum(axis=1), unknown.sum(axis=1)
    share = lost / np.maximum(of, 1)
    worst = [int(n) for n in np.argsort(-share, kind="stable") if lost[n]]
    if lost.sum() <= (1.0 - LEAST_KNOWN) * of.sum():
        worst = [n for n in worst if share[n] > HARDLY_KNOWN and of[n] >= TELLING]
    if not worst:
        return []
    named = first_few([f"{stocks[n]} ({lost[n]:,} of {of[n]:,})" for n in worst], NAMED)
    told = f"{lost.sum():,} of {of.sum():,} {what} of members are unknown ({lost.sum() / of.sum():.1%}, the last {ahead} dates aside)"
    return [f"{source}: {told}{why}; most of {named}; RankIC is that of the others"]


def _reasons(panel: Panel, unknown: Bool[np.ndarray, "N T"], execution_lag: int, ahead: int) -> str:
    if panel.prices is None:
        return ""
    priced = np.isfinite(panel.prices)
    later = until_last(priced)
    n, t = np.nonzero(unknown)
    no_entry, no_exit = ~priced[n, t + execution_lag], ~priced[n, t + ahead]
    ended = (no_entry & ~later[n, t + execution_lag]) | (~no_entry & no_exit & ~later[n, t + ahead])
    counts = {
        "without a price on the date of entry": int((no_entry & ~ended).sum()),
        "without a price on the date of exit": int((no_exit & ~no_entry & ~ended).sum()),
        "of stocks that have no price any more": int(ended.sum()),
        "not tradable at entry, or filled forward at exit": int((~no_entry & ~no_exit).sum()),
    }
    return ": " + ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
