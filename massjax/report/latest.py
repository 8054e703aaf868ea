"""What a user needs today: the weights that apply on the last date of the data, and how they rank its stocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from massjax.evaluate.result import UNIFORM, Strategy
from massjax.report.run import RunResult

STOCKS_SHOWN = 5
"""Best and worst stocks that are shown, each."""
ARCHETYPES_SHOWN = 6
"""Archetypes of a mix that are shown, those with the largest weights."""
LEAST_SHOWN = 0.005
"""Weight from which an archetype is named."""


@dataclass(frozen=True)
class Latest:
    """The ranking of the last date on which there are signals.

    Attributes:
        date: ISO, of the last column of the panel with a signal; its forward return need not be known.
        last_date: ISO, of the panel; later than `date` where its last dates have no scores.
        strategy: whose weights rank the stocks: the advised mix, else uniform weights.
        ranked_by: which signal.
        ranking: stock and signal, the best first, all members with a signal.
        open: whether no forward return of the date is known yet, at the fitted horizon.
    """

    date: str
    last_date: str
    strategy: Strategy
    ranked_by: str
    ranking: tuple[tuple[str, float], ...]
    open: bool

    @property
    def best(self) -> tuple[tuple[str, float], ...]:
        """The first of the ranking, never more than half of it."""
        return self.ranking[: self._shown]

    @property
    def worst(self) -> tuple[tuple[str, float], ...]:
        """The last of the ranking, the worst at the end, never more than half of it."""
        return self.ranking[len(self.ranking) - self._shown :]

    @property
    def _shown(self) -> int:
        return min(STOCKS_SHOWN, len(self.ranking) // 2)


def advised(result: RunResult) -> Strategy:
    """The strategy whose weights the verdict tells to use: the mix of a search, else uniform weights."""
    found = result.verdict
    return result.strategy(found.strategy if found is not None and found.kind == "mix" else UNIFORM)


def spoken_of(result: RunResult) -> Strategy | None:
    """The search that the verdict is about; without a verdict the first of the run; None where nothing was searched."""
    if result.verdict is not None and result.verdict.strategy:
        return result.strategy(result.verdict.strategy)
    return result.searches[0] if result.searches else None


def latest(result: RunResult) -> Latest | None:
    """The latest ranking under the weights that are advised; None in a leakage ablation, and where no date has a signal."""
    if result.config.evaluate.leakage_ablation:
        return None
    strategy = advised(result)
    signal = strategy.signals[strategy.ranked_by]
    scored = np.flatnonzero(np.isfinite(signal).any(axis=0))
    if not scored.size:
        return None
    date, stocks = int(scored[-1]), result.panel.stocks
    return Latest(
        date=str(result.panel.dates[date]),
        last_date=str(result.panel.dates[-1]),
        strategy=strategy,
        ranked_by=strategy.ranked_by,
        ranking=tuple((str(stocks[n]), float(signal[n, date])) for n in _ranked(signal[:, date])),
        open=not np.isfinite(result.panel.forward_returns[result.horizon][:, date]).any(),
    )


def latest_weights(result: RunResult, strategy: Strategy) -> tuple[tuple[str, float], ...]:
    """Archetypes and the weights that apply on the last date of the panel, the largest first."""
    weights = strategy.weights[-1]
    order = np.argsort(-weights, kind="stable")
    return tuple((result.archetypes[int(k)].archetype.name, float(weights[k])) for k in order)


def weights_in_words(result: RunResult, strategy: Strategy) -> str:
    """`winners 42.1 %, calm 30.0 %, and 14 others 27.9 %`; equal weights are told as that."""
    weights = latest_weights(result, strategy)
    positive = [weight for _, weight in weights if weight > 0]
    if positive and np.isclose(max(positive), min(positive), rtol=1e-5):
        whom = f"each of the {len(weights)} archetypes" if len(positive) == len(weights) else f"each of {len(positive)} archetypes"
        return f"{_share(positive[0])} for {whom}"
    named = [(name, weight) for name, weight in weights[:ARCHETYPES_SHOWN] if weight >= LEAST_SHOWN]
    words = [f"{name} {_share(weight)}" for name, weight in named]
    rest, others = sum(weight for _, weight in weights[len(named) :]), len(weights) - len(named)
    if others and rest >= LEAST_SHOWN:
        words.append(f"{others} other{'s' if others > 1 else ''} {_share(rest)}")
    return ", ".join(words)


def _share(weight: float) -> str:
    return f"{100 * weight:.1f}\N{NO-BREAK SPACE}%"


def _ranked(signal: Float[np.ndarray, " N"]) -> list[int]:
    """Stocks with a signal, the best first; of equals in their order."""
    known = np.flatnonzero(np.isfinite(signal))
    return [int(n) for n in known[np.argsort(-signal[known], kind="stable")]]
