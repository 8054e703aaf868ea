"""A run as data: the document `metrics.json` and the frames of `weights.parquet` and `signals.parquet`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from massjax.engine.inputs import SIGNALS
from massjax.evaluate.evidence import Evidence, Gain
from massjax.evaluate.named_signals import own_code
from massjax.evaluate.result import BENCHMARK, Portfolio, Strategy
from massjax.report.cutoff_table import cutoff_document
from massjax.report.latest import latest, latest_weights
from massjax.report.run import ArchetypeFacts, RunResult
from massjax.report.series import method_name
from massjax.report.telling import annualised, too_few
from massjax.report.verdict_words import opening

DECISIONS = ("long", "neither", "short")
FORMAT = 1
"""Version of the layout of a run directory."""


def metrics_document(result: RunResult) -> dict[str, Any]:
    """Everything a run measured, as JSON-like values; what is not a number is None.

    Where there are too few dates to tell anything, or for figures a year, all are there, and `evaluated` says so.
    """
    config, panel = result.config, result.panel
    dates = panel.dates[result.evaluated]
    document = {
        "format": FORMAT,
        "name": config.name,
        "leakage_ablation": config.evaluate.leakage_ablation,
        "fake_scores": result.fake,
        "panel": {
            "source": config.market.source,
            "stocks": len(panel.stocks),
            "dates": int(panel.dates.size),
            "first_date": str(panel.dates[0]),
            "last_date": str(panel.dates[-1]),
            "execution_lag": config.market.execution_lag,
            "periods_per_year": panel.periods_per_year,
        },
        "evaluated": {
            "dates": int(dates.size),
            "first_date": str(dates[0]),
            "last_date": str(dates[-1]),
            "too_few_to_tell": too_few(result),
            "too_few_for_figures_a_year": result.benchmark is not None and not annualised(result),
        },
        "engine": {"platform": result.platform, "ranking": result.ranking},
        "learned_alpha": None if result.learned_alpha is None else result.learned_alpha[result.evaluated].round(1).tolist(),
        "own_code": own_code(config.evaluate),
        "fitted": config.evaluate.model_dump(mode="json", exclude={"backtest"}),
        "backtest": config.evaluate.backtest.model_dump(mode="json"),
        "strategies": {strategy.name: _strategy(strategy) for strategy in result.strategies},
        BENCHMARK: _portfolio(result.benchmark),
        "archetypes": [_archetype(facts) for facts in result.archetypes],
        "store": dict(result.store),
        "finite_agents": dict(result.agents) or None,
        "effective_opinions": result.effective_opinions,
        "verdict": verdict_document(result),
        "before_and_after_cutoff": cutoff_document(result),
        "latest": latest_document(result),
        "warnings": list(result.warnings),
        "seconds": dict(result.seconds),
    }
    return _finite(document)


def verdict_document(result: RunResult) -> dict[str, Any] | None:
    """The verdict, its words and the figures that decided it; None without one, and in a leakage ablation, on which none is given."""
    found = result.verdict
    if found is None or result.config.evaluate.leakage_ablation:
        return None
    words = opening(result).replace("\N{NO-BREAK SPACE}", " ")
    return {"kind": found.kind, "strategy": found.strategy, "words": words, "reasons": dict(found.reasons)}


def latest_document(result: RunResult) -> dict[str, Any] | None:
    """The last date with signals: under whose weights, these, and the stocks by their signal, the best first; None where there is none."""
    found = latest(result)
    if found is None:
        return None
    return {
        "date": found.date,
        "strategy": found.strategy.name,
        "ranked_by": found.ranked_by,
        "weights": dict(latest_weights(result, found.strategy)),
        "ranking": [{"stock": stock, "signal": signal} for stock, signal in found.ranking],
    }


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """Chance of luck, gain, years and effective numbers of one strategy; the repetitions themselves are in `luck.parquet`."""
    luck = None if evidence.luck is None else {name: value for name, value in asdict(evidence.luck).items() if name != "null_rank_ic"}
    return {
        "luck": luck,
        "reason": evidence.reason,
        "gain": None if evidence.gain is None else _gain(evidence.gain),
        "by_year": {str(year): asdict(summary) for year, summary in evidence.by_year.items()},
        "gain_by_year": {str(year): asdict(summary) for year, summary in evidence.gain_by_year.items()},
        "effective_archetypes": evidence.effective_archetypes,
        "seeds": list(evidence.seeds),
    }


def _gain(gain: Gain) -> dict[str, Any]:
    """A gain, with the bounds and the level alone of its intervals."""
    bounds = {name: {part: getattr(getattr(gain, name), part) for part in ("low", "high", "level")} for name in ("newey_west", "bootstrap")}
    return {**asdict(gain), **bounds}


def weights_frame(result: RunResult) -> pl.DataFrame:
    """Columns date, evaluated, archetype, weight, method: the weights that applied on each date.

    Dates that are not `evaluated`, such as those before the first search, are in no metric of that method; weights are equal there. In a
    leakage ablation the method's name says so. Controls that rank stocks without archetypes weigh none, and are left out.
    """
    names = [facts.archetype.name for facts in result.archetypes]
    weighing = [strategy for strategy in result.strategies if strategy.weights.any()]
    return pl.concat(_long(result, strategy, "archetype", names, {"weight": strategy.weights}) for strategy in weighing)


def signals_frame(result: RunResult) -> pl.DataFrame:
    """Columns date, evaluated, stock, mean, disagreement, combined, method; one row for each member that has a signal.

    A signal of one's own has a column of its name before the last.

    `disagreement` is minus the standard deviation of the scores: higher, like the other two, where the archetypes like the stock better.
    """
    frames = (
        _long(
            result, strategy, "stock", result.panel.stocks, {name: values.T.astype(np.float32) for name, values in strategy.signals.items()}
        )
        for strategy in result.strategies
    )
    columns = ["date", "evaluated", "stock", "mean", "disagreement", "combined", *own_columns(result), "method"]
    return pl.concat(frame.filter(pl.col("mean").is_not_nan()).select(columns) for frame in frames)


def own_columns(result: RunResult) -> list[str]:
    """The columns of a signal of one's own; none in most runs."""
    return [name for name in result.strategies[0].signals if name not in SIGNALS]


def _long(result: RunResult, strategy: Strategy, axis: str, labels: Any, values: dict[str, np.ndarray]) -> pl.DataFrame:
    dates, count = result.panel.dates, len(labels)
    frame = pl.DataFrame(
        {
            "date": np.repeat(dates, count).astype("datetime64[us]"),
            "evaluated": np.repeat(strategy.evaluated, count),
            axis: pl.Series(list(labels), dtype=pl.String).gather(np.tile(np.arange(count), dates.size)),
            **{name: np.ascontiguousarray(array).reshape(-1) for name, array in values.items()},
        }
    )
    return frame.with_columns(method=pl.lit(method_name(result, strategy.name)))


def _strategy(strategy: Strategy) -> dict[str, Any]:
    return {
        "kind": strategy.kind,
        "about": strategy.about,
        "ranked_by": strategy.ranked_by,
        "horizons": {str(horizon): asdict(metrics) for horizon, metrics in strategy.metrics.items()},
        "rank_ic_by_signal": {name: asdict(summary) for name, summary in strategy.rank_ic_by_signal.items()},
        "in_and_out_of_sample": asdict(strategy.shrinkage),
        "evidence": None if strategy.evidence is None else evidence_document(strategy.evidence),
        "portfolio": _portfolio(strategy.portfolio),
        "seconds": strategy.seconds,
    }


def _portfolio(portfolio: Portfolio | None) -> dict[str, Any] | None:
    if portfolio is None:
        return None
    band = portfolio.band
    return {**asdict(portfolio.performance), "sharpe_by_start": band.sharpes.tolist(), "cagr_by_start": band.cagrs.tolist()}


def _archetype(facts: ArchetypeFacts) -> dict[str, Any]:
    return {
        "name": facts.archetype.name,
        "kind": facts.archetype.kind,
        "modalities": list(facts.archetype.modalities),
        "rule": facts.archetype.rule,
        "roles": list(facts.roles),
        "decisions": None if facts.decisions is None else dict(zip(DECISIONS, facts.decisions, strict=True)),
        "style": None if facts.style is None else dict(facts.style),
        **({"hindsight": facts.hindsight} if facts.hindsight else {}),
        "coverage": facts.coverage,
        "rank_ic": asdict(facts.rank_ic),
        "mean_weight": dict(facts.mean_weight),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
