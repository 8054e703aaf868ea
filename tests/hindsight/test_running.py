"""Measuring with a planted memory: what is asked is counted, resumed, and found where it is and nowhere else."""

from __future__ import annotations

import re
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.config import RunConfig
from massjax.errors import ConfigError, ModelError
from massjax.hindsight.audit import audits
from massjax.hindsight.probing import FEWEST_FOR_SPREAD
from massjax.hindsight.running import Hindsight, measure_hindsight, opened, plan_hindsight
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.states import model_states
from massjax.hindsight.tables import notes
from massjax.models.answer import Answer
from massjax.models.forms import Familiar
from massjax.models.question import Prompt, Question
from massjax.pipeline import precompute
from massjax.statistics.probe_power import probe_power
from tests.hindsight.planted import Planted, remembering
from tests.small_store import written

STOCKS, DATES = 20, 12
LONG = {"source": "sp500", "start": "2022-01-03", "end": "2022-04-29"}


def measured(config: RunConfig, *parts: str, planted: Any = None, **settings: Any) -> Hindsight:
    """The parts, asked of the fake or a planted model."""
    made = MeasureSettings(parts=parts, **settings) if parts else MeasureSettings(**settings)
    return measure_hindsight(config, made) if planted is None else measure_hindsight(config, made, make=planted)


def memory(config: RunConfig, *, until: int | None = None) -> partial[Planted]:
    """A model that remembers the order of the returns that followed, up to a date."""
    subject = opened(config).subject
    ranks = np.argsort(np.argsort(subject.forward_returns[subject.horizon], axis=0), axis=0) / STOCKS - 0.5
    values = np.where(np.arange(ranks.shape[1]) < (ranks.shape[1] if until is None else until), ranks, np.nan)
    return partial(Planted, remembered=remembering(subject.panel, values))


def test_a_plan_counts_what_is_then_asked_and_nothing_twice(small: dict[str, Any], tmp_path: Path) -> None:
    config, settings = written(small, tmp_path), MeasureSettings(cells=60, by_modality=True)
    assert plan_hindsight(config, settings).without_scores == ("trend", "careful")
    precompute(config)
    found = plan_hindsight(config, settings)
    assert found.without_scores == ()
    plan = found.parts
    assert plan["probe"].questions == plan["probe"].open.open == STOCKS * DATES
    assert plan["audit"].questions <= 2 * 4 * 60
    assert plan["probe"].open.seconds is None, "the log has no answers yet"
    stated = config.replace(scoring=config.scoring.replace(prompts_per_second=4.0))
    assert plan_hindsight(stated, settings).parts["probe"].open.seconds == STOCKS * DATES / 4
    found = measure_hindsight(config, settings)
    assert found.asked == {part: one.open.open for part, one in plan.items()}
    assert measure_hindsight(config, settings).asked == dict.fromkeys(plan, 0)
    assert all(not one.open.open and one.questions for one in plan_hindsight(config, settings).parts.values())


def test_a_sampled_probe_asks_about_whole_dates(small: dict[str, Any], tmp_path: Path) -> None:
    found = measured(written(small, tmp_path), "probe", sample=0.25)
    assert found.asked == {"probe": STOCKS * 3}
    (probe,) = found.probed
    assert np.isfinite(probe.blank).sum(axis=0).tolist() == [0, 0, 20, 0, 0, 0, 20, 0, 0, 0, 20, 0]


def test_two_models_are_probed_each_for_all_of_their_archetypes(small: dict[str, Any], tmp_path: Path) -> None:
    small["models"] = {"other": {"engine": "fake", "seed": 1}}
    small["agents"]["archetypes"][1]["model"] = "other"
    found = measured(written(small, tmp_path), "probe")
    assert found.asked == {"probe": 2 * STOCKS * DATES}
    assert [one.model for one in model_states(found)] == ["", "other"]


def test_a_probe_that_breaks_off_goes_on_from_there(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    with pytest.raises(ModelError, match="out of patience"):
        measured(config, "probe", planted=partial(Planted, remembered={}, patience=100))
    left = measured(config, "probe").asked["probe"]
    assert 0 < left < STOCKS * DATES
    assert measured(config, "probe").asked == {"probe": 0}


def test_memory_is_found_up_to_the_cutoff_and_not_after_it(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"], small["scoring"]["knowledge_cutoff"] = {**LONG}, "2022-03-01"
    config = written(small, tmp_path)
    cut = int((opened(config).subject.panel.dates <= np.datetime64("2022-03-01")).sum())
    found = measured(config, "probe", "cutoff", planted=memory(config, until=cut))
    (state,), (probe,) = model_states(found), found.probed
    assert state.state == "found"
    assert state.points > 80
    assert state.period == "up to the cut-off"
    periods = probe.horizons[5].periods
    assert periods["up to the cut-off"].rank_ic.mean == pytest.approx(1.0, abs=1e-6)
    assert abs(periods["after the cut-off"].rank_ic.mean) < 0.2
    assert found.splits[0].difference.low > 0.5
    assert found.splits[1].reason.startswith("no score of it is in the log")


def test_noise_and_fame_are_no_memory(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"] = {**LONG}
    config = written(small, tmp_path)
    panel = opened(config).subject.panel
    always = np.broadcast_to(np.linspace(-0.5, 0.5, STOCKS)[:, None], panel.member.shape)
    found = measured(config, "probe", planted=partial(Planted, remembered=remembering(panel, always)))
    (state,) = model_states(found)
    assert state.state == "undefined"
    assert "too few dates have a partial RankIC" in state.reason
    assert any(re.fullmatch(r"Of (\d+) dates with a RankIC \1 have no partial one, and do not count: .*", note) for note in notes(found))
    noise = always + 0.3 * np.random.default_rng(0).normal(size=always.shape)
    small["store"] = str(tmp_path / "other")
    config = written(small, tmp_path)
    (state,) = model_states(measured(config, "probe", planted=partial(Planted, remembered=remembering(panel, noise))))
    assert state.state == "none found"
    assert state.least is not None
    assert state.least > 0


@pytest.mark.parametrize(("sample", "dates"), [(1.0, 6), (0.5, 3)])
def test_power_is_that_of_the_dates_that_count(small: dict[str, Any], tmp_path: Path, sample: float, dates: int) -> None:
    (probe,) = measured(written(small, tmp_path), "probe", sample=sample).probed
    assert probe.power is not None
    assert (probe.horizons[5].periods["all dates"].partial.dates, probe.power.questions) == (dates, STOCKS * dates)
    assert dates < FEWEST_FOR_SPREAD, "the spread of few dates may be small by luck"
    dates, controls = ceil(dates / sample), len(probe.controls.names)
    assert probe.power.least == probe_power(0.03, STOCKS, dates, 5, share=sample, controls=controls).least


@pytest.mark.parametrize("sample", [1e-9, 0.1])
def test_one_date_tells_of_no_memory(small: dict[str, Any], tmp_path: Path, sample: float) -> None:
    (state,) = model_states(measured(written(small, tmp_path), "probe", sample=sample))
    assert (state.state, state.reason) == ("undefined", "1 date with a partial RankIC, too few to tell")


def test_answers_that_are_all_alike_are_said_to_be(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    panel = opened(config).subject.panel
    alike = partial(Planted, remembered=remembering(panel, np.zeros(panel.member.shape)))
    (state,) = model_states(measured(config, "probe", planted=alike))
    assert (state.state, state.reason) == ("undefined", "on every date the blank answers about all stocks are the same")


def test_where_all_dates_lie_after_the_cutoff_these_are_judged(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["knowledge_cutoff"] = "2021-12-31"
    config = written(small, tmp_path)
    (state,) = model_states(measured(config, "probe", planted=memory(config)))
    assert (state.state, state.period, state.cutoff) == ("found", "after the cut-off", "2021-12-31")


def test_the_audit_finds_whom_facts_give_away(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"] = {**LONG}
    config, settings = written(small, tmp_path), MeasureSettings(parts=("audit",), cells=240)
    first = audits(opened(config).subject, settings)[1]
    labels = dict[Prompt, str]()
    for questions in first.company:
        assert isinstance(questions.form.choices, tuple)
        for n, t in np.argwhere(questions.index >= 0):
            order = first.order[n, t].tolist()
            said = order.index(n) if n == 3 else order.index((n * 7 + t) % STOCKS)
            labels[questions.prompts[questions.index[n, t]]] = questions.form.choices[said]
    found = measure_hindsight(config, settings, make=partial(Planted, remembered={}, labels=labels))
    careful = next(one for one in found.audited if one.name == "careful")
    panel = opened(config).subject.panel
    assert careful.cells == STOCKS * DATES
    assert careful.found == ((panel.stocks[3], 1.0),)
    days = np.flatnonzero((first.facts >= 0).any(axis=0)).tolist()
    hits = sum((n * 7 + t) % STOCKS == n for n in range(STOCKS) if n != 3 for t in days) + DATES
    assert careful.companies.right.value == pytest.approx(hits / (STOCKS * DATES))
    assert (careful.names.prompts, careful.times.prompts, careful.why_none) == (0, 0, "")


def test_what_two_stocks_always_show_gives_them_away_once(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"]["only"] = ["AAPL", "KO"]
    for audit in measured(written(small, tmp_path), "audit", cells=20).audited:
        assert audit.cells == 20
        assert audit.found == ()


def test_many_stocks_are_exchanged_on_several_dates(small: dict[str, Any], tmp_path: Path) -> None:
    (one, _) = measured(written(small, tmp_path), "counterfactual", cells=12, candidates=4).swapped
    assert one.measures is not None
    assert (one.measures.count, one.measures.facts.reason) == (12, "")


def test_candidates_are_those_that_are_asked_about(small: dict[str, Any], tmp_path: Path) -> None:
    settings = MeasureSettings(parts=("audit",), cells=15, candidates=5)
    audit = audits(opened(written(small, tmp_path)).subject, settings)[0]
    (company,), (year,) = audit.company, audit.year
    cells = np.argwhere(company.index >= 0)
    assert len(cells) == 15
    orders = set()
    for n, t in cells:
        assert sorted(audit.order[n, t]) == np.flatnonzero(company.index[:, t] >= 0).tolist()
        orders.add(tuple(audit.order[n, t]))
        prompt = company.prompts[company.index[n, t]].user
        assert all(f"{label}: " in prompt for label in company.form.choices)
        assert sorted(audit.years[n, t]) == [2020, 2021, 2022, 2023, 2024]
    assert len(orders) > 3
    assert len(year.form.choices) == 5


def test_answers_that_are_all_alike_depend_on_nothing_and_that_is_said(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    panel = opened(config).subject.panel
    alike = partial(Planted, remembered=remembering(panel, np.full(panel.member.shape, 0.1)))
    for one in measured(config, "counterfactual", planted=alike, cells=40).swapped:
        assert one.reason == "all answers of a date are the same, so there is nothing to explain"


def test_answers_that_follow_the_name_are_told_from_those_that_follow_the_facts(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    panel = opened(config).subject.panel
    names = np.broadcast_to(np.linspace(-0.5, 0.5, STOCKS)[:, None], panel.member.shape)
    found = measured(config, "counterfactual", planted=partial(Planted, remembered=remembering(panel, names)), cells=120)
    for one in found.swapped:
        assert one.measures is not None
        assert one.measures.count == 120
        assert one.measures.name.value == pytest.approx(1.0, abs=0.1)
        assert one.measures.consistency.value == 1.0
        assert abs(one.measures.facts.value) < 0.3


def test_protocols_without_one_question_a_stock_and_date_are_named(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"]["end"] = "2022-06-03"
    small["agents"]["archetypes"][0]["protocol"] = "desk"
    found = measured(written(small, tmp_path), "familiarity", "counterfactual", cells=20)
    by_name = {one.archetype: one for one in found.familiar}
    assert by_name["trend"].reason.startswith("its prompts wait for the answers of ")
    assert by_name["careful"].reason.startswith("no score of it is in the log")
    swapped = {one.archetype: one for one in found.swapped}
    assert all(one.measures is not None and one.measures.count == 20 for one in swapped.values())


class Reluctant(Planted):
    """Puts little probability on the choices."""

    def _answer(self, question: Question) -> Answer:
        return super()._answer(question)._replace(mass=0.125)


def test_little_mass_of_blank_answers_is_told(small: dict[str, Any], tmp_path: Path) -> None:
    found = measured(written(small, tmp_path), "probe", planted=partial(Reluctant, remembered={}))
    assert found.probed[0].mass == 0.125
    assert any("Blank answers put only 12% of their probability on the choices" in note for note in notes(found))


class WithoutEcho(Planted):
    """Ends when it is asked how familiar a prompt is, as a server does that fails at it."""

    def _answer(self, question: Question) -> Answer:
        if isinstance(question.form, Familiar):
            raise ModelError("the server failed: HTTP 500")
        return super()._answer(question)


def test_where_familiarity_cannot_be_had_the_other_parts_go_on(small: dict[str, Any], tmp_path: Path) -> None:
    small["market"]["end"] = "2022-06-03"
    config, model = written(small, tmp_path), partial(WithoutEcho, remembered={})
    precompute(config)
    found = measured(config, "probe", "familiarity", "counterfactual", planted=model, cells=20)
    assert found.asked["counterfactual"] > 0
    assert [one.reason for one in found.familiar] == 2 * ["no prompt has a familiarity, the server failed: HTTP 500"]
    with pytest.raises(ModelError, match="HTTP 500"):
        measured(config, "familiarity", planted=model)


def test_what_cannot_be_measured_is_refused(small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no part 'probes' .did you mean 'probe'"):
        MeasureSettings(parts=("probes",))
    small["agents"]["archetypes"] = small["agents"]["archetypes"][2:]
    with pytest.raises(ConfigError, match="no archetype asks a model"):
        measured(written(small, tmp_path), "probe")
    del small["store"]
    with pytest.raises(ConfigError, match="store: not set"):
        measured(written(small, tmp_path), "probe")


def test_the_probe_asks_nothing_that_a_view_asked(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["hindsight"] = {"how": "contrast", "fewest_dates": 2}
    config = written(small, tmp_path)
    precompute(config)
    found = measured(config, "probe", "familiarity", cells=20)
    assert found.asked == {"probe": 0, "familiarity": 2 * STOCKS * DATES}
    assert [one.asked for one in found.familiar] == [STOCKS * DATES] * 2
    for one in found.familiar:
        assert one.test is not None
        assert one.beyond is not None
        assert one.beyond.count == one.test.count > 0
        assert one.beyond.p_value != one.test.p_value
