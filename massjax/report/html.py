"""The report of a run: one HTML file with everything in it, that opens without a network."""

from __future__ import annotations

import re
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape
from plotly.io import to_json
from plotly.offline import get_plotlyjs

from massjax.config import EvaluateSettings
from massjax.evaluate.result import BEST_SINGLE, UNIFORM, RunResult
from massjax.report import wording
from massjax.report.figures import figures, rolling_window, strategy_color

SHOWN_FACTS = 60
"""Characters of a value of the store's provenance that are shown."""


def render_report(result: RunResult) -> str:
    """The page as text.

    The script library, the figures' data and the style are inlined; a content security policy in the page forbids everything else.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("massjax.report", "templates"),
        autoescape=jinja2.select_autoescape(["html", "j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "dated": _dated,
        "percent": wording.percent,
        "number": wording.number,
        "signed_percent": wording.signed_percent,
    }
    return environment.get_template("report.html.j2").render(
        result=result,
        config=result.config,
        dates=result.panel.dates[result.evaluated],
        horizons=sorted(result.strategies[0].metrics),
        uniform=UNIFORM,
        best_single=BEST_SINGLE,
        ablation=wording.ABLATION if result.config.evaluate.leakage_ablation else "",
        color={strategy.name: strategy_color(result, strategy) for strategy in result.strategies},
        clear=wording.CONVENTIONAL_T,
        window=rolling_window(result),
        headline=wording.headline(result),
        verdict=wording.verdict(result),
        span=wording.evaluated_span(result),
        facts=run_facts(result),
        store=[(name, _short(value)) for name, value in _flat(result.store)],
        config_yaml=yaml.safe_dump(result.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110),
        figures={name: Markup(_script_safe(to_json(figure, validate=False) or "")) for name, figure in figures(result).items()},
        plotly=Markup(get_plotlyjs()),
    )


def run_facts(result: RunResult) -> list[tuple[str, str]]:
    """What was run, in pairs of a term and what it was in this run."""
    config, panel = result.config, result.panel
    kinds = [facts.archetype.kind for facts in result.archetypes]
    counted = [f"{kinds.count(kind)} {label}" for kind, label in (("llm", "LLM"), ("rule", "rule-based")) if kind in kinds]
    return [
        ("Market", f"{config.market.source}, {len(panel.stocks)} stocks"),
        ("Data", f"{panel.dates[0]} to {panel.dates[-1]} ({panel.dates.size} dates)"),
        ("Evaluated", wording.evaluated_span(result)),
        ("Archetypes", ", ".join(counted)),
        ("Language model", _model(result) if "llm" in kinds else "none, all archetypes are rules"),
        ("Fitted to", _fitted_to(config.evaluate)),
        ("Timing", _timing(config.evaluate, config.market.execution_lag)),
        ("Search", "; ".join(f"{s.label}: {s.about}" for s in result.strategies if s.kind == "search")),
        ("Seed", str(config.seed)),
        ("Took", f"{sum(result.seconds.values()):.0f} s"),
    ]


def _fitted_to(evaluate: EvaluateSettings) -> str:
    share = f" (α\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{evaluate.alpha:g})" if evaluate.signal == "combined" else ""
    return f"mean RankIC of the {evaluate.signal} signal{share} with {evaluate.horizon}-day returns"


def _timing(evaluate: EvaluateSettings, lag: int) -> str:
    filled = f"{lag} close{'s' if lag > 1 else ''} after the decision" if lag else "at the close of the decision"
    return f"look-back {evaluate.lookback}, gap {evaluate.gap}, applied {evaluate.delay} later, filled {filled}"


def _dated(text: str) -> Markup:
    """Text in which no line breaks inside a date."""
    return Markup(re.sub(r"\d{4}-\d{2}-\d{2}", r"<time>\g<0></time>", str(escape(text))))


def _model(result: RunResult) -> str:
    found = [value for name, value in _flat(result.store) if name.rpartition(".")[2] in ("model", "model_name")]
    return str(found[0]) if found else (result.config.scoring.model or "see the store's provenance")


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


def _script_safe(json: str) -> str:
    """JSON that no HTML parser takes for the end of its script element."""
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
