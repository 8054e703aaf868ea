"""Contrast and residual as views of the log: read over the whole panel, asked for once, refused and named where they cannot be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.agents import quantile_codes
from massjax.agents.protocols.blank import BLANK
from massjax.answers.__main__ import main as answers_main
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.fake import Fake
from massjax.models.question import Question
from massjax.pipeline import precompute, run as optimized
from massjax.precompute import main
from massjax.report.html import render_report
from massjax.report.tables import metrics_document
from massjax.scores import asking
from massjax.scores.contrast import contrast
from massjax.scores.fitting import misfit
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import prepare
from massjax.scores.plan import Plan
from massjax.scores.residual import STRONG, residual
from massjax.scores.showing import conversation_of
from massjax.scores.status import Status
from tests.scores.asking import Noting, Run, run
from tests.small_store import written

STOCKS, DATES = 20, 12


@pytest.fixture
def small(small: dict[str, Any]) -> dict[str, Any]:
    small["scoring"] |= {"choices": ["no", "so", "yes"], "calibrate": False}
    small["evaluate"] = {"horizon": 5}
    return small


def with_hindsight(small: dict[str, Any], folder: Path, hindsight: Any, **archetypes: str) -> RunConfig:
    agents = small["agents"]
    agents.pop("hindsight", None)
    if hindsight is not None:
        agents["hindsight"] = hindsight
    for one in agents["archetypes"]:
        one.pop("hindsight", None)
        if one["name"] in archetypes:
            one["hindsight"] = archetypes[one["name"]]
    return written(small, folder)


def said(found: Run, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities with facts and without, [N, T, C], by the fake model once more."""
    answers = np.full((2, STOCKS, DATES, 3), np.nan)
    fake, archetype = Fake(found.resolver.inputs.config.scoring), found.archetype(name)
    for n in range(STOCKS):
        for t in range(DATES):
            for title, question in found.resolver.conversation(archetype, n, t):
                probability = fake.answer([question])[0].probability
                answers[int(title == BLANK), n, t] = np.array(probability, np.float16)
    answers /= answers.sum(axis=3, keepdims=True)
    return answers[0], answers[1]


def test_contrast_is_that_of_both_answers_over_the_whole_panel(small: dict[str, Any], tmp_path: Path) -> None:
    found = run(with_hindsight(small, tmp_path, {"how": "contrast", "scale": 2.0, "cap": 1.5, "fewest_dates": 3}))
    member = np.ones((STOCKS, DATES), bool)
    for k, name in enumerate(("trend", "careful")):
        whole = contrast(*said(found, name), scale=2.0, cap=1.5, fewest_dates=3)
        expected = whole.view
        np.testing.assert_allclose(found.score[:, k], expected.score.T, atol=2e-6)
        assert expected.counts(member) == {"memory taken out": 9 * STOCKS, LACKING: 3 * STOCKS}
        assert found.written.strengths[name] == pytest.approx({"α": whole.alpha[:, 3:].mean()}, rel=1e-4)
    assert (found.scores.status()[:3, :2] == Status.UNDEFINED).all()
    assert (found.scores.status()[3:, :2] == Status.SCORED).all()
    assert found.written.memory == {"memory taken out": 2 * 9 * STOCKS, LACKING: 2 * 3 * STOCKS}
    assert found.written.unscored == {}


LACKING = "no score: too few dates lie before to tell how much is memory"


@pytest.mark.parametrize("facts", ["words", "numbers"])
def test_residual_is_that_of_both_scores_with_facts_and_past_returns(small: dict[str, Any], tmp_path: Path, facts: str) -> None:
    small["agents"]["facts"] = facts
    small["market"]["horizons"] = [1, 5]
    found = run(with_hindsight(small, tmp_path, {"how": "residual", "fewest_dates": 4, "horizon": 1}))
    panel, ladder = found.resolver.inputs.panel, np.array([0.0, 0.5, 1.0])
    for k, (name, modalities) in enumerate((("trend", ["price"]), ("careful", ["price", "risk"]))):
        seen = [panel.features[f] for f in small["agents"]["features"] if panel.features[f].modality in modalities]
        if facts == "words":
            shown = [quantile_codes(feature.values, panel.member, len(feature.words)).astype(float) for feature in seen]
        else:
            shown = [np.round(feature.values, 3 if feature.style == "percent" else 2) for feature in seen]
        with_facts, blank = said(found, name)
        expected = residual(
            with_facts @ ladder,
            blank @ ladder,
            panel.member,
            np.stack(shown),
            past_returns=panel.forward_returns[1],
            horizon=1,
            execution_lag=1,
            fewest_dates=4,
        )
        np.testing.assert_allclose(found.score[:, k], expected.view.score.T, atol=5e-5)
        told = (expected.shares.first_stage[4:] >= STRONG).mean()
        shares = {"β": expected.shares.memory[4:].mean(), "γ": expected.shares.opinion[4:].mean(), "F ≥ 10": told}
        assert found.written.strengths[name] == pytest.approx(shares, abs=1e-3)
        assert np.isfinite(found.score[4:, k]).all()
        assert np.isnan(found.score[:4, k]).all()


def test_parallel_archetypes_share_blank_answers_and_another_way_of_reading_asks_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    trend, careful, rule = small["agents"]["archetypes"]
    small["agents"]["archetypes"] = [rule]
    ways = ["none", "contrast", "residual"]
    small["agents"]["grid"] = {"modalities": [["price"]], "vary": {"hindsight": ways}}
    found = run(config := with_hindsight(small, tmp_path, {"how": "none", "fewest_dates": 2}))
    blanks = [question for question in found.asked if question.prompt.system.startswith("You know the history")]
    assert len(blanks) == len(set(blanks)) == STOCKS * DATES, "once for all archetypes"
    assert len(found.asked) == 2 * STOCKS * DATES, "beside the prompts of one archetype, which the three share"
    assert not np.array_equal(found.score[3:, 1], found.score[3:, 2])
    assert [name.split(".")[-1] for name in found.scores.archetypes[1:]] == [f"hindsight-{way}" for way in ways]
    for hindsight in ("residual", {"how": "contrast", "scale": 1.0}, {"how": "none", "cap": 1.0, "horizon": 5, "fewest_dates": 5}):
        again = run(with_hindsight(small, tmp_path, hindsight))
        assert again.asked == []
    assert misfit(prepare(config), again.scores.made_from) is not None
    small["agents"].pop("grid")
    small["agents"]["archetypes"] = [trend, careful, rule]
    more = run(with_hindsight(small, tmp_path, "residual"))
    assert all(not question.prompt.system.startswith("You know the history") for question in more.asked), "shared with what came before"


def test_the_plan_counts_blank_questions_once_under_their_role(small: dict[str, Any], tmp_path: Path) -> None:
    found = precompute(config := with_hindsight(small, tmp_path, "residual", careful="contrast"), plan=True)
    assert isinstance(found, Plan)
    assert {role.role: role.open for role in found.roles}[BLANK] == STOCKS * DATES
    assert found.to_ask == sum(role.open for role in found.roles) == len(run(config).asked)
    assert found.scores == 2 * STOCKS * DATES
    assert [(one.archetypes, one.role) for one in found.examples] == [
        (("trend", "careful"), BLANK),
        (("trend",), "score"),
        (("careful",), "score"),
    ]
    assert "return over" not in found.examples[0].prompt.user
    after = precompute(config, plan=True)
    assert isinstance(after, Plan)
    assert (after.to_ask, after.stored) == (0, after.scores)


def test_asking_by_blocks_of_dates_changes_no_score(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small["agents"]["layout"] = "facts-first"
    config = with_hindsight(small, tmp_path, {"how": "residual", "fewest_dates": 2}, careful="contrast")
    small["store"] = str(tmp_path / "other")
    whole = run(with_hindsight(small, tmp_path, {"how": "residual", "fewest_dates": 2}, careful="contrast"))
    monkeypatch.setattr(asking, "POOL", 5 * 2 * STOCKS)
    by_blocks = run(config)
    assert sorted(by_blocks.asked) == sorted(whole.asked)
    assert by_blocks.asked != whole.asked, "the panel was asked about in three blocks"
    np.testing.assert_array_equal(by_blocks.score, whole.score)


def test_after_the_cutoff_nothing_blank_is_asked_and_scores_are_as_answered(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["knowledge_cutoff"] = date(2022, 6, 9)
    plain = run(with_hindsight(small, tmp_path, "none"))
    for how in ("contrast", "residual"):
        found = run(with_hindsight(small, tmp_path, {"how": how, "fewest_dates": 2}))
        days = found.scores.dates <= np.datetime64("2022-06-09")
        assert len(found.asked) == (STOCKS * int(days.sum()) if how == "contrast" else 0)
        np.testing.assert_array_equal(found.score[~days], plain.score[~days])
        assert (found.score[2:][days[2:], :2] != plain.score[2:][days[2:], :2]).any()
        assert found.written.memory["kept as answered: the date lies after the model's cut-off"] == 2 * STOCKS * int((~days).sum())


def test_a_scale_of_0_is_the_answer_itself(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["calibrate"] = True
    plain = run(with_hindsight(small, tmp_path, "none"))
    found = run(with_hindsight(small, tmp_path, {"how": "contrast", "scale": 0.0, "fewest_dates": 1}))
    np.testing.assert_array_equal(found.score[2:], plain.score[2:])


class Leaning(Noting):
    """Puts more on the first choices, whatever it is asked."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        made = []
        for answer in super().answer(questions):
            weighted = np.array(answer.probability) * [9.0, 3.0, 1.0]
            made.append(answer._replace(probability=tuple((weighted / weighted.sum()).tolist())))
        return made


def test_a_leaning_that_calibration_takes_off_is_not_put_back_by_contrast(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["calibrate"] = True
    found = []
    for model in (Noting, Leaning):
        small["store"] = str(tmp_path / model.__name__)
        found.append(run(with_hindsight(small, tmp_path, {"how": "contrast", "scale": 100.0, "cap": 1.0, "fewest_dates": 2}), model))
    straight, leaning = (one.score[2:, :2] for one in found)
    assert found[0].written.strengths["trend"] == pytest.approx({"α": 1.0}, abs=1e-3)
    np.testing.assert_allclose(leaning, straight, atol=0.02)


class Gaps(Noting):
    """Fails on blank questions of one stock, and puts little mass on the choices in those of another."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        made = []
        for question, answer in zip(questions, super().answer(questions), strict=True):
            blank = question.prompt.system.startswith("You know the history")
            refused, low = ("(AAPL)" in question.prompt.user, "(MSFT)" in question.prompt.user) if blank else (False, False)
            made.append(unanswered(Reason.REFUSED) if refused else answer._replace(mass=0.1) if low else answer)
        return made


def test_blank_answers_that_are_missing_or_low_in_mass_leave_no_score_for_a_reason(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small["scoring"]["minimum_coverage"] = 0.5
    config = with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2})
    found = run(config, Gaps)
    stocks = [found.scores.stocks.index(name) for name in ("AAPL", "MSFT")]
    assert (found.scores.status()[:, :2, stocks[0]] == Status.FAILED).all()
    assert (found.scores.status()[:, :2, stocks[1]] == Status.INVALID).all()
    assert found.written.unscored == {Reason.REFUSED.value: 2 * DATES, Reason.LOW_COVERAGE.value: 2 * DATES}
    memory = found.written.memory
    assert memory["no score: there is no answer without facts to take off"] == 2 * DATES
    assert memory["no score: the answer without facts has too little mass on the choices"] == 2 * DATES
    assert memory["memory taken out"] == 2 * (DATES - 2) * (STOCKS - 2)
    assert main(["--config", str(tmp_path / "run.yaml")]) == 1, "the log holds low mass; what failed is asked again, and answered"
    printed = capsys.readouterr().out
    assert "Scores with memory taken out" in printed
    assert re.search(r"taken off, on average: careful │ α [1-4]\.\d\d", " ".join(printed.split()))
    assert "too few dates lie before to tell how much is memory" in " ".join(printed.split())


def test_without_the_setting_nothing_changes_and_mask_is_what_it_was(small: dict[str, Any], tmp_path: Path) -> None:
    found = run(with_hindsight(small, tmp_path, None))
    made = found.scores.made_from
    assert made is not None
    assert "hindsight" not in made.settings
    same = run(with_hindsight(small, tmp_path, "mask"))
    assert same.asked == []
    assert same.scores.place == found.scores.place, "the same tensor"
    small["agents"]["mask"] = False
    shown = run(with_hindsight(small, tmp_path, None))
    assert run(with_hindsight(small, tmp_path, "none")).scores.place == shown.scores.place


def test_masked_and_unmasked_archetypes_stand_side_by_side(small: dict[str, Any], tmp_path: Path) -> None:
    for hindsight, others in (("mask", {"careful": "residual"}), ("residual", {"trend": "mask"})):
        found = run(with_hindsight(small, tmp_path, hindsight, **others))
        assert all("AAPL" not in prompt.user and "2022" not in prompt.user for prompt in found.prompts("trend"))
        careful = found.prompts("careful")
        assert sum("- stock: Apple" in prompt.user or "(AAPL)" in prompt.user for prompt in careful) == DATES
        assert all("- date: 2022-06-" in prompt.user for prompt in careful)
    assert found.asked == [], "the same questions, whichever way it is written"


def test_what_scores_were_read_with_is_compared_by_name(small: dict[str, Any], tmp_path: Path) -> None:
    made = run(with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2})).scores.made_from
    assert made is not None
    assert misfit(prepare(with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2})), made) is None
    why = misfit(prepare(with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2, "scale": 1.0})), made)
    assert why is not None
    assert why.startswith("the setting hindsight.contrast")
    small["market"]["start"] = "2022-06-03"
    later = with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2})
    why = misfit(prepare(later), made)
    assert why is not None
    assert "hindsight.first_date" in why, "what past dates tell depends on where they begin"
    scores = gather_scores(prepare(later)).scores
    assert np.isnan(scores[0, :, :2]).all(), "read anew from the log"
    assert np.isfinite(scores[0, :, 2:]).all()


def test_returns_that_grow_change_no_hash_of_the_past(small: dict[str, Any], tmp_path: Path) -> None:
    inputs = prepare(with_hindsight(small, tmp_path, "residual"))
    returns, member = inputs.memory.returns, inputs.panel.member
    assert returns is not None
    whole = returns.hashes(member)
    shorter = returns._replace(values=np.where(np.arange(DATES) < 8 - 6, returns.values, np.nan)[:, :8]).hashes(member[:, :8])
    np.testing.assert_array_equal(whole[:8], shorter)
    changed = returns._replace(values=returns.values + np.where(np.arange(DATES) == 1, 0.01, 0.0)).hashes(member)
    np.testing.assert_array_equal(np.flatnonzero(whole != changed), [1 + 5 + 1])


def test_a_cell_is_told_with_both_questions_and_the_score_of_the_tensor(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(config := with_hindsight(small, tmp_path, {"how": "contrast", "fewest_dates": 2}))
    told = conversation_of(config, "trend", found.scores.stocks[4], str(found.scores.dates[7]))
    assert [title for title, _, _ in told.questions] == [BLANK, "score"]
    assert all(record is not None for _, _, record in told.questions)
    assert told.outcome.startswith(f"score: {found.score[7, 0, 4]:.4f}, ")
    assert told.outcome.endswith("memory taken out by contrast")
    early = conversation_of(config, "trend", found.scores.stocks[4], str(found.scores.dates[0]))
    assert early.outcome == "score: none; too few dates lie before to tell how much is memory"
    cell = ["--archetype", "trend", "--stock", found.scores.stocks[4], "--date", str(found.scores.dates[7])]
    for how, said in (("contrast", True), ("none", False)):
        assert answers_main(["show", "--config", str(tmp_path / "run.yaml"), "--set", f"agents.hindsight.how={how}", *cell]) == 0
        assert ("memory taken out by contrast" in capsys.readouterr().out) is said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "desk", "hindsight": "contrast"}]}, "protocol 'desk' does not"),
        ({"archetypes": [{"name": "a", "rule": {"return_1m": 1}, "hindsight": "mask"}]}, "no model is asked for its scores"),
        (
            {"archetypes": [{"name": "a", "modalities": ["price"], "protocol": "desk"}], "hindsight": "residual"},
            "agents.hindsight 'residual'",
        ),
        ({"grid": {"modalities": [["price"]], "vary": {"protocol": ["desk"]}}, "hindsight": "contrast"}, "agents.grid: archetype"),
        ({"hindsight": "residual", "finite": {"picked_by": "model"}}, "there are picks alone"),
        ({"hindsight": "forget"}, "'none', 'mask', 'contrast' or 'residual'"),
        ({"hindsight": {"how": "residual", "horizon": 7}}, "agents.hindsight.horizon: 7: the market data has no forward return over it"),
    ],
)
def test_what_cannot_be_is_refused_by_name(small: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str) -> None:
    small["agents"] |= change
    with pytest.raises(ConfigError, match=message):
        _ = prepare(written(small, tmp_path)).protocols


@pytest.mark.slow
def test_a_search_weighs_archetypes_side_by_side_and_the_report_says_what_is_done_about_memory(
    small: dict[str, Any], tmp_path: Path
) -> None:
    small["market"]["end"] = "2022-08-16"
    small["evaluate"] = {"horizon": 1, "lookback": 10, "p_values": False, "controls": []}
    small["search"] = [{"method": "annealing", "chains": 2, "steps": 2}]
    config = with_hindsight(small, tmp_path, {"how": "residual", "fewest_dates": 10}, careful="contrast")
    run(config)
    result = optimized(config)
    assert [facts.hindsight for facts in result.archetypes] == ["residual", "contrast", ""]
    assert all(np.isfinite(facts.rank_ic.mean) for facts in result.archetypes)
    told = metrics_document(result)["archetypes"]
    assert [one.get("hindsight") for one in told] == ["residual", "contrast", None]
    page = render_report(result)
    assert "price (hindsight: residual)" in page
    assert "price, risk (hindsight: contrast)" in page
