"""What a run with few dates, without a search, or with fake scores says of itself."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from massjax.config import load_config
from massjax.report.console import print_summary
from massjax.report.figures import archetype_bands, figures
from massjax.report.html import render_report, run_facts
from massjax.report.run import RunResult
from massjax.report.run_directory import write_run
from massjax.report.tables import metrics_document
from massjax.report.telling import annualised, shown_summary, too_few
from massjax.report.wording import FAKE, findings, headline
from massjax.statistics.series import SeriesSummary, standard_error, summarize
from massjax.timing import telling_dates


def printed(result: RunResult) -> str:
    written = io.StringIO()
    print_summary(result, Console(file=written, width=80))
    return written.getvalue()


def page(result: RunResult) -> str:
    """The text of the report, without its style, its scripts and its configuration."""
    html = re.sub(r"<(script|style|pre)\b.*?</\1>", "", render_report(result), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("horizon", [1, 5, 10])
def test_no_skill_is_rarely_called_skill_from_the_bound_on(horizon: int) -> None:
    """Of 1000 series of overlapping noise as long as the bound, at most 13 % have |t| >= 2; of half that length, more."""
    random = np.random.default_rng(0)

    def share(dates: int) -> float:
        noise = random.standard_normal((1000, dates + horizon - 1))
        series = np.array([np.convolve(row, np.ones(horizon), "valid") for row in noise])
        return float(np.mean([abs(row.mean()) >= 2 * standard_error(row, horizon) for row in series]))

    assert telling_dates(horizon) >= 30
    assert share(telling_dates(horizon)) <= 0.13
    assert horizon == 1 or share(telling_dates(horizon) // 2) > share(telling_dates(horizon))


def test_a_summary_of_few_dates_has_no_t() -> None:
    random = np.random.default_rng(0).standard_normal(60)
    enough, few = summarize(random, 5), summarize(random[:59], 5)
    assert shown_summary(enough, 5) == enough
    assert np.isnan([shown_summary(few, 5).t_statistic, shown_summary(few, 5).standard_error]).all()
    assert (shown_summary(few, 5).mean, shown_summary(few, 5).dates) == (few.mean, 59)


def test_too_few_dates_to_tell_are_said_and_nothing_is_concluded(few_run: RunResult) -> None:
    dates = few_run.strategy("uniform").metrics[5].rank_ic.dates
    assert too_few(few_run)
    assert headline(few_run) == f"Too few dates to tell: {dates} with a known 5-day return, of at least 60 that it takes."
    certain = SeriesSummary(0.2, 9.0, 1.0, 8, 0.001, 200.0)
    search = few_run.strategies[0]
    sure = {h: replace(m, rank_ic=certain, over_uniform=certain, over_best_single=certain) for h, m in search.metrics.items()}
    for result in (few_run, replace(few_run, strategies=(replace(search, metrics=sure), *few_run.strategies[1:]))):
        for text in (printed(result), page(result), *findings(result)):
            assert re.search("(too few|not enough) dates to tell", " ".join(text.split()).lower())
            assert not re.search("beyond chance|within chance|told apart|distinguishable", text)
        assert "200.0" not in printed(result)
        html = render_report(result)
        assert not re.search(r"<td><b>200", html)


def test_nothing_is_annualised_on_few_dates(few_run: RunResult, small_run: RunResult) -> None:
    assert annualised(small_run)
    assert not annualised(few_run)
    portfolio = few_run.strategies[0].portfolio
    assert portfolio is not None
    for text in (printed(few_run), page(few_run)):
        assert not re.search(r"CAGR|Sharpe(?! ratios)|volatility %|vol\.|turnover %", text.partition("How to read this")[0])
        assert "total return" in text
        assert f"{100 * portfolio.performance.total_return:.1f}".replace("-", "−") in text
    kept = metrics_document(few_run)
    assert kept["evaluated"]["too_few_to_tell"] is kept["evaluated"]["too_few_for_figures_a_year"] is True
    assert kept["benchmark"]["cagr"] is not None, "files keep what was measured"


def test_enough_dates_in_less_than_a_quarter_of_a_year_are_not_annualised(small_run: RunResult) -> None:
    """At 365 rows a year the 81 days of the portfolio are less than a quarter."""
    assert not annualised(replace(small_run, panel=replace(small_run.panel, periods_per_year=365.0)))


def test_the_controls_alone_make_a_run(controls_alone: RunResult) -> None:
    assert headline(controls_alone).startswith("No search was run. Uniform weights: RankIC ")
    assert [sentence.partition(":")[0] for sentence in findings(controls_alone)] == [s.label for s in controls_alone.strategies]
    assert set(figures(controls_alone)) == {"rank_ic", "promised", "weights", "equity", "by_year", "luck"}
    assert dict(run_facts(controls_alone))["Search"] == "none, the controls alone"
    for text in (printed(controls_alone), page(controls_alone)):
        for words in ("fitted", "The search", "the searches"):
            assert words not in text.replace("nothing; judged by", "").partition("How to read this")[0]


def test_a_run_of_the_controls_alone_is_written_and_read_back(controls_alone: RunResult, tmp_path: Path) -> None:
    write_run(controls_alone, tmp_path)
    assert load_config(tmp_path / "config.yaml") == controls_alone.config
    assert set(pl.read_parquet(tmp_path / "weights.parquet")["method"]) == {"uniform", "best_single", "equal_risk"}


def faked(result: RunResult) -> RunResult:
    """The run as if its archetypes had been asked of the fake engine under the name of a model."""
    facts = tuple(replace(f, archetype=f.archetype.model_copy(update={"rule": None, "modalities": ("price",)})) for f in result.archetypes)
    store = {"path": "/tmp/fake\x1b[31m\u202e.zarr", "panel": {"model": "Qwen2.5-72B"}, "engine.engine": "fake", "engine.model": "noise"}
    return replace(result, archetypes=facts, store=store)


def test_fake_scores_are_called_that_first_and_never_by_a_models_name(small_run: RunResult) -> None:
    result = faked(small_run)
    assert result.fake
    assert not small_run.fake
    assert " ".join(printed(result).split()).startswith(FAKE)
    html, text = render_report(result), page(result)
    assert FAKE in text
    assert text.index(FAKE) < text.index("Which mix of")
    assert "FAKE SCORES" in html.partition("</title>")[0]
    assert "Qwen" not in html
    assert dict(run_facts(result))["Language model"] == "none: the fake engine answered with noise"
    assert all(label.endswith("· fake") for label, _, _ in archetype_bands(result, result.searches))
    assert metrics_document(result)["fake_scores"] is True


def test_foreign_words_cannot_steer_a_terminal_or_turn_a_line(small_run: RunResult) -> None:
    hostile = "stock 'A\x1b]0;title\x07\x9b2J\u202eB' in /tmp/x"
    shown = r"stock 'A\x1b]0;title\x07\x9b2J\u202eB' in /tmp/x"
    search = replace(small_run.strategy("annealing"), label="an\x1b[2Jnealing[bold]")
    result = replace(faked(small_run), warnings=(hostile,), strategies=(search, *small_run.strategies[1:]))
    console = " ".join(printed(result).split())
    html = render_report(result)
    assert shown in console
    assert shown.replace("'", "&#39;") in html
    assert r"an\x1b[2Jnealing[bold]" in console
    for text in (console, html.partition("<script>")[0]):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_a_path_at_the_head_of_a_warning_keeps_its_letters(small_run: RunResult) -> None:
    result = replace(small_run, warnings=("/tmp/prices.csv: has a gap",))
    html = render_report(result)
    assert "Warning: /tmp/prices.csv: has a gap." in page(result)
    assert "text-transform" not in html.partition("</style>")[0]


def test_what_weights_are_fitted_to_is_told_beside_what_ranks_the_stocks(few_run: RunResult) -> None:
    apart = few_run.config.evaluate.replace(fit_signal="disagreement", signal="combined", alpha=0.25)
    told = replace(few_run, config=few_run.config.model_copy(update={"evaluate": apart}))
    words = dict(run_facts(told))["Fitted to"]
    assert words.startswith("mean RankIC of the disagreement signal with the ")
    assert words.endswith("; stocks are ranked, and all is judged, by the combined signal")
    assert "RankIC of the combined signal, which ranks the stocks" in render_report(told)
    assert "is the highest of all that were tried" in render_report(few_run)
