"""The verdict and the latest ranking as they are told, on the terminal, on the page and in the files."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from massjax.evaluate.evidence import Gain, Verdict
from massjax.evaluate.verdict import verdict
from massjax.report.console import print_summary
from massjax.report.html import render_report
from massjax.report.latest import advised, latest, latest_weights, spoken_of, weights_in_words
from massjax.report.run import RunResult
from massjax.report.tables import metrics_document
from massjax.report.verdict_words import about_luck, further_dates, opening, verdict_words, wait
from massjax.report.wording import FAKE, findings, headline, probability
from tests.report.made_evidence import interval, with_evidence, without_evidence
from tests.report.test_telling import faked


def printed(result: RunResult) -> str:
    written = io.StringIO()
    print_summary(result, Console(file=written, width=80))
    return written.getvalue()


def one_line(text: str) -> str:
    return " ".join(text.split())


def page(result: RunResult) -> str:
    return one_line(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style|pre)\b.*?</\1>", "", render_report(result), flags=re.DOTALL)))


def with_gain(result: RunResult, **changes: Any) -> RunResult:
    """The run with other figures of its search: `gain`, `half` (of both intervals), `p`, `dates`, `more_years`; the verdict follows."""
    result = with_evidence(result)
    search = result.strategy("annealing")
    evidence = search.evidence
    assert evidence is not None
    assert evidence.luck is not None
    gain, half, p = changes.get("gain", 0.03), changes.get("half", 0.012), changes.get("p", 0.012)
    both = interval(gain - half, gain + half)
    found = Gain(gain, both, both, changes.get("dates", 80), 16.0, changes.get("more_years", 0.0))
    luck = None if changes.get("unknown") else replace(evidence.luck, gain=p, adjusted=p, correction=changes.get("correction", ""))
    told = replace(evidence, gain=found, luck=luck, effective_archetypes=2.34, reason=changes.get("reason", ""))
    strategies = (replace(search, evidence=told), *result.strategies[1:])
    return replace(result, strategies=strategies, verdict=verdict(strategies, result.horizon))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "Use this mix (Annealing): it gained +3.00 ± 1.20 points of RankIC over uniform weights out of sample; chance of luck 0.012; "
            "effective archetypes 2.3 of 4.",
        ),
        (
            {"gain": -0.01, "p": 0.61, "more_years": math.inf},
            "Use uniform weights: Annealing gained −1.00 ± 1.20 points of RankIC over them out of sample; chance of luck 0.61. A gain of 1 "
            "point or more is excluded.",
        ),
        (
            {"gain": 0.005, "p": 0.4, "more_years": 41.2},
            "Use uniform weights: Annealing gained +0.50 ± 1.20 points of RankIC over them out of sample; chance of luck 0.40. It would "
            "take about 42 more years to tell a gain of that size from luck.",
        ),
        (
            {"p": 0.08, "more_years": 2.1},
            "Not enough dates to tell: about 3 more years would. Annealing gained +3.00 ± 1.20 points of RankIC over uniform weights out "
            "of sample; chance of luck 0.080. Use uniform weights until then.",
        ),
        (
            {"p": 0.06},
            "Not enough dates to tell: Annealing gained +3.00 ± 1.20 points of RankIC over uniform weights out of sample; chance of luck "
            "0.060. Use uniform weights until then.",
        ),
        (
            {"dates": 41},
            "Not enough dates to tell: 41 with a known 5-day return, of at least 60 that it takes. Use uniform weights until then.",
        ),
        (
            {"unknown": True, "reason": "less history than two look-backs", "more_years": math.inf},
            "Not enough dates to tell: Annealing gained +3.00 ± 1.20 points of RankIC over uniform weights out of sample; chance of luck "
            "not known (less history than two look-backs). Use uniform weights until then.",
        ),
    ],
)
def test_the_verdict_in_words(small_run: RunResult, changes: dict[str, Any], words: str) -> None:
    result = with_gain(small_run, **changes)
    assert one_line(opening(result)) == words
    assert one_line(printed(result)).startswith(words), "first thing on the terminal"
    shown = page(result)
    assert words in shown
    assert shown.index(words) < shown.index("What was run")
    document = metrics_document(result)
    assert document["verdict"]["words"] == words
    assert document["verdict"]["kind"] == {"Use this": "mix", "Use unif": "uniform", "Not enou": "too_few"}[words[:8]]
    json.dumps(document, allow_nan=False)


def test_several_searches_are_allowed_for_and_that_is_said(small_run: RunResult) -> None:
    result = with_gain(small_run, correction="Romano-Wolf")
    second = replace(result.strategies[0], name="gradient", label="Gradient")
    both = replace(result, strategies=(result.strategies[0], second, *result.strategies[1:]))
    assert "chance of luck allowing for 2 searches 0.012;" in one_line(opening(both))
    assert "adj.: p gain adjusted for 2 searches, by Romano-Wolf." in about_luck(both)
    assert "p gain adj." in one_line(printed(both))


def test_the_verdict_names_the_state_of_the_models_memory(small_run: RunResult) -> None:
    result = replace(with_gain(small_run), memory=("not measured (a command does)",), memory_picture=b"<svg/>")
    words = "The model's memory of these dates: not measured (a command does)."
    assert one_line(opening(result)).endswith(words)
    assert words in one_line(printed(result))
    assert "What the model remembers" in page(result)
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in render_report(result)
    assert "What the model remembers" not in page(with_gain(small_run))


def test_no_search_and_no_verdict(small_run: RunResult, controls_alone: RunResult) -> None:
    alone = replace(controls_alone, verdict=Verdict("uniform", ""))
    assert opening(alone) == "Use uniform weights: nothing was searched."
    assert spoken_of(alone) is None
    bare = without_evidence(small_run)
    assert verdict_words(bare) == ""
    assert (
        opening(bare) == f"No verdict, and no mix is advised: p-values are off (evaluate.p_values). By t-statistics alone: {headline(bare)}"
    )
    assert metrics_document(bare)["verdict"] is None
    assert advised(bare).name == "uniform"


def test_a_leakage_ablation_gets_no_verdict_and_no_ranking(leaking_run: RunResult) -> None:
    result = with_gain(leaking_run)
    assert opening(result).startswith("No verdict: in a leakage ablation the search could see returns")
    assert latest(result) is None
    document = metrics_document(result)
    assert document["verdict"] is document["latest"] is None
    for text in (one_line(printed(result)), page(result)):
        assert "Use this mix" not in text
        assert text.index("Nothing here is a result") < text.index("No verdict")
    assert "What it says today" not in page(result)


def test_a_verdict_on_noise_says_so_first(small_run: RunResult) -> None:
    result = faked(with_gain(small_run))
    assert opening(result).startswith("On noise in place of scores: Use this mix")
    assert one_line(printed(result)).startswith(FAKE)


def test_the_sentences_never_say_more_than_the_verdict(small_run: RunResult) -> None:
    for changes in ({"p": 0.3}, {"half": 0.04}):
        (sentence,) = findings(with_gain(small_run, **changes))
        assert "better beyond chance" not in sentence.partition("; against")[0]
    assert "better beyond chance" in findings(with_gain(small_run))[0].partition("; against")[0]
    assert "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.012" in findings(with_gain(small_run))[0]


def test_the_latest_ranking_is_that_of_the_advised_weights_on_the_last_date(small_run: RunResult) -> None:
    for result, name in ((with_gain(small_run), "annealing"), (with_gain(small_run, p=0.5), "uniform")):
        strategy = result.strategy(name)
        found = latest(result)
        assert found is not None
        assert found.strategy is strategy is advised(result)
        assert found.date == found.last_date == str(result.panel.dates[-1])
        signal = strategy.signals[strategy.ranked_by][:, -1]
        expected = sorted(((s, v) for s, v in zip(result.panel.stocks, signal, strict=True) if np.isfinite(v)), key=lambda pair: -pair[1])
        assert list(found.ranking) == expected
        assert not found.open
        assert "nobody knows yet" not in page(result)
        text = printed(result)
        assert f"best  {', '.join(stock for stock, _ in expected[:5])}\n" in text
        assert f"worst {', '.join(stock for stock, _ in expected[-5:])}\n" in text
        assert text.index("best  ") < text.index("RankIC and gain")
        document = metrics_document(result)["latest"]
        assert [row["stock"] for row in document["ranking"]] == [stock for stock, _ in expected]
        assert sum(document["weights"].values()) == pytest.approx(1, rel=1e-6)


def test_a_date_without_scores_is_passed_over_and_that_is_said(small_run: RunResult) -> None:
    result = with_gain(small_run, p=0.5)

    def cut(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(values.shape[1]) >= values.shape[1] - 2, np.nan, values)

    strategies = tuple(replace(s, signals={name: cut(values) for name, values in s.signals.items()}) for s in result.strategies)
    stale = replace(result, strategies=strategies)
    found = latest(stale)
    assert found is not None
    assert (found.date, found.last_date) == (str(result.panel.dates[-3]), str(result.panel.dates[-1]))
    for text in (printed(stale), page(stale)):
        assert f"{found.date}, the last date with scores" in one_line(text).replace(" ,", ",")
    empty = tuple(replace(s, signals={n: np.full(v.shape, np.nan) for n, v in s.signals.items()}) for s in result.strategies)
    assert latest(replace(result, strategies=empty)) is None


def test_a_date_whose_return_is_not_known_is_called_that(small_run: RunResult) -> None:
    returns = {horizon: np.where(np.arange(values.shape[1]) < values.shape[1] - 3, values, np.nan) for horizon, values in
               small_run.panel.forward_returns.items()}  # fmt: skip
    found = replace(with_gain(small_run), panel=replace(small_run.panel, forward_returns=returns))
    ranking = latest(found)
    assert ranking is not None
    assert ranking.open
    assert "whose return nobody knows yet" in page(found)


def test_weights_in_words(small_run: RunResult) -> None:
    def words(*weights: float) -> str:
        strategy = replace(small_run.strategies[0], weights=np.tile(weights, (small_run.panel.dates.size, 1)))
        return weights_in_words(small_run, strategy).replace("\N{NO-BREAK SPACE}", " ")

    assert words(0.25, 0.25, 0.25, 0.25) == "25.0 % for each of the 4 archetypes"
    assert words(0.5, 0.5, 0.0, 0.0) == "50.0 % for each of 2 archetypes"
    assert words(0.1, 0.6, 0.3, 0.0) == "losers 60.0 %, calm 30.0 %, winners 10.0 %"
    assert words(0.0, 0.994, 0.003, 0.003) == "losers 99.4 %, 3 others 0.6 %"
    strategy = replace(small_run.strategies[0], weights=np.tile([0.1, 0.6, 0.3, 0.0], (small_run.panel.dates.size, 1)))
    assert latest_weights(small_run, strategy)[0] == ("losers", 0.6)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (probability(math.nan), "–"),
        (probability(0.0), "<0.001"),
        (probability(0.004149), "0.004"),
        (probability(0.05), "0.050"),
        (probability(0.0996), "0.10"),
        (probability(1.0), "1.00"),
        (wait(0.01), "1 more month"),
        (wait(0.5), "6 more months"),
        (wait(1.5), "2 more years"),
        (wait(1234.2), "1,235 more years"),
    ],
)
def test_chances_and_waits_are_printed_for_people(found: str, expected: str) -> None:
    assert found == expected


def test_further_dates_are_rows_of_the_data(small_run: RunResult) -> None:
    unit = interval(0, 1)
    weekly = replace(small_run, panel=replace(small_run.panel, periods_per_year=52.0))
    assert further_dates(weekly, Gain(0.5, unit, unit, 9, 9.0, 10.0)) == "520"
    assert further_dates(weekly, Gain(-0.5, unit, unit, 9, 9.0, math.inf)) == "–"


def test_a_run_has_the_verdict_of_its_own_figures(small_run: RunResult, few_run: RunResult, controls_alone: RunResult) -> None:
    assert small_run.verdict == verdict(small_run.strategies, small_run.horizon)
    assert one_line(printed(small_run)).startswith(one_line(verdict_words(small_run)))
    assert few_run.verdict is not None
    assert few_run.verdict.kind == "too_few"
    assert controls_alone.verdict is None, "nothing was searched"
