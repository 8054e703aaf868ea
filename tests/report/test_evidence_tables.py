"""Tables, figures and files of evidence."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from massjax.evaluate.evidence import Evidence
from massjax.report.console import print_summary
from massjax.report.drawing import strategy_color
from massjax.report.evidence_tables import gains_table, judgement_table, luck_table, power_table, signals_table, years_table
from massjax.report.figures import figures
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.run_directory import write_run
from massjax.report.series import luck_frame
from massjax.report.tables import metrics_document
from massjax.report.verdict_words import about_luck
from massjax.report.wording import number, percent, probability, signed_percent
from massjax.statistics.series import SeriesSummary
from tests.report.made_evidence import with_evidence, without_evidence


@pytest.fixture(scope="module")
def result(small_run: RunResult) -> RunResult:
    return with_evidence(small_run, seeds=True, refitted_every=20)


def evidence_of(result: RunResult, name: str) -> Evidence:
    found = result.strategy(name).evidence
    assert found is not None
    return found


def with_years(result: RunResult, **years: SeriesSummary) -> RunResult:
    """The run with other years for every strategy: `y2021=...`."""
    by_year = {int(name[1:]): summary for name, summary in years.items()}
    changed = [replace(s, evidence=replace(evidence_of(result, s.name), by_year=by_year, gain_by_year=by_year)) for s in result.strategies]
    return replace(result, strategies=tuple(changed))


def test_a_run_without_evidence_has_no_table_and_no_figure_of_it(small_run: RunResult) -> None:
    bare = without_evidence(small_run)
    assert [table(bare) for table in (luck_table, power_table, years_table, gains_table)] == [None] * 4
    assert judgement_table(bare).headings == ("RankIC", "t")
    assert set(figures(bare)) == {"rank_ic", "promised", "weights", "equity"}
    assert "Luck or skill" not in render_report(bare)
    assert luck_frame(bare).shape == (0, 3)
    assert metrics_document(bare)["strategies"]["annealing"]["evidence"] is None


def test_the_cells_are_the_figures(result: RunResult) -> None:
    luck, power = luck_table(result), power_table(result)
    assert luck is not None
    assert power is not None
    evidence = evidence_of(result, "annealing")
    assert evidence.gain is not None
    assert evidence.luck is not None
    half = (evidence.gain.newey_west.high - evidence.gain.newey_west.low) / 2
    ends = f"{percent(evidence.gain.bootstrap.low, 1)} to {percent(evidence.gain.bootstrap.high, 1)}"
    chances = [probability(p) for p in (evidence.luck.in_sample, evidence.luck.out_of_sample, evidence.luck.gain)]
    assert luck.headings == ("gain", "±", "bootstrap", "p in", "p out", "p gain")
    assert luck.rows[0] == (result.strategy("annealing"), (signed_percent(evidence.gain.mean), percent(half), ends, *chances))
    rows = {strategy.name: cells for strategy, cells in luck.rows}
    assert rows["uniform"][:4] == ("", "", "", "–")
    assert rows["uniform"][5] == "–"
    assert power.rows[0][1][:2] == (str(evidence.gain.dates), number(evidence.gain.independent_dates, 0))
    seeds = f"{percent(evidence.seeds[0], 1)} to {percent(evidence.seeds[1], 1)}"
    assert power.rows[0][1][3:] == (number(evidence.effective_archetypes, 1), seeds)
    assert "The 4 archetypes are worth 2.7 independent ones, by the correlation of their scores." in power.notes


def test_the_terminal_s_table_holds_the_figures_that_decide(result: RunResult) -> None:
    table, luck = judgement_table(result), luck_table(result)
    assert luck is not None
    assert table.headings == ("RankIC", "t", "gain", "±", "p in", "p out", "p gain")
    detail = {strategy.name: cells for strategy, cells in luck.rows}
    for strategy, cells in table.rows:
        own, whole = strategy.metrics[5].rank_ic, detail[strategy.name]
        assert cells == (percent(own.mean), number(own.t_statistic, 1), *whole[:2], *whole[3:])
    adjusted = with_evidence(result, correction="Romano-Wolf")
    evidence = evidence_of(adjusted, "annealing")
    assert evidence.luck is not None
    assert judgement_table(adjusted).headings[-1] == "adj."
    assert judgement_table(adjusted).rows[0][1][-1] == probability(evidence.luck.adjusted)


def test_null_repetitions_refits_and_reasons_are_told_once(result: RunResult) -> None:
    told = about_luck(result)
    assert told == (
        "p: share of 40 circular time shifts of the returns against the scores that do as well, the whole procedure repeated in each.",
        "Annealing re-fitted every 20 dates in them, and in the figure they are compared with.",
    )
    evidence = evidence_of(result, "best_single")
    assert evidence.luck is not None
    luck = replace(evidence.luck, null="stock permutations", repetitions=200)
    best = replace(result.strategy("best_single"), evidence=replace(evidence, luck=luck, reason="the history is short"))
    mixed = about_luck(replace(result, strategies=(*result.strategies[:-1], best)))
    assert mixed[0].startswith("p of Annealing and Uniform weights: share of 40 circular time shifts")
    assert mixed[1].startswith("p of Best single archetype: share of 200 permutations of the stocks")
    assert mixed[-1] == "Best single archetype: the history is short."
    written = io.StringIO()
    print_summary(result, Console(file=written, width=80))
    assert " ".join(written.getvalue().split()).count("circular time shifts") == 1


def test_years_are_columns_and_years_of_few_dates_are_marked(result: RunResult) -> None:
    full, few = SeriesSummary(0.05, 0.1, 0.5, 250, 0.02, 2.5), SeriesSummary(-0.07, 0.1, 0.5, 30, 0.02, -3.5)
    none = SeriesSummary(np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    longer = with_years(result, y2020=none, y2021=full, y2022=few)
    years, gains = years_table(longer), gains_table(longer)
    assert years is not None
    assert gains is not None
    assert years.headings == gains.headings == ("2021", "2022")
    assert {cells for _, cells in years.rows} == {("5.0", "−7.0*")}
    assert {cells for _, cells in gains.rows} == {("+5.0", "−7.0*")}
    assert [strategy.name for strategy, _ in years.rows] == ["annealing", "uniform", "best_single"]
    assert [strategy.name for strategy, _ in gains.rows] == ["annealing", "best_single"]
    assert years.notes == ("* fewer than 60 dates: too few to tell.",)
    points = figures(longer)["by_year"].data[0]
    assert list(points.y) == [5.0, -7.000000000000001]
    assert list(points.error_y.array) == [4.0, 0.0], "no error bar where there are too few dates for one"


def test_many_years_and_searches_fit_the_terminal(result: RunResult) -> None:
    summary = SeriesSummary(-0.123, 0.1, 0.5, 250, 0.02, 2.5)
    long = with_years(result, **{f"y{year}": summary for year in range(2001, 2021)})
    for shown in (long, with_evidence(result, seeds=True, correction="Romano-Wolf")):
        written = io.StringIO()
        print_summary(shown, Console(file=written, width=80))
        text = written.getvalue()
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 80
    written = io.StringIO()
    print_summary(long, Console(file=written, width=80))
    assert "RankIC by year, 5-day return, % (the last 8 years)" in written.getvalue()
    assert "2013" in written.getvalue()
    assert "2012" not in written.getvalue().partition("RankIC by year")[2].partition("Promised")[0]
    assert "<th>2001</th>" in render_report(long)


def test_all_three_signals_are_tabled_for_every_strategy(result: RunResult) -> None:
    table = signals_table(result)
    assert [strategy.name for strategy, _ in table.rows] == [strategy.name for strategy in result.strategies]
    for strategy, cells in table.rows:
        means = dict(zip(table.headings[::2], cells[::2], strict=True))
        for name, summary in strategy.rank_ic_by_signal.items():
            assert means[name] == percent(summary.mean) + ("*" if name == strategy.ranked_by else "")


def test_figures_of_evidence_hold_its_numbers(result: RunResult) -> None:
    drawn, evidence = figures(result), evidence_of(result, "annealing")
    assert set(drawn) == {"rank_ic", "promised", "weights", "equity", "by_year", "luck", "gain"}
    assert evidence.luck is not None
    assert evidence.gain is not None
    bars, mark = drawn["luck"].data[:2]
    np.testing.assert_array_equal(bars.x, 100 * evidence.luck.null_rank_ic)
    assert set(mark.x) == {100 * result.strategy("annealing").metrics[5].rank_ic.mean}
    assert bars.xbins.start <= min(bars.x)
    assert max(bars.x) < bars.xbins.end
    band, line = drawn["gain"].data
    dates = evidence.gain.dates
    assert line.y[-1] == pytest.approx(100 * evidence.gain.mean * dates)
    half = 50 * dates * (evidence.gain.newey_west.high - evidence.gain.newey_west.low)
    assert (band.y[dates - 1], band.y[dates]) == pytest.approx((line.y[-1] + half, line.y[-1] - half))
    weekly = [round((band.y[k] - line.y[k]) / np.sqrt(k + 1), 9) for k in range(0, dates, 7)]
    assert len(set(weekly)) == 1, "the interval of a sum grows with the root of its dates"


def test_controls_of_any_name_have_a_colour(result: RunResult) -> None:
    more = [replace(result.strategy("uniform"), name=name, label=name) for name in ("equal_risk", "permuted")]
    longer = replace(result, strategies=(*result.strategies, *more))
    assert len({strategy_color(longer, strategy) for strategy in longer.strategies}) == len(longer.strategies)


def test_the_files_hold_the_evidence(result: RunResult, tmp_path: Path) -> None:
    write_run(result, tmp_path)
    kept = json.loads((tmp_path / "metrics.json").read_text())
    found, evidence = kept["strategies"]["annealing"]["evidence"], evidence_of(result, "annealing")
    assert evidence.gain is not None
    assert evidence.luck is not None
    assert found["gain"]["bootstrap"] == {"low": evidence.gain.bootstrap.low, "high": evidence.gain.bootstrap.high, "level": 0.95}
    assert (found["luck"]["repetitions"], found["luck"]["refitted_every"]) == (40, 20)
    assert "null_rank_ic" not in found["luck"]
    assert found["by_year"]["2022"]["mean"] == evidence.by_year[2022].mean
    assert found["seeds"] == list(evidence.seeds)
    assert kept["effective_opinions"] == 2.7
    assert kept["strategies"]["uniform"]["evidence"]["gain"] is None
    drawn = pl.read_parquet(tmp_path / "luck.parquet")
    assert drawn.columns == ["method", "repetition", "rank_ic"]
    np.testing.assert_array_equal(drawn.filter(pl.col("method") == "annealing")["rank_ic"], evidence.luck.null_rank_ic)
    assert drawn["repetition"].to_list() == [*range(1, 41)] * 3
