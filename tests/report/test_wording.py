from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from massjax.evaluate.result import Portfolio, Strategy
from massjax.report.console import print_summary
from massjax.report.figures import equity_figure
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.wording import findings, headline, marks, number, percent, return_name, signed_percent
from massjax.statistics.series import SeriesSummary
from tests.report.made_evidence import without_evidence


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


@settings(max_examples=200)
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
    drawn = equity_figure(large)
    axis, line = drawn.layout.yaxis, next(trace for trace in drawn.data if trace.name)
    assert (axis.tickformat, line.hovertemplate) == (".1e", "%{y:.1e}")
    assert equity_figure(small_run).layout.yaxis.tickformat == ".2f"


def with_series(result: RunResult, **summaries: SeriesSummary) -> RunResult:
    """The run, without p-values, with other summaries of its search, at every horizon."""
    result = without_evidence(result)
    search = result.strategy("annealing")
    metrics = {h: replace(m, **summaries) for h, m in search.metrics.items()}
    return replace(result, strategies=(replace(search, metrics=metrics), *result.strategies[1:]))


def with_t(result: RunResult, own: float, over_uniform: float) -> RunResult:
    """The run with other t-statistics for its search."""

    def summary(t: float) -> SeriesSummary:
        return SeriesSummary(0.01 * t, 0.1, 0.5, 100, 0.01, t)

    return with_series(result, rank_ic=summary(own), over_uniform=summary(over_uniform))


@pytest.mark.parametrize(
    ("own", "over_uniform", "head", "words"),
    [
        (0.5, 0.4, "The search cannot be told apart from uniform weights.", ("not distinguishable from zero", "within chance")),
        (3.0, 1.99, "The search cannot be told apart from uniform weights.", ("above zero beyond chance", "within chance")),
        (3.0, 2.5, "Annealing beat uniform weights beyond chance.", ("above zero beyond chance", "better beyond chance")),
        (-3.0, -2.5, "Annealing did worse than uniform weights beyond chance.", ("below zero beyond chance", "worse beyond chance")),
    ],
)
def test_the_verdict_claims_no_more_than_the_t_statistics(
    small_run: RunResult, own: float, over_uniform: float, head: str, words: tuple[str, str]
) -> None:
    result = with_t(small_run, own, over_uniform)
    assert headline(result) == head
    (sentence,) = findings(result)
    assert all(word in sentence for word in words)


def test_few_shared_dates_are_told_though_each_has_many_of_its_own(small_run: RunResult) -> None:
    """A factor and its mirror: equal weights cancel and have no RankIC, the search has one on every date."""
    nothing = SeriesSummary(np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    result = with_series(small_run, over_uniform=nothing)
    assert headline(result) == "Annealing had too few dates in common with uniform weights to tell: 0."
    assert "Against uniform weights no date in common; against the best single" in findings(result)[0]
    some = with_series(small_run, over_uniform=SeriesSummary(0.1, 1.0, 1.0, 9, 0.01, 10.0))
    assert headline(some) == "Annealing had too few dates in common with uniform weights to tell: 9."
    assert "+10.00 points on 9 shared dates (too few dates to tell)" in findings(some)[0]


def test_equals_are_called_equal_and_not_uncertain(small_run: RunResult) -> None:
    same, sure = SeriesSummary(0.0, np.nan, 0.0, 80, 0.0, np.nan), SeriesSummary(1.0, np.nan, 1.0, 80, 0.0, np.nan)
    result = with_series(small_run, rank_ic=sure, over_uniform=same)
    assert headline(result) == "Annealing ranked no better and no worse than uniform weights on any date."
    (sentence,) = findings(result)
    assert "100.00\N{NO-BREAK SPACE}% out of sample (no t), the same on every date" in sentence
    assert "uniform weights 0.00 points (the same on every date)" in sentence


def test_several_searches_are_listed_by_what_they_did(small_run: RunResult) -> None:
    def beside(t: float, name: str, dates: int = 80) -> Strategy:
        search = small_run.strategy("annealing")
        over = SeriesSummary(0.01 * t, 0.1, 0.5, dates, 0.01, t)
        return replace(search, label=name, metrics={h: replace(m, over_uniform=over) for h, m in search.metrics.items()})

    def said(*searches: Strategy) -> str:
        return headline(replace(small_run, strategies=(*searches, *small_run.strategies[1:])))

    assert said(beside(0.1, "A"), beside(-0.1, "B")) == "No search can be told apart from uniform weights."
    assert said(beside(3, "A"), beside(2, "B"), beside(-4, "C"), beside(0, "D")) == (
        "A and B beat uniform weights beyond chance; C did worse than uniform weights beyond chance."
    )
    assert said(beside(0.1, "A"), beside(9, "B", dates=7)) == (
        "A cannot be told apart from uniform weights; B had too few dates in common with uniform weights to tell: 7."
    )


def test_rows_that_are_no_days_are_not_called_days(small_run: RunResult) -> None:
    """At 52 rows a year every word for a row is a week: on the terminal, in the tables and in the text of the page."""
    weekly = replace(small_run, panel=replace(small_run.panel, periods_per_year=52.0))
    assert return_name(weekly, 5) == "5-week return"
    page = re.sub(r"<(script|style|pre)\b.*?</\1>", "", render_report(weekly), flags=re.DOTALL)
    for words in ("1-week return", "each every 5 weeks", "1 week before", "a year has 52 weeks"):
        assert words in page, words
    printed = io.StringIO()
    print_summary(weekly, Console(file=printed, width=100))
    for text in (re.sub(r"<[^>]+>", " ", page), printed.getvalue()):
        assert "tranche" in text
        assert not re.search(r"\bdays?\b|-day\b|252", text)


def test_a_portfolio_of_one_tranche_is_called_so(small_run: RunResult) -> None:
    backtest = small_run.config.evaluate.backtest.replace(tranches="single")
    config = small_run.config.replace(evaluate=small_run.config.evaluate.replace(backtest=backtest))
    single, printed = replace(small_run, config=config), io.StringIO()
    print_summary(single, Console(file=printed, width=100))
    assert "Sharpe if begun 1 to 4 trading days later: low, high" in re.sub(r"\s+", " ", printed.getvalue())
    page = re.sub(r"<(script|style|pre)\b.*?</\1>", "", render_report(single), flags=re.DOTALL)
    assert "one to 4 trading days later" in page
    assert "tranche" not in printed.getvalue() + page


def test_the_horizons_have_their_own_numbers_of_dates(small_run: RunResult) -> None:
    cut = with_series(small_run, rank_ic=SeriesSummary(0.1, 0.1, 0.5, 70, 0.01, 1.0))
    for result, differ in ((small_run, False), (cut, True)):
        printed = io.StringIO()
        print_summary(result, Console(file=printed, width=100))
        text, page = printed.getvalue(), render_report(result)
        for horizon, metrics in result.strategy("uniform").metrics.items():
            dates = metrics.rank_ic.dates
            shown = f"70 to {dates} dates" if differ else f"{dates} dates"
            assert f"{horizon}-day return<small>{shown}" in page
            assert horizon != 5 or f"5-day return, fitted, {shown} out of sample" in text
        assert ("on those that both have" in page) is differ
    table = text.partition("dates out of sample")[2]
    own = [line.split()[-1] for line in table.splitlines() if line.startswith(("Annealing ", "Uniform weights "))][:2]
    assert own == ["70", str(small_run.strategy("uniform").metrics[5].rank_ic.dates)]


def test_the_terminal_shows_the_spread_over_starting_days(small_run: RunResult) -> None:
    printed = io.StringIO()
    print_summary(small_run, Console(file=printed, width=80))
    table = printed.getvalue().partition("Long-only")[2]
    portfolio = small_run.strategy("annealing").portfolio
    assert portfolio is not None
    row = next(line for line in table.splitlines() if line.startswith("Annealing"))
    assert row.split()[3:6] == [number(value) for value in (portfolio.performance.sharpe, *portfolio.band.sharpe)]
    assert portfolio.band.sharpe == (portfolio.band.sharpes.min(), portfolio.band.sharpes.max())
    assert len(portfolio.band.sharpes) == small_run.config.evaluate.backtest.every
    assert f'<td class="unsure">{number(portfolio.band.sharpe.low)}</td>' in render_report(small_run)


def test_the_summary_fits_a_terminal_and_names_the_controls(small_run: RunResult, leaking_run: RunResult) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    print_summary(small_run, console)
    text = console.export_text()
    for words in ("Annealing", "Uniform weights", "Best single archetype", "All members alike", "5-day return, fitted", "in sample"):
        assert words in text
    assert "…" not in text
    assert "Leakage" not in text
    print_summary(leaking_run, console)
    assert "Leakage ablation: the search could see returns" in console.export_text()


def test_what_a_leakage_ablation_allowed_is_named(leaking_run: RunResult) -> None:
    def words(lag: int, **changes: int) -> str:
        config = leaking_run.config
        changed = {"market": config.market.replace(execution_lag=lag), "evaluate": config.evaluate.replace(**changes)}
        return marks(replace(leaking_run, config=config.model_copy(update=changed)))[0]

    gap, delay = (
        "the search could see returns",
        "at the very close that makes the returns behind them known (delay 0, the leakage ablation of MASS)",
    )
    assert words(1, gap=0).startswith(f"Leakage ablation: {gap}")
    assert delay not in words(1, gap=0, delay=0)
    assert gap not in words(0, gap=4, delay=0)
    assert words(0, gap=4, delay=0).endswith(f"weights were applied {delay}. Nothing here is a result.")
    assert gap in words(0, gap=0, delay=0)
    assert delay in words(0, gap=0, delay=0)
