from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from massjax.evaluate.metrics import SeriesSummary
from massjax.evaluate.result import Portfolio, RunResult
from massjax.report.console import print_summary
from massjax.report.figures import equity_figure
from massjax.report.html import render_report
from massjax.report.wording import headline, number, percent, signed_percent, verdict


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (percent(0.0907), "9.07"),
        (percent(-0.0001), "−0.01"),
        (percent(-0.00001), "0.00"),
        (percent(np.nan), "–"),
        (signed_percent(0.012, 1), "+1.2"),
        (signed_percent(-0.00001), "0.00"),
        (number(-1.5, 1), "−1.5"),
        (number(np.inf), "–"),
        (percent(0.99), "99.00"),
        (percent(52.3, 1), "5230.0"),
        (percent(999.994), "99999.40"),
        (percent(1e3), "1.0e5"),
        (percent(1.234e62, 1), "1.2e64"),
        (signed_percent(1.234e62, 1), "+1.2e64"),
        (signed_percent(-1.234e150, 1), "−1.2e152"),
        (percent(1e307), "–"),
    ],
)
def test_numbers_are_printed_for_people(found: str, expected: str) -> None:
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(st.floats(), st.integers(0, 2))
def test_no_number_outgrows_its_column(value: float, digits: int) -> None:
    assert len(percent(value, digits)) <= 9
    assert len(signed_percent(value, digits)) <= 9


@pytest.mark.filterwarnings("error")
def test_a_gain_beyond_measure_leaves_the_table_as_wide_as_it_was(small_run: RunResult) -> None:
    def printed(result: RunResult) -> str:
        console = Console(file=io.StringIO(), width=80)
        print_summary(result, console)
        return console.file.getvalue()  # type: ignore[attr-defined]

    def boundless(portfolio: Portfolio | None) -> Portfolio | None:
        if portfolio is None:
            return None
        figures = replace(portfolio.performance, cagr=3.4e120, volatility=7.7e5, active_return=-3.4e120)
        equity = np.where(np.isfinite(portfolio.backtest.equity), 1e120, np.nan)
        return replace(portfolio, performance=figures, backtest=replace(portfolio.backtest, equity=equity))

    strategies = tuple(replace(s, portfolio=boundless(s.portfolio)) for s in small_run.strategies)
    large = replace(small_run, strategies=strategies, benchmark=boundless(small_run.benchmark))
    text = printed(large)
    assert "3.4e122" in text
    assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, re.findall(r"\d+", re.sub(r"<script.*?</script>", "", render_report(large), flags=re.DOTALL)))) < 12
    axis, line = equity_figure(large).layout.yaxis, equity_figure(large).data[0]
    assert (axis.tickformat, line.hovertemplate) == (".1e", "%{y:.1e}")
    assert equity_figure(small_run).layout.yaxis.tickformat == ".2f"


def with_t(result: RunResult, own: float, over_uniform: float) -> RunResult:
    """The run with other t-statistics for its search."""

    def summary(t: float) -> SeriesSummary:
        return SeriesSummary(0.01 * t, 0.1, 0.5, 100, 0.01, t)

    search = result.strategy("annealing")
    metrics = {h: replace(m, rank_ic=summary(own), over_uniform=summary(over_uniform)) for h, m in search.metrics.items()}
    return replace(result, strategies=(replace(search, metrics=metrics), *result.strategies[1:]))


@pytest.mark.parametrize(
    ("own", "over_uniform", "head", "words"),
    [
        (0.5, 0.4, "The search cannot be told apart from uniform weights.", ("not distinguishable from zero", "within chance")),
        (3.0, 1.99, "The search cannot be told apart from uniform weights.", ("above zero beyond chance", "within chance")),
        (3.0, 2.5, "Annealing beat uniform weights beyond chance.", ("above zero beyond chance", "better beyond chance")),
        (-3.0, -2.5, "Annealing did worse than uniform weights beyond chance.", ("below zero beyond chance", "worse beyond chance")),
        (np.nan, np.nan, "The search cannot be told apart from uniform weights.", ("too few dates", "no standard error")),
    ],
)
def test_the_verdict_claims_no_more_than_the_t_statistics(
    small_run: RunResult, own: float, over_uniform: float, head: str, words: tuple[str, str]
) -> None:
    result = with_t(small_run, own, over_uniform)
    assert headline(result) == head
    (sentence,) = verdict(result)
    assert all(word in sentence for word in words)


def test_the_summary_fits_a_terminal_and_names_the_controls(small_run: RunResult, leaking_run: RunResult) -> None:
    console = Console(width=88, record=True, file=io.StringIO())
    print_summary(small_run, console)
    text = console.export_text()
    for words in ("Annealing", "Uniform weights", "Best single archetype", "All members alike", "5-day return, fitted", "in sample"):
        assert words in text
    assert "…" not in text
    assert "Leakage" not in text
    print_summary(leaking_run, console)
    assert "Leakage ablation: the search could see returns" in console.export_text()
