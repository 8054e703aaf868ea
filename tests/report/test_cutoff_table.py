"""RankIC before and after the cut-off of the models that a run asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from massjax.report.cutoff_table import about_cutoff, cutoff_document, cutoff_table, split_at_cutoff
from massjax.report.html import render_report
from massjax.report.run import RunResult
from massjax.report.tables import metrics_document


@pytest.fixture
def asked(small_run: RunResult) -> RunResult:
    """The small run as if a model had been asked whose knowledge ends on the middle one of the evaluated dates."""
    days = small_run.panel.dates[small_run.evaluated]
    return replace(small_run, memory=("not measured",), cutoff=days[days.size // 2].item())


def test_each_side_is_the_mean_of_its_dates_the_cut_off_among_the_first(asked: RunResult) -> None:
    up_to = asked.panel.dates <= np.datetime64(str(asked.cutoff))
    for one in split_at_cutoff(asked):
        daily = one.strategy.rank_ic[asked.horizon]
        before, after = daily[up_to], daily[~up_to]
        assert one.before is not None
        assert one.after is not None
        assert (one.before.mean, one.before.dates) == (pytest.approx(np.nanmean(before)), np.isfinite(before).sum())
        assert (one.after.mean, one.after.dates) == (pytest.approx(np.nanmean(after)), np.isfinite(after).sum())
        assert one.difference.value == pytest.approx(np.nanmean(before) - np.nanmean(after))
        assert one.difference.low < one.difference.value < one.difference.high


def test_the_table_stands_in_the_report_and_in_the_metrics(asked: RunResult) -> None:
    table, document = cutoff_table(asked), metrics_document(asked)["before_and_after_cutoff"]
    assert table is not None
    assert table.headings[0] == f"to {asked.cutoff}"
    assert table.title in render_report(asked)
    assert list(document["strategies"]) == [strategy.name for strategy in asked.strategies]
    for (strategy, cells), one in zip(table.rows, split_at_cutoff(asked), strict=True):
        assert document["strategies"][strategy.name]["difference"]["value"] == pytest.approx(one.difference.value)
        assert float(cells[6].replace("−", "-")) == pytest.approx(100 * one.difference.value, abs=0.006)


@pytest.mark.parametrize(("days", "said"), [(1, "lies after the cut-off"), (-400, "lies up to the cut-off")])
def test_a_side_without_a_date_is_said(asked: RunResult, days: int, said: str) -> None:
    last = asked.panel.dates[asked.evaluated][-1].item()
    found = replace(asked, cutoff=last + timedelta(days=days))
    assert cutoff_table(found) is None
    assert said in about_cutoff(found)
    assert about_cutoff(found) in render_report(found)
    assert cutoff_document(found) is not None


def test_without_a_cut_off_that_is_said_and_without_a_model_nothing(asked: RunResult) -> None:
    unknown = replace(asked, cutoff=None)
    assert "knowledge_cutoff" in about_cutoff(unknown)
    assert cutoff_document(unknown) is None
    assert about_cutoff(replace(unknown, memory=())) == ""
