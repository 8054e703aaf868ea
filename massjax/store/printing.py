"""What the store's commands print: a store as a README would describe it, faults, and what was done about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from massjax.models.failures import by_kind
from massjax.store.info import StoreInfo
from massjax.store.repair import Repair
from massjax.store.verify import Report
from massjax.terminal import escaped_text, markup_text

_BARS = " ▁▂▃▄▅▆▇█"
_RUNS = 5
"""Runs that `info` lists, the latest."""


def described(info: StoreInfo, price: float | None = None) -> list[RenderableType]:
    """A store in words and tables: what is in it, what asked and answered, how complete it is, what it cost, one prompt."""
    prompt = Frame(_shown(info.provenance.example_prompt or "none"), title="one prompt as it was sent", title_align="left")
    runs = [_runs(info.runs)] if info.runs else []
    return [_summary(info), _model(info), _archetypes(info), _cost(info, price), *runs, prompt]


def _shown(text: object) -> Text:
    """Text of a store, which may be somebody else's, in which nothing can steer the terminal."""
    return Text(escaped_text(text, keep="\n"))


def _rows(title: str, rows: Mapping[str, object]) -> Table:
    table = Table(title=title, show_header=False, title_style="bold", title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(_shown(name), _shown(value))
    return table


def _summary(info: StoreInfo) -> Table:
    first, last, count = info.dates
    llm = sum(not archetype.definition.get("rule") for archetype in info.archetypes)
    rules = len(info.archetypes) - llm
    rows: dict[str, object] = {
        "dates": f"{count}, {first} to {last}, {info.dates_per_unit} a block",
        "stocks": f"{len(info.stocks)}: {_shorten(', '.join(info.stocks), 200)}",
        "archetypes": f"{len(info.archetypes)}: {llm} ask a language model" + (f", {rules} are rules" if rules else ""),
        "choices": ", ".join(info.choices),
        "finished": f"{info.finished} of {info.units} units ({info.finished / info.units:.1%}), {info.journaled} of them in the journal",
        "cells": ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in info.status.items()) or "none",
        "size": f"{info.bytes / 1e6:.2f} MB in {info.files} files",
        "made": f"{info.provenance.created} by massjax {info.provenance.version}",
    }
    if info.writers:
        rows["at work now"] = "; ".join(info.writers)
    return _rows(markup_text(info.path), rows)


def _model(info: StoreInfo) -> Table:
    """The data, and the whole run key: what a score must have in common with another to stand beside it."""
    return _rows("where the scores come from", {**_flat(info.provenance.panel, "data."), **_flat(info.provenance.run_key)})


def _flat(document: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """A nested mapping as one level of dotted names and values in words."""
    rows: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            rows |= _flat(value, f"{above}{name}.")
        else:
            rows[above + str(name)] = _shorten(_word(value))
    return rows


def _word(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_word(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text[:16] + "…" if re.fullmatch(r"[0-9a-f]{32,128}", text) else text.replace("\n", "⏎")


def _archetypes(info: StoreInfo) -> Table:
    table = Table(title="archetypes", title_style="bold", title_justify="left")
    columns = ("archetype", "kind", "finished", "scored", "missing", "score 5/50/95 %", "scores 0 to 1", "coverage 5/50/95 %")
    for column in columns:
        table.add_column(column, justify="left" if column in ("archetype", "kind", "scores 0 to 1") else "right", no_wrap=True)
    for archetype in info.archetypes:
        scored = archetype.status.get("scored", 0) + archetype.status.get("rule", 0)
        table.add_row(
            _shown(archetype.name),
            "rule" if archetype.definition.get("rule") else "LLM",
            f"{archetype.finished / archetype.units:.0%}",
            f"{scored:,}",
            f"{sum(archetype.status.values()) - scored:,}",
            _spread(archetype.scores),
            _bars(archetype.tenths),
            _spread(archetype.coverage),
        )
    return table


def _spread(quantiles: tuple[float, ...]) -> str:
    return "/".join(f"{value:.3f}" for value in quantiles[::2]) if quantiles else "none"


def _bars(counts: Sequence[int]) -> str:
    """Counts as a row of bars, the largest the highest; any count above 0 is seen."""
    most = max(counts)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts) if most else ""


def _cost(info: StoreInfo, price: float | None) -> Table:
    rows = _cost_rows(info.stats)
    if price is None:
        known = [run["statistics"].get("price_per_million_tokens") for run in info.runs]
        price = next((value for value in reversed(known) if isinstance(value, int | float)), None)
    tokens = info.stats.get("prompt_tokens")
    if price is not None and tokens is not None:
        rows["price"] = f"{tokens * price / 1e6:,.2f}, at {price:,.2f} for a million prompt tokens"
    reasons = info.stats.get("reasons")
    if reasons:
        rows["cells without a score"] = ", ".join(f"{count:,} {reason}" for reason, count in by_kind(reasons).items())
    others = {name: value for name, value in info.stats.items() if name not in (*_COUNTED, "recovered", "reasons")}
    return _rows("cost", rows | _flat(others) if rows or others else {"counted": "nothing: no prompt was asked, or its writer did not say"})


_COUNTED = ("prompts", "reused", "prompt_tokens", "cached_tokens", "seconds")


def _cost_rows(stats: Mapping[str, Any]) -> dict[str, object]:
    """What is known of prompts, tokens and seconds, with the shares that follow; what was not recorded has no row."""
    prompts, reused, tokens, cached, seconds = (stats.get(name) for name in _COUNTED)
    rows: dict[str, object] = {}
    recovered = stats.get("recovered", 0)
    if prompts is not None:
        rows["prompts asked"] = f"{prompts + recovered:,}"
    if reused is not None and prompts is not None:
        share = _share(reused, reused + prompts + recovered)
        rows["scores from a prompt asked before"] = f"{reused:,} ({share} of the answered cells)"
    if tokens is not None:
        rows["prompt tokens"] = f"{tokens:,}"
    if tokens is not None and cached is not None:
        rows["from the prefix cache"] = f"{cached:,} ({_share(cached, tokens)} of the prompt tokens)"
    if seconds is not None:
        rows["seconds"] = f"{seconds:,.1f}" + (f" ({prompts / seconds:,.1f} prompts a second)" if prompts and seconds else "")
    return rows


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _runs(runs: Sequence[Mapping[str, Any]]) -> Table:
    """The latest runs: the shares that follow from what they recorded, then whatever else they did."""
    latest = runs[-_RUNS:]
    rows = [_run_row(run) for run in latest]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    title = f"runs: the last {len(latest)} of {len(runs)}" if len(runs) > len(latest) else "runs"
    table = Table(*(markup_text(column) for column in columns), title=title, title_style="bold", title_justify="left")
    for row in rows:
        table.add_row(*(_shown(row.get(name, "")) for name in columns))
    return table


def _run_row(run: Mapping[str, Any]) -> dict[str, str]:
    statistics = run["statistics"]
    prompts, reused, tokens, cached, seconds = (statistics.get(name) for name in _COUNTED)
    row = {"ended": str(run["ended"])}
    if prompts is not None:
        row["prompts"] = f"{prompts:,}"
    if prompts is not None and seconds:
        row["prompts/s"] = f"{prompts / seconds:,.1f}"
    if reused is not None and prompts is not None:
        row["not asked again"] = _share(reused, reused + prompts)
    if cached is not None and tokens is not None:
        row["prefix cache"] = _share(cached, tokens)
    costs = {"prefix_cache_share", "duplicate_share", "price_per_million_tokens"}
    shown = {*_COUNTED, *costs, "reasons", "machine", "rule_scores", "empty", "distinct"}
    return row | _flat({name: value for name, value in statistics.items() if name not in shown})


def _shorten(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def faults(found: Report | Repair) -> list[RenderableType]:
    """The faults as a table, then the notes."""
    shown: list[RenderableType] = []
    if found.problems:
        table = Table("file", "fault", "block", "dates", "archetypes", title="faults", title_style="bold", title_justify="left")
        for problem in found.problems:
            dates = "" if problem.dates is None else " to ".join(problem.dates)
            block = "" if problem.block is None else str(problem.block)
            table.add_row(_shown(problem.file), _shown(problem.fault), block, dates, _shown(_shorten(", ".join(problem.archetypes), 120)))
        shown.append(table)
    return shown + [_shown(f"note: {note}") for note in (found.notes if isinstance(found, Report) else ())]
