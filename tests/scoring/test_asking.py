"""Asking: every distinct prompt once, nothing twice, failures counted and never scored, growth asks only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.config import RunConfig
from massjax.errors import ModelError, StoreError
from massjax.models.failures import Failure, Reason
from massjax.models.fake import FakeModel
from massjax.models.language_model import Answers
from massjax.models.probabilities import choice_probabilities
from massjax.models.question import Prompt
from massjax.scoring.asking import ask_missing
from massjax.scoring.checking import check_stored_scores
from massjax.scoring.placing import open_or_create, shards_of
from massjax.scoring.plan import plan
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore, Status
from tests.small_store import written


class FailingModel(FakeModel):
    """Gives no answer to prompts about a stock in a sharp fall, and says so."""

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        answers = super().ask(prompts)
        falling = [row for row, prompt in enumerate(prompts) if "month: sharp fall" in prompt.user]
        failures = {row: Failure(Reason.REFUSED, f"request {row} refused") for row in falling}
        answers.logprobs[list(failures)] = np.nan
        return answers._replace(failures=failures)


def run(config: RunConfig, model: FakeModel | None = None) -> tuple[Work, ScoreStore, FakeModel]:
    work, model = prepare(config), model or FakeModel(config.scoring)
    assert config.store is not None
    store = open_or_create(work, config.store, model.identity())
    ask_missing(work, store, model)
    return work, ScoreStore.open(config.store), model


def test_every_distinct_prompt_is_asked_once(small_config: RunConfig) -> None:
    work, store, model = run(small_config)
    distinct = {p.digest() for prompts in work.prompts.values() for p in prompts.prompts}
    content_free = 2
    assert model.asked == len(distinct) + content_free
    assert model.asked < 2 * 20 * 12
    assert (store.status(archetypes=["trend", "careful"]) == Status.SCORED).all()
    assert (store.status(archetypes=["low-volatility"]) == Status.RULE).all()


@pytest.mark.parametrize("calibrate", [False, True])
def test_scores_are_those_of_the_prompts(small: dict[str, Any], tmp_path: Path, calibrate: bool) -> None:
    config = written(small | {"scoring": {"engine": "fake", "calibrate": calibrate}}, tmp_path)
    work, store, model = run(config)
    prompts, careful = work.prompts["careful"], work.archetypes[1]
    prior = choice_probabilities(model.ask([work.content_free(careful)]).logprobs).probability[0].astype(float)
    scores = store.scores(archetypes=["careful"])[0]
    for n, t in [(0, 0), (7, 5), (19, 11)]:
        raw = choice_probabilities(model.ask([prompts.prompts[prompts.index[n, t]]]).logprobs).probability[0].astype(float)
        expected = (raw / prior if calibrate else raw) @ np.linspace(0, 1, 5) / (raw / prior if calibrate else raw).sum()
        assert scores[n, t] == pytest.approx(expected, abs=1e-6)
    ladder = store.probabilities(archetypes=["careful"], calibrated=calibrate)[0] @ np.linspace(0, 1, 5)
    np.testing.assert_allclose(scores, ladder, atol=1e-3)


def test_a_sharp_content_free_answer_still_calibrates(small_config: RunConfig) -> None:
    class Sharp(FakeModel):
        def ask(self, prompts: Sequence[Prompt]) -> Answers:
            answers = super().ask(prompts)
            answers.logprobs[["N/A" in prompt.user for prompt in prompts]] = [-20, -18, -6, -0.01, -8]
            return answers

    _, store, _ = run(small_config, Sharp(small_config.scoring))
    assert (store.calibration()[:2] >= 1e-6).all()
    assert np.isfinite(store.scores()).all()


def test_an_unanswered_content_free_prompt_is_an_error_not_an_uncalibrated_score(small_config: RunConfig) -> None:
    class Mute(FakeModel):
        def ask(self, prompts: Sequence[Prompt]) -> Answers:
            return super().ask(prompts)._replace(logprobs=np.full((len(prompts), 5), np.nan), failures={0: Failure(Reason.REFUSED)})

    with pytest.raises(ModelError, match=r"'trend'.*refused"):
        run(small_config, Mute(small_config.scoring))


def with_a_stock_outside(config: RunConfig) -> tuple[Work, ScoreStore]:
    """The work of a panel whose fourth stock is no member on four dates, and its new store."""
    work = prepare(config)
    member = work.panel.member.copy()
    member[3, 2:6] = False
    work = replace(work, panel=replace(work.panel, member=member))
    assert config.store is not None
    return work, open_or_create(work, config.store, {"engine": "fake"})


def test_a_stock_outside_the_universe_is_not_asked_about(small_config: RunConfig) -> None:
    work, store = with_a_stock_outside(small_config)
    member = work.panel.member
    ask_missing(work, store, FakeModel(small_config.scoring))
    np.testing.assert_array_equal(np.isfinite(store.scores(archetypes=["trend"])[0]), member)
    assert (store.status(archetypes=["trend"])[0][~member] == Status.NOT_APPLICABLE).all()


def test_a_second_run_asks_nothing(small_config: RunConfig) -> None:
    _, store, _ = run(small_config)
    before = store.scores().copy()
    _, store, model = run(small_config)
    assert model.asked == 0
    np.testing.assert_array_equal(store.scores(), before)


def test_failures_are_missing_scores_with_a_counted_reason(small_config: RunConfig) -> None:
    work, store, _ = run(small_config, FailingModel(small_config.scoring))
    status = store.status(archetypes=["trend"])[0]
    fact = next(f for f in work.facts if f.label.endswith("last month"))
    falling = fact.codes == fact.texts.index("sharp fall")
    assert falling.any()
    np.testing.assert_array_equal(status == Status.FAILED, falling)
    assert np.isnan(store.scores(archetypes=["trend"])[0][falling]).all()
    reasons = [entry.stats.get("reasons", {}) for unit, entry in store.entries().items() if unit.archetype == 0]
    assert {name for r in reasons for name in r} == {"refused by the server"}
    assert sum(r.get("refused by the server", 0) for r in reasons) == falling.sum()
    failed = {p.digest() for prompts in work.prompts.values() for p in prompts.prompts if "month: sharp fall" in p.user}
    assert plan(work, store.path).to_ask == len(failed)
    _, store, model = run(small_config)
    assert model.asked == len(failed)
    assert (store.status(archetypes=["trend"]) == Status.SCORED).all()


def test_little_mass_is_invalid_not_zero(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small | {"scoring": {"engine": "fake", "minimum_coverage": 0.95}}, tmp_path)
    _, store, _ = run(config)
    assert (store.status(archetypes=["trend", "careful"]) == Status.INVALID).all()
    assert np.isnan(store.scores(archetypes=["trend", "careful"])).all()
    reasons = sum(e.stats["reasons"]["coverage below scoring.minimum_coverage"] for u, e in store.entries().items() if u.archetype < 2)
    assert reasons == 2 * 20 * 12


def test_growing_asks_only_what_is_new(small: dict[str, Any], tmp_path: Path) -> None:
    work, store, _ = run(written(small, tmp_path))
    known = {p.digest() for prompts in work.prompts.values() for p in prompts.prompts}
    before = store.scores(archetypes=["trend"]).copy()
    small["market"]["end"] = "2022-06-24"
    small["agents"]["archetypes"].append({"name": "dip", "modalities": ["price"], "persona": "You buy dips."})
    work, store, model = run(written(small, tmp_path))
    new = {p.digest() for prompts in work.prompts.values() for p in prompts.prompts} - known
    assert model.asked == len(new) + 1
    assert store.scores().shape == (4, 20, 17)
    assert np.isfinite(store.scores()).all()
    np.testing.assert_array_equal(store.scores(archetypes=["trend"])[:, :, :12], before)


def test_another_setting_is_refused_and_named(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    for section, key, value in [
        ("scoring", "dtype", "float16"),
        ("scoring", "prefill", "x"),
        ("scoring", "seed", 1),
        ("scoring", "calibrate", False),
        ("scoring", "choices", ["a", "b"]),
        ("scoring", "minimum_coverage", 0.1),
        ("agents", "mask", False),
        ("agents", "facts", "numbers"),
    ]:
        changed = {**small, section: {**small[section], key: value}}
        with pytest.raises(StoreError, match=key):
            run(written(changed, tmp_path))


def test_scores_of_other_prompts_are_refused_before_use(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    work, store, _ = run(config)
    check_stored_scores(work, store)
    other = prepare(written({**small, "agents": {**small["agents"], "features": ["return_1w", "volatility_60d"]}}, tmp_path))
    with pytest.raises(StoreError, match=r"archetype '(trend|careful)', dates 2022-06-01.*other prompts"):
        check_stored_scores(other, store)
    redefined = [{**a, "horizon": "days"} if a["name"] == "trend" else a for a in small["agents"]["archetypes"]]
    with pytest.raises(StoreError, match=r"'trend' was scored under another definition.*\n  horizon: "):
        check_stored_scores(prepare(written({**small, "agents": {**small["agents"], "archetypes": redefined}}, tmp_path)), store)


def test_an_archetype_defined_otherwise_is_refused_with_the_fields_that_differ(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"][1]["persona"] = "Slow to act. " * 40
    _, store, _ = run(written(small, tmp_path))
    small["agents"]["archetypes"][1] |= {"risk_aversion": "low", "horizon": "days"}
    with pytest.raises(StoreError) as caught:
        check_stored_scores(prepare(written(small, tmp_path)), store)
    head, *lines = str(caught.value).splitlines()
    count = len(prepare(written(small, tmp_path)).prompts["careful"].prompts)
    assert head == (
        f"{store.path}: archetype 'careful' was scored under another definition; give it a new name in agents.archetypes: "
        f"only its {count} prompts are asked, and all scores that are there stay; or use another store:"
    )
    assert lines == [
        "  horizon: the store has nothing, this run has 'days'",
        "  risk_aversion: the store has 'high', this run has 'low'",
    ]


def test_a_changed_persona_under_a_new_name_asks_its_prompts_alone(small: dict[str, Any], tmp_path: Path) -> None:
    _, store, _ = run(written(small, tmp_path))
    before = store.scores(archetypes=["careful", "trend"]).copy()
    small["agents"]["archetypes"][0]["persona"] = "You believe that winners keep winning."
    changed = prepare(written(small, tmp_path))
    count = len(changed.prompts["trend"].prompts)
    for check in (lambda: run(changed.config), lambda: plan(changed, store.path)):
        with pytest.raises(StoreError, match=rf"'trend' was .* only its {count} prompts are asked.*\n  persona: the store has nothing"):
            check()
    small["agents"]["archetypes"][0]["name"] = "believer"
    config = written(small, tmp_path)
    found = plan(prepare(config), store.path)
    assert (found.to_ask, found.stored) == (count, 20 * 12)
    work, store, model = run(config)
    assert model.asked == count + 1
    assert store.archetypes == ("trend", "careful", "low-volatility", "believer")
    np.testing.assert_array_equal(store.scores(archetypes=["careful", "trend"]), before)
    check_stored_scores(work, store)


def test_fewer_archetypes_in_any_order_ask_their_own_alone(small: dict[str, Any], tmp_path: Path) -> None:
    _, store, _ = run(written(small, tmp_path))
    all_of_them = small["agents"]["archetypes"]
    for chosen in (all_of_them[::-1], all_of_them[1:], all_of_them[2:], all_of_them[:1]):
        config = written(small | {"agents": small["agents"] | {"archetypes": chosen}}, tmp_path)
        _, store, model = run(config)
        assert model.asked == 0
    small["market"]["end"] = "2022-06-24"
    config = written(small | {"agents": small["agents"] | {"archetypes": all_of_them[:1]}}, tmp_path)
    work = prepare(config)
    assert all(store.archetypes[unit.archetype] == "trend" for part in shards_of(work, store, 3) for unit in part)
    _, store, model = run(config)
    assert 0 < model.asked < len(work.prompts["trend"].prompts)
    assert np.isfinite(store.scores(archetypes=["trend"])).all()
    assert np.isnan(store.scores(archetypes=["careful"])[:, :, 12:]).all()
    _, store, model = run(written(small, tmp_path))
    assert np.isfinite(store.scores()).all()


def test_scores_of_another_model_are_refused_before_use(small: dict[str, Any], tmp_path: Path) -> None:
    _, store, _ = run(written(small, tmp_path))
    for scoring, message in [
        ({"engine": "vllm"}, "engine: the store has 'fake'"),
        ({"engine": "fake", "model": "a/other"}, "model: .*'other'"),
    ]:
        with pytest.raises(StoreError, match=message):
            check_stored_scores(prepare(written({**small, "scoring": scoring}, tmp_path)), store)


def test_a_store_of_other_dates_is_refused(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    for start, message in [("2022-06-03", "holds 2 dates"), ("2022-05-20", "grows only at its end")]:
        changed = {**small, "market": {**small["market"], "start": start}}
        with pytest.raises(StoreError, match=message):
            run(written(changed, tmp_path))


class Stopping(FakeModel):
    """Stops after so many prompts, as a kill would."""

    prompts_at_once = 5

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        if self.asked >= 40:
            raise KeyboardInterrupt
        return super().ask(prompts)


def test_numbers_of_one_thing_agree_in_plan_run_and_resumed_run(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    work, path = prepare(config), tmp_path / "scores.zarr"
    planned = plan(work, path)
    whole = ask_missing(work, open_or_create(work, tmp_path / "whole.zarr", {"engine": "fake"}), FakeModel(config.scoring))
    assert (planned.prompts, planned.to_ask) == (whole.distinct, whole.prompts)
    assert planned.scores == whole.scores == 2 * 20 * 12
    assert planned.rule_scores == whole.rule_scores
    assert whole.cells == whole.scores + whole.rule_scores + whole.empty + sum(whole.reasons.values())
    store = open_or_create(work, path, {"engine": "fake"})
    with pytest.raises(KeyboardInterrupt):
        ask_missing(work, store, Stopping(config.scoring))
    left = plan(work, path)
    resumed = ask_missing(work, ScoreStore.open(path, mode="r+"), FakeModel(config.scoring))
    assert 0 < resumed.prompts == left.to_ask < planned.to_ask
    assert (resumed.distinct, left.prompts) == (whole.distinct, planned.prompts)
    entries = ScoreStore.open(path).entries().values()
    assert sum(entry.counts.get("scored", 0) for entry in entries) == planned.scores
    recorded = [entry.stats.get("prompts", 0) + entry.stats.get("recovered", 0) for entry in entries]
    assert sum(recorded) == whole.prompts, "what the stopped run asked is recorded too"
    assert sum(entry.stats.get("recovered", 0) for entry in entries) > 0


def test_scores_written_are_scores(small_config: RunConfig) -> None:
    work, store = with_a_stock_outside(small_config)
    tally = ask_missing(work, store, FailingModel(small_config.scoring))
    status = store.status()
    counted = (tally.scores, tally.rule_scores, tally.empty, tally.reasons["refused by the server"])
    kinds = (Status.SCORED, Status.RULE, Status.NOT_APPLICABLE, Status.FAILED)
    assert counted == tuple(int((status == kind).sum()) for kind in kinds)
    assert tally.scores == np.isfinite(store.scores(archetypes=["trend", "careful"])).sum()
    assert list(tally.words) == ["refused by the server"]


@pytest.mark.parametrize("logprobs", [[0.5, -1, -1, -1, -1], [-0.1] * 5, [np.inf] * 5])
def test_impossible_probabilities_calibrate_nothing(small_config: RunConfig, logprobs: list[float]) -> None:
    class Impossible(FakeModel):
        def ask(self, prompts: Sequence[Prompt]) -> Answers:
            answers = super().ask(prompts)
            answers.logprobs[["N/A" in prompt.user for prompt in prompts]] = logprobs
            return answers

    with pytest.raises(ModelError, match=r"content-free prompt .* was not answered \(log-probabilities that cannot be"):
        run(small_config, Impossible(small_config.scoring))
    _, store, _ = run(small_config)
    assert np.isfinite(store.scores()).all()
    assert (store.calibration()[:2] > 1e-6).all()
