"""The scores of a run: a tensor made from the same things, else what the answers in the log come to; and what differs, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import ConfigError, StoreError
from massjax.models import identity
from massjax.models.answer import Answer
from massjax.models.identity import known_identity
from massjax.models.question import Question
from massjax.precompute import main as precompute
from massjax.scores import fitting, gathering, inputs as inputs_room
from massjax.scores.fitting import fitting_scores
from massjax.scores.gathering import gather_scores
from massjax.scores.inputs import prepare
from massjax.scores.made_from import difference
from massjax.scores.memory import needed_memory
from massjax.scores.scores import Scores
from tests.scores.asking import Noting, run
from tests.small_store import written

Change = Callable[[dict[str, Any]], Any]


def gathered(small: dict[str, Any], folder: Path) -> gathering.GatheredScores:
    return gather_scores(prepare(written(small, folder)))


def test_scores_are_those_of_the_tensor_and_of_the_rules_in_the_order_of_the_archetypes(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trend, careful, rule = small["agents"]["archetypes"]
    found = run(written(small, tmp_path))
    small["agents"]["archetypes"] = [careful, rule, trend]
    monkeypatch.setattr(fitting, "scores_of_log", None)
    for at_once in (1, gathering.READ_AT_ONCE):
        monkeypatch.setattr(gathering, "READ_AT_ONCE", at_once)
        scores = gathered(small, tmp_path).scores
        np.testing.assert_array_equal(np.moveaxis(scores, 2, 0), found.score[:, [1, 2, 0]])
        assert np.moveaxis(scores, 2, 0).flags.c_contiguous, "held once, a date after the other"


@pytest.mark.parametrize(
    "narrower",
    [
        lambda small: small["agents"]["archetypes"].pop(1),
        lambda small: small["market"].update(start="2022-06-03", end="2022-06-09"),
        lambda small: small["agents"]["archetypes"].reverse(),
        lambda small: small["evaluate"].update(horizon=1),
    ],
    ids=["archetypes", "dates", "order", "what only optimize uses"],
)
def test_a_narrower_run_reads_the_tensor(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrower: Change) -> None:
    found = run(written(small, tmp_path))
    narrower(small | {"evaluate": small.setdefault("evaluate", {})})
    inputs = prepare(written(small, tmp_path))
    monkeypatch.setattr(fitting, "scores_of_log", None)
    scores = gather_scores(inputs)
    rows = [found.scores.archetypes.index(one.name) for one in inputs.archetypes]
    columns = np.searchsorted(found.scores.dates, inputs.panel.dates)
    np.testing.assert_array_equal(np.moveaxis(scores.scores, 2, 0), found.score[np.ix_(columns, rows)])
    assert scores.warnings == ()
    assert scores.source["identity"] == {"scoring": {"engine": "fake", "model": "no model: answers are noise", "seed": "0"}}


def test_fewer_stocks_and_new_names_are_a_view_of_the_log(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["facts"] = "numbers"
    found = run(written(small, tmp_path))
    small["market"]["only"] = ["MSFT", "AAPL", "XOM"]
    small["agents"]["archetypes"][0]["name"] = "momentum"
    places = [found.scores.stocks.index(name) for name in ("AAPL", "MSFT", "XOM")]
    scores = gathered(small, tmp_path)
    np.testing.assert_array_equal(np.moveaxis(scores.scores[:2], 2, 0), found.score[:, :2, places])
    assert scores.warnings == ()


def test_an_archetype_whose_model_or_stage_is_left_out_leaves_the_tensor_fitting(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small["models"] = {"large": {"engine": "fake", "seed": 1}}
    small["agents"]["archetypes"][1]["model"] = "large"
    run(written(small, tmp_path))
    monkeypatch.setattr(fitting, "scores_of_log", None)
    small["agents"]["archetypes"].pop(1)
    assert gathered(small, tmp_path).warnings == ()


def change_field(number: int, **fields: Any) -> Change:
    return lambda small: small["agents"]["archetypes"][number].update(fields)


def change_section(section: str, **fields: Any) -> Change:
    return lambda small: small[section].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_field(0, persona="You chase."), r"archetype 'trend': its persona was None, now it is 'You chase.'"),
        (change_field(1, risk_aversion="low", horizon="days"), r"archetype 'careful': its horizon was None, now it is 'days'"),
        (change_field(1, name="carefull", persona="New."), r"archetype 'carefull' is not among them \(did you mean 'careful'"),
        (change_section("market", end="2022-06-24"), r"5 of 17 dates are not among them, the first being 2022-06-17"),
        (change_section("market", start="2022-05-02"), r"21 of 33 dates are not among them, the first being 2022-05-02"),
        (change_section("agents", mask=False), r"the setting mask: they were made with True, this run has False"),
        (change_section("agents", facts="numbers"), r"the setting facts: they were made with 'words', this run has 'numbers'"),
        (change_section("scoring", choices=["a", "b"]), r"the setting choices: they were made with \['1', '2', '3', '4', '5'\]"),
        (change_section("scoring", prefill="R: "), r"the setting prefill: they were made with ''"),
        (change_section("scoring", seed=1), r"the model of scoring: its seed was '0', this run has '1'"),
        (change_section("agents", features=["return_1w", "volatility_60d"]), r"what prompts show of 'price' has changed on 12 of 12 dates"),
    ],
)
def test_what_has_changed_is_named(small: dict[str, Any], tmp_path: Path, change: Change, words: str) -> None:
    run(written(small, tmp_path))
    change(small)
    with pytest.raises(StoreError, match=rf"{words}.*not answered.*; run python -m massjax.precompute with this"):
        gathered(small, tmp_path)


def test_another_model_is_named_without_its_files(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    small["scoring"] = {"engine": "vllm", "model": "a/other"}
    with pytest.raises(
        StoreError, match=r"the setting models.scoring: they were made with \{'engine': 'fake', 'model': ''\}, this run has .*'other'"
    ):
        gathered(small, tmp_path)


class Loaded(Noting):
    """The fake model in the place of one with files."""

    def identity(self) -> dict[str, str]:
        return known_identity(self.settings)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_changed_files_of_a_model_are_named_where_they_are_here(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(identity, "_version", lambda: {"version": "1"})
    model = tmp_path / "model"
    model.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        (model / file).write_text("{}")
    small["scoring"] = {"engine": "vllm", "model": str(model), "dtype": "float32"}
    found = run(written(small, tmp_path), Loaded)
    (model / "README.md").write_text("of no importance")
    kept = gathered(small, tmp_path)
    assert kept.source["path"] == found.scores.place
    (model / name).write_text("[]")
    with pytest.raises(StoreError, match=rf"the model of scoring: other files than those that answered: {name}\).*not answered"):
        gathered(small, tmp_path)
    (model / name).write_text("{}") if name in ("model.safetensors", "tokenizer.json") else (model / name).unlink()
    np.testing.assert_array_equal(gathered(small, tmp_path).scores, kept.scores)
    (model / name).write_text("[]")
    again = run(written(small, tmp_path), Loaded)
    assert len(again.asked) == len(found.asked)
    model.rename(tmp_path / "away")
    assert gathered(small, tmp_path).source["path"] == again.scores.place, "without the files there is nothing to compare"


def test_settings_that_an_answer_comes_to_are_applied_to_the_answers_that_are_there(small: dict[str, Any], tmp_path: Path) -> None:
    found = run(written(small, tmp_path))
    small["scoring"] |= {"calibrate": False}
    plain = gathered(small, tmp_path).scores
    assert np.isfinite(plain).all()
    assert not np.array_equal(np.moveaxis(plain, 2, 0)[:, :2], found.score[:, :2])
    small["scoring"] |= {"calibrate": True, "minimum_coverage": 0.95}
    assert np.isnan(gathered(small, tmp_path).scores[:2]).all()


def test_a_changed_fact_is_named_by_its_first_date(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    inputs = prepare(written(small, tmp_path))
    codes = inputs.facts[0].codes.copy()
    codes[3, 5:] = (codes[3, 5:] + 1) % len(inputs.facts[0].texts)
    held = Scores.open(tmp_path / "store").made_from
    changed = replace(inputs, facts=(replace(inputs.facts[0], codes=codes), *inputs.facts[1:]))
    assert held is not None
    wanted = changed.made_from(held.settings["prompt_template"])
    told = difference(held, wanted)
    assert told is not None
    modality = inputs.facts[0].modality
    what = f"of {modality!r}" if modality else "of who is in the universe"
    assert told.startswith(f"what prompts show {what}")
    assert told.endswith(f"has changed on 7 of 12 dates, the first being {inputs.panel.dates[5]}")
    assert difference(held, inputs.made_from(held.settings["prompt_template"])) is None


class Half(Noting):
    """Is stopped midway."""

    questions_at_once = 7

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if len(self.asked) > 7:
            raise KeyboardInterrupt
        return super().answer(questions)


def test_a_run_that_was_stopped_works_with_what_is_answered_and_warns(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["calibrate"] = False
    small["agents"]["archetypes"].pop(1)
    small["agents"]["features"] += ["momentum_12m", "return_1w", "beta_6m"]
    with pytest.raises(KeyboardInterrupt):
        run(written(small, tmp_path), Half)
    found = gathered(small, tmp_path)
    known = np.isfinite(found.scores[0])
    assert 0 < known.sum() < known.size
    told = " ".join(found.warnings)
    assert "lack the scores of some archetypes or stocks, the first being 2022-06-01" in told
    assert "run `python -m massjax.precompute`" in told
    whole = run(written(small, tmp_path))
    np.testing.assert_array_equal(found.scores[0][known], whole.score[:, 0].T[known])
    assert gathered(small, tmp_path).warnings == ()


def test_nothing_there_is_told(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    with pytest.raises(StoreError, match=r"holds no scores; run python -m massjax\.precompute"):
        fitting_scores(prepare(config), tmp_path / "store")
    (tmp_path / "old" / "ledger").mkdir(parents=True)
    with pytest.raises(StoreError, match="is a score store of an earlier massjax"):
        fitting_scores(prepare(config), tmp_path / "old")
    assert precompute(["--config", str(tmp_path / "run.yaml"), "--store", str(tmp_path / "old")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "run.yaml"], "reading makes nothing"


def test_rules_alone_need_no_facts_and_no_store(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"] = small["agents"]["archetypes"][2:]
    small["store"] = None
    inputs = prepare(written(small, tmp_path))
    assert inputs.facts == ()
    np.testing.assert_array_equal(gather_scores(inputs).scores[0], inputs.rule_scores["low-volatility"])
    small["agents"]["features"] = ["momentum_7m"]
    with pytest.raises(ConfigError, match=r"agents\.features.*'momentum_7m'.*did you mean"):
        prepare(written(small, tmp_path))


def test_scores_that_do_not_fit_into_memory_are_refused_before_they_are_read(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small["agents"]["archetypes"] = small["agents"]["archetypes"][2:]
    inputs = prepare(written(small, tmp_path))
    need = needed_memory(1, *inputs.panel.member.shape)
    monkeypatch.setattr(gathering, "free_host_bytes", lambda: need)
    assert gather_scores(inputs).scores.shape[0] == 1
    monkeypatch.setattr(gathering, "free_host_bytes", lambda: need - 1)
    with pytest.raises(ConfigError, match=r"the scores of 1 archetype on 20 stocks and 12 dates take .* take fewer dates"):
        gather_scores(inputs)


def test_what_somebody_keeps_beside_the_tensors_is_left_alone(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    own = tmp_path / "store" / "scores" / "of_another_tool"
    own.mkdir(parents=True)
    (own / "scores.csv").write_text("date,stock,score")
    (own.parent / "notes.txt").write_text("read me")
    first = run(config)
    small["scoring"]["seed"] = 1
    second = run(written(small, tmp_path))
    assert sorted(one.name for one in own.parent.iterdir()) == sorted(["notes.txt", "of_another_tool", Path(second.scores.place).name])
    assert (own / "scores.csv").read_text() == "date,stock,score"
    assert first.scores.place != second.scores.place == gathered(small, tmp_path).source["path"]


def test_a_stock_that_is_never_in_the_universe_may_come_and_go(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(small, tmp_path)
    whole = prepare(config).panel
    fewer = whole.only(whole.stocks[1:])
    out = replace(whole, member=whole.member & (np.arange(len(whole.stocks)) > 0)[:, None])
    shown = []
    for panel in (fewer, out, fewer):
        monkeypatch.setattr(inputs_room, "load_panel", lambda _, panel=panel: panel)
        asked = run(config).asked
        assert not shown or asked == []
        shown.append(gather_scores(prepare(config)).scores[:, -len(fewer.stocks) :])
    np.testing.assert_array_equal(shown[0], shown[1])
    np.testing.assert_array_equal(shown[0], shown[2])


def test_another_order_of_facts_is_another_run(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    for order, message in (("reversed", r"the setting facts_order: they were made with None, this run has 'reversed'"), ("given", "")):
        changed = {**small, "agents": {**small["agents"], "facts_order": order}}
        if message:
            with pytest.raises(StoreError, match=message):
                fitting_scores(prepare(written(changed, tmp_path)), tmp_path / "store")
            assert run(written(changed, tmp_path)).asked
        assert fitting_scores(prepare(written(changed, tmp_path)), tmp_path / "store")
