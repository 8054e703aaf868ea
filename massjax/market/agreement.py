"""Ready-made forward returns compared with those of the prices beside them: which shift, horizon, sign and unit fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.average_ranks import average_ranks
from massjax.row_words import counted

MOST_DATES, LEAST_DATES, MOST_VALUES = 250, 60, 200_000
"""Dates that are compared, spread over all: at most the first, and fewer of many stocks, down to the second."""
OTHER_HORIZONS = (1, 5, 10, 20, 21)
"""Usual horizons, one of which a column may hold in place of its own."""
BETTER, SURE = 0.02, 3.0
"""Another fit is told of where its rank correlation is higher by so much, and by so many standard errors."""
SAME, OTHERWISE = 0.8, 0.5
"""It is told of, too, where at least this share of the values is the same, and less than the second with the settings."""
RELATED = 0.2
"""Rank correlation below which returns and prices have little in common; told from so many values on:"""
ENOUGH = 100


class Span(NamedTuple):
    """From which date to which a return runs, counted from its own date t: t + `start` to t + `start` + `length`."""

    start: int
    length: int

    def __str__(self) -> str:
        return f"from {_date(self.start)} to {_date(self.start + self.length)}"


class Fit(NamedTuple):
    """How returns of a span agree with ready-made ones, on the dates that are compared.

    Attributes:
        span: of the returns.
        values: returns of the prices over the span.
        correlation: Spearman's of each date over the stocks, NaN where it is not defined.
    """

    span: Span
    values: Float[np.ndarray, "N D"]
    correlation: Float[np.ndarray, " D"]

    @property
    def dates(self) -> int:
        """On which a correlation is defined."""
        return int(np.isfinite(self.correlation).sum())

    @property
    def mean(self) -> float:
        """Of the rank correlations, 0 where none is defined."""
        known = self.correlation[np.isfinite(self.correlation)]
        return float(known.mean()) if known.size else 0.0


def disagreements(
    returns: Mapping[int, Float[np.ndarray, "N T"]], prices: Float[np.ndarray, "N T"], execution_lag: int, path: Path
) -> tuple[str, ...]:
    """Sentences where ready-made returns fit other returns of the prices than the settings say.

    Each date's returns are compared over the stocks by Spearman's rank correlation, so noise, dividends, an adjustment of either
    side or a benchmark taken off do not matter; then sizes tell percents and logarithms from simple returns.

    Args:
        returns: ready-made forward returns by horizon in rows, NaN where unknown.
        prices: closes of the same stocks and dates.
        execution_lag: rows from a date to the close at which its returns begin, as the settings say.
        path: the file of the returns, for the sentences.
    """
    found = (_disagreement(values, horizon, prices, execution_lag, path, tuple(returns)) for horizon, values in returns.items())
    return tuple(sentence for sentence in found if sentence)


def _disagreement(
    returns: Float[np.ndarray, "N T"], horizon: int, prices: Float[np.ndarray, "N T"], lag: int, path: Path, horizons: tuple[int, ...]
) -> str:
    usable = np.flatnonzero(np.isfinite(returns).sum(axis=0) > 1)
    if not usable.size:
        return ""
    count = min(usable.size, MOST_DATES, max(LEAST_DATES, MOST_VALUES // len(returns)))
    columns = usable[np.unique(np.linspace(0, usable.size - 1, count).round().astype(int))]
    ready = returns[:, columns]
    said = _fit(Span(lag, horizon), ready, prices, columns)
    fits = [said, *(_fit(span, ready, prices, columns) for span in _others(horizon, lag, horizons))]
    most = max(fit.dates for fit in fits)
    best = max((fit for fit in fits if 2 * fit.dates >= most), key=lambda fit: (_same(fit, ready) >= SAME, abs(fit.mean)))
    about = f"{path}: the returns over {counted(horizon, 'row')}"
    if (best is said and best.mean > 0.0) or not _better(best, said, ready):
        unrelated = abs(best.mean) < RELATED and np.isfinite(said.values * ready).sum() >= ENOUGH and np.isfinite(said.correlation).any()
        if unrelated:
            return f"{about} have little to do with those of the prices {said.span}, or of other dates (rank correlation {said.mean:.2f})"
        unit = _unit(said, ready)
        return f"{about} fit those of the prices {unit}; simple returns as fractions are expected" if unit and said.mean > 0.5 else ""
    if best is said:
        return f"{about} are those of the prices {said.span} with their sign reversed (rank correlation {said.mean:.2f}); turn their sign"
    sign = " with their sign reversed" if best.mean < 0 else ""
    unit = _unit(best, ready)
    return (
        f"{about} fit those of the prices {best.span}{sign}{' and ' + unit if unit else ''} (rank correlation {best.mean:.2f}), "
        f"not {said.span} as market.execution_lag {lag} says ({said.mean:.2f}){_cure(best, horizon)}"
    )


def _others(horizon: int, lag: int, horizons: Iterable[int]) -> list[Span]:
    shifted = [Span(start, horizon) for start in range(-horizon - 2, max(lag, 1) + 4)]
    wrong = [Span(start, other) for other in {*OTHER_HORIZONS, *horizons} - {horizon} for start in {0, 1, lag, -other}]
    return [span for span in shifted + sorted(wrong) if span != Span(lag, horizon)]


def _fit(span: Span, ready: Float[np.ndarray, "N D"], prices: Float[np.ndarray, "N T"], columns: Int[np.ndarray, " D"]) -> Fit:
    begin, end = columns + span.start, columns + span.start + span.length
    there = (begin >= 0) & (end < prices.shape[1])
    values = np.full(ready.shape, np.nan)
    values[:, there] = prices[:, end[there]] / prices[:, begin[there]] - 1.0
    return Fit(span, values, _spearman(ready, values))


def _spearman(x: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N D"]) -> Float[np.ndarray, " D"]:
    """Of each date over the stocks of which both are known; NaN where one of them tells no two stocks apart."""
    known = np.isfinite(x) & np.isfinite(y)
    a, b = _centred_ranks(x, known), _centred_ranks(y, known)
    scale = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return np.divide((a * b).sum(axis=0), scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _centred_ranks(values: Float[np.ndarray, "N D"], known: Bool[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    ranks = average_ranks(np.where(known, values, np.nan))
    return np.where(known, ranks - (known.sum(axis=0) + 1) / 2, 0.0)


def _better(best: Fit, said: Fit, ready: Float[np.ndarray, "N D"]) -> bool:
    """Whether a fit is better than that of the settings beyond chance; overlapping returns count as fewer dates."""
    if _same(best, ready) >= SAME and _same(said, ready) < OTHERWISE:
        return True
    if abs(best.mean) < RELATED:
        return False
    gain = np.sign(best.mean) * best.correlation - said.correlation
    gain = gain[np.isfinite(gain)]
    independent = gain.size / best.span.length
    if independent < 2 or gain.mean() < BETTER:
        return False
    return bool(gain.mean() > SURE * gain.std(ddof=1) / np.sqrt(independent))


def _same(fit: Fit, ready: Float[np.ndarray, "N D"]) -> float:
    """Share of the values that are the same but for sign, unit, logarithm and rounding."""
    both = np.isfinite(fit.values) & np.isfinite(ready)
    given, own = np.abs(ready[both]), fit.values[both]
    if given.size < 4 or not given.any():
        return 0.0
    forms = (scale * form for form in (np.abs(own), np.abs(np.log1p(own))) for scale in (1.0, 100.0))
    return max(float(np.mean(np.abs(given - form) <= 1e-6 + 0.002 * form)) for form in forms)


def _unit(fit: Fit, ready: Float[np.ndarray, "N D"]) -> str:
    """In percent, or logarithms, where the sizes say so."""
    both = np.isfinite(fit.values) & np.isfinite(ready)
    given, own = ready[both] * np.sign(fit.mean), fit.values[both]
    size = float(np.median(np.abs(own))) if own.size else 0.0
    if not size:
        return ""
    ratio = float(np.median(np.abs(given))) / size
    scale, words = (100.0, ["in percent"]) if 50.0 < ratio < 200.0 else (0.01, ["divided by 100"]) if 0.005 < ratio < 0.02 else (1.0, [])
    simple = np.median(np.abs(given / scale - own))
    logarithmic = np.median(np.abs(given / scale - np.log1p(own)))
    return " and ".join([*words, *(["as logarithms"] if logarithmic < 0.2 * simple else [])])


def _cure(best: Fit, horizon: int) -> str:
    start, length = best.span
    if length != horizon:
        return f"; does the column hold returns over {counted(length, 'row')}?"
    if start < 0:
        return "; they begin before their date, so a decision would know them: shift the table"
    return "" if best.mean < 0 else f"; set market.execution_lag to {start}"


def _date(offset: int) -> str:
    return "t" if not offset else f"t{offset:+d}"
