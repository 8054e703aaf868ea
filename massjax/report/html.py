"""The report of a run: one HTML file with everything in it, that opens without a network."""

from __future__ import annotations

import base64
import re
from typing import Any

import yaml
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from massjax.evaluate.result import BEST_SINGLE, UNIFORM, Strategy
from massjax.evaluate.settings import EvaluateSettings
from massjax.evaluate.verdict import LEVEL, MOST_YEARS
from massjax.report import wording
from massjax.report.agents_words import agents_in_words
from massjax.report.cutoff_table import about_cutoff, cutoff_table
from massjax.report.drawing import strategy_color
from massjax.report.evidence_tables import gains_table, luck_table, power_table, signals_table, years_table
from massjax.report.figures import figures, kind_word, rolling_window
from massjax.report.latest import latest, latest_weights, spoken_of, weights_in_words
from massjax.report.pages import figure_json, page_environment
from massjax.report.run import RunResult
from massjax.report.telling import annualised, shown_summary, too_few
from massjax.report.verdict_words import opening
from massjax.row_words import counted, every, row_unit
from massjax.terminal import escaped_text
from massjax.timing import FEWEST_HORIZONS, telling_dates

MODEL_FACTS = ("model", "model_name")
"""Last parts of the names under which a store says which model answered."""
SHOWN_FACTS = 60
"""Characters of a value of the store's provenance that are shown."""


def render_report(result: RunResult) -> str:
    """The page as text.

    The script library, the figures' data and the style are inlined; a content security policy in the page forbids everything else.
    """
    environment = page_environment()
    environment.globals |= {
        "shown_summary": shown_summary,
        "telling_dates": telling_dates,
        "counted": counted,
        "every": every,
        "kind_word": kind_word,
        "latest_weights": latest_weights,
        "weights_in_words": weights_in_words,
    }
    environment.globals |= {"return_name": wording.return_name, "horizon_dates": wording.horizon_dates}
    environment.filters |= {
        "dated": _dated,
        "percent": wording.percent,
        "number": wording.number,
        "signed_percent": wording.signed_percent,
    }
    environment.tests["weighs_archetypes"] = _weighs_archetypes
    return environment.get_template("report.html.j2").render(
        result=result,
        config=result.config,
        dates=result.panel.dates[result.evaluated],
        horizons=sorted(result.strategies[0].metrics),
        uniform=UNIFORM,
        best_single=BEST_SINGLE,
        marks=wording.marks(result),
        unit=row_unit(result.panel.periods_per_year),
        kinds={facts.archetype.kind for facts in result.archetypes},
        few=too_few(result),
        annual=annualised(result),
        differ=wording.dates_differ(result),
        about_horizons=wording.about_horizons(result),
        about_few=wording.about_few(result),
        fewest_horizons=FEWEST_HORIZONS,
        judged=wording.judged(result),
        portfolios=_portfolios(result),
        color={strategy.name: strategy_color(result, strategy) for strategy in result.strategies},
        clear=wording.CONVENTIONAL_T,
        level=LEVEL,
        most_years=MOST_YEARS,
        window=rolling_window(result),
        opening=opening(result),
        findings=wording.findings(result),
        latest=latest(result),
        spoken_of=spoken_of(result),
        luck=luck_table(result),
        power=power_table(result),
        years=years_table(result),
        gains=gains_table(result),
        signals=signals_table(result),
        span=wording.evaluated_span(result),
        facts=run_facts(result),
        store=_store(result),
        about_cutoff=about_cutoff(result),
        cutoff_table=cutoff_table(result),
        memory_picture=base64.b64encode(result.memory_picture).decode(),
        config_yaml=yaml.safe_dump(result.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110),
        figures={name: figure_json(figure) for name, figure in figures(result).items()},
        plotly=Markup(get_plotlyjs()),
    )


def _weighs_archetypes(strategy: Strategy) -> bool:
    """Whether a strategy listens to archetypes at all; a control on features alone does not."""
    return bool(strategy.weights.any())


def run_facts(result: RunResult) -> list[tuple[str, str]]:
    """What was run, in pairs of a term and what it was in this run."""
    config, panel = result.config, result.panel
    unit = row_unit(panel.periods_per_year)
    return [
        ("Market", f"{config.market.source}, {counted(len(panel.stocks), 'stock')}"),
        ("Data", f"{panel.dates[0]} to {panel.dates[-1]} ({counted(panel.dates.size, 'date')}, {panel.periods_per_year:g} {unit}s a year)"),
        ("Evaluated", wording.evaluated_span(result)),
        ("Archetypes", _kinds(result)),
        *([("Agents", agents_in_words(result))] if result.agents else []),
        ("Language model", _model(result)),
        ("Fitted to", _fitted_to(result)),
        ("Timing", _timing(config.evaluate, config.market.execution_lag)),
        ("Search", "; ".join(f"{s.label}: {s.about}" for s in result.searches) or "none, the controls alone"),
        ("Seed", str(config.seed)),
        ("Took", f"{sum(result.seconds.values()):.0f} s"),
    ]


def _kinds(result: RunResult) -> str:
    kinds = [facts.archetype.kind for facts in result.archetypes]
    words = {"llm": "asked of the fake engine" if result.fake else "LLM", "rule": "rule-based"}
    return ", ".join(f"{kinds.count(kind)} {word}" for kind, word in words.items() if kind in kinds)


def _fitted_to(result: RunResult) -> str:
    settings = result.config.evaluate
    judged, fitted = (_mean_rank_ic(result, name) for name in (settings.signal, settings.fitted_to))
    if not result.searches:
        return f"nothing; judged by the {judged}"
    return (
        fitted
        if settings.fitted_to == settings.signal
        else f"{fitted}; stocks are ranked, and all is judged, by the {settings.signal} signal"
    )


def _mean_rank_ic(result: RunResult, signal: str) -> str:
    settings = result.config.evaluate
    share = f" (α\N{NO-BREAK SPACE}{_alpha(settings)})" if signal == "combined" else ""
    return f"mean RankIC of the {signal} signal{share} with the {wording.return_name(result, settings.horizon)}"


def _alpha(settings: EvaluateSettings) -> str:
    return "learned on equal weights" if isinstance(settings.alpha, str) else f"=\N{NO-BREAK SPACE}{settings.alpha:g}"


def _timing(settings: EvaluateSettings, lag: int) -> str:
    filled = f"{counted(lag, 'close')} after the decision" if lag else "at the close of the decision"
    applied = f"applied {counted(settings.delay, 'date')} later" if settings.delay else "applied at once"
    lookback = "all that is known" if settings.lookback == "auto" else counted(settings.lookback, "date")
    return f"look-back {lookback}, gap {settings.gap}, {applied}, filled {filled}"


def _portfolios(result: RunResult) -> list[dict[str, Any]]:
    """The rows of the backtest's table; the last is what the others are compared with."""
    held: list[dict[str, Any]] = [
        {"label": s.label, "kind": s.kind, "color": strategy_color(result, s), "portfolio": s.portfolio}
        for s in result.strategies
        if s.portfolio is not None
    ]
    return [*held, {"label": "All members alike", "kind": "control", "color": "var(--ink)", "portfolio": result.benchmark}]


def _dated(text: str) -> Markup:
    """Text in which no line breaks inside a date."""
    return Markup(re.sub(r"\d{4}-\d{2}-\d{2}", r"<time>\g<0></time>", str(escape(escaped_text(text)))))


def _model(result: RunResult) -> str:
    if all(facts.archetype.kind == "rule" for facts in result.archetypes):
        return "none, all archetypes are rules"
    if result.fake:
        return "none: the fake engine answered with noise"
    found = [value for name, value in _flat(result.store) if name.rpartition(".")[2] in MODEL_FACTS]
    return str(found[0]) if found else (result.config.scoring.model or "see the store’s provenance")


def _store(result: RunResult) -> list[tuple[str, str]]:
    """The facts about the store; for fake scores without the name of the model that was set but never asked."""
    facts = _flat(result.store)
    return [(name, _short(value)) for name, value in facts if not (result.fake and name.rpartition(".")[2] in MODEL_FACTS)]


def _flat(values: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested mappings as dotted names."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        pairs += _flat(value, dotted) if isinstance(value, dict) else [(dotted, value)]
    return pairs


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_FACTS else text[: SHOWN_FACTS - 1] + "…"
