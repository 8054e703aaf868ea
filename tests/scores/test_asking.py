"""Asking: every distinct question once, nothing twice; whatever changes, exactly the questions that changed are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.market import load_panel
from massjax.models.answer import Answer
from massjax.models.forms import Rate
from massjax.models.question import Prompt, Question
from massjax.scores import asking
from massjax.scores.status import Status
from tests.scores.asking import Noting, opened, run
from tests.small_store import written


def shown(questions: Sequence[Question]) -> set[Prompt]:
    return {question.prompt for question in questions}


def test_every_distinct_question_is_asked_once_and_a_second_run_asks_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"].append({"name": "twin", "modalities": ["price"]})
    found = run(written(small, tmp_path))
    distinct = {prompt for name in ("trend", "careful", "twin") for prompt in found.prompts(name)}
    content_free = 2
    assert len(found.asked) == len(shown(found.asked)) == len(distinct) + content_free < 2 * 20 * 12
    assert shown(found.asked) > distinct
    assert {question.form for question in found.asked} == {Rate(("1", "2", "3", "4", "5"))}
    assert found.written.distinct == len(distinct)
    np.testing.assert_array_equal(found.score[:, 0], found.score[:, 3])
    again = run(written(small, tmp_path))
    assert (again.asked, again.tally.asked) == ([], 0)
    np.testing.assert_array_equal(again.score, found.score)
    assert again.scores.place == found.scores.place


def test_growing_dates_and_archetypes_asks_only_what_is_new(small: dict[str, Any], tmp_path: Path) -> None:
    first = run(written(small, tmp_path))
    small["market"]["end"] = "2022-06-24"
    small["agents"]["archetypes"].insert(0, {"name": "dip", "modalities": ["price"], "persona": "You buy dips."})
    grown = run(written(small, tmp_path))
    needed = {prompt for name in ("dip", "trend", "careful") for prompt in grown.prompts(name)}
    assert shown(grown.asked) - needed == {prompt for prompt in shown(grown.asked) if "N/A" in prompt.user}
    assert len(grown.asked) == len(needed - shown(first.asked)) + 1
    assert grown.score.shape == (17, 4, 20)
    assert np.isfinite(grown.score).all()
    np.testing.assert_array_equal(grown.score[:12][:, 1:], first.score)
    small["market"] |= {"start": "2022-05-23"}
    earlier = run(written(small, tmp_path))
    assert not shown(earlier.asked) & (shown(first.asked) | shown(grown.asked))
    assert len(earlier.asked) > 0
    small["market"] |= {"start": "2022-06-03", "end": "2022-06-10"}
    small["agents"]["archetypes"].reverse()
    assert run(written(small, tmp_path)).asked == [], "fewer of anything, in any order, are a view of what is answered"


def with_tables(small: dict[str, Any], folder: Path) -> pl.DataFrame:
    """Put a table of whole facts in the place of the prices' features; the table."""
    panel = load_panel(written(small, folder).market)
    prices, days = np.asarray(panel.prices), panel.dates.tolist()
    rows = [(day, stock, float(prices[n, t])) for n, stock in enumerate(panel.stocks) for t, day in enumerate(days)]
    table = pl.DataFrame(rows, schema=["date", "stock", "close"], orient="row")
    number = {stock: 1.0 + n for n, stock in enumerate(panel.stocks)}
    table = table.with_columns(fact=pl.col("stock").replace_strict(number) * 100 + pl.col("date").rank("dense"))
    table.write_parquet(folder / "table.parquet")
    feature = {"path": "table.parquet", "modality": "mine", "columns": {"fact": "fact"}}
    small["market"] = {
        "source": "tables",
        "prices": {"path": "table.parquet"},
        "features": [feature],
        "horizons": [1],
        "price_features": False,
    }
    small["agents"] = {
        "facts": "numbers",
        "archetypes": [{"name": "one", "modalities": ["mine"]}, {"name": "two", "modalities": ["mine"], "persona": "Calm."}],
    }
    return table


def test_a_changed_cell_is_one_question_an_archetype_and_a_new_stock_its_own(small: dict[str, Any], tmp_path: Path) -> None:
    table = with_tables(small, tmp_path)
    stocks, dates = table["stock"].unique().sort(), table["date"].unique().sort()
    small["market"]["only"] = stocks[:19].to_list()
    first = run(written(small, tmp_path))
    assert len(first.asked) == 2 * (19 * 12 + 1)
    cell = (pl.col("stock") == stocks[7]) & (pl.col("date") == dates[4])
    table.with_columns(fact=pl.when(cell).then(99999.0).otherwise("fact")).write_parquet(tmp_path / "table.parquet")
    changed = run(written(small, tmp_path))
    assert len(changed.asked) == 2
    assert not shown(changed.asked) & shown(first.asked)
    differs = changed.score != first.score
    assert np.argwhere(differs).tolist() == [[4, 0, 7], [4, 1, 7]]
    small["market"]["only"] = None
    grown = run(written(small, tmp_path))
    assert len(grown.asked) == 2 * 12
    np.testing.assert_array_equal(grown.score[:, :, :19], changed.score)
    table.write_parquet(tmp_path / "table.parquet")
    assert run(written(small, tmp_path)).asked == [], "the old value was answered before"


def persona(small: dict[str, Any]) -> None:
    small["agents"]["archetypes"][1]["persona"] = "You are slow to act."


def everything(name: str, value: Any, section: str = "scoring") -> Callable[[dict[str, Any]], None]:
    def change(small: dict[str, Any]) -> None:
        small[section][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (persona, ["careful"]),
        (everything("prefill", "Rating: "), ["trend", "careful"]),
        (everything("seed", 1), ["trend", "careful"]),
        (everything("choices", ["1", "2", "3", "4", "6"]), ["trend", "careful"]),
        (everything("layout", "facts-first", "agents"), ["trend", "careful"]),
        (everything("facts", "numbers", "agents"), ["trend", "careful"]),
        (everything("minimum_coverage", 0.95), []),
        (everything("max_model_len", 4096), []),
        (everything("knowledge_cutoff", "2022-06-10"), []),
    ],
    ids=["persona", "prefill", "seed", "choices", "layout", "facts", "minimum_coverage", "max_model_len", "knowledge_cutoff"],
)
def test_what_changes_decides_what_is_asked(
    small: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None], asked: list[str]
) -> None:
    small["market"]["end"] = "2022-06-03"
    first = run(written(small, tmp_path))
    change(small)
    found = run(written(small, tmp_path))
    assert len(found.asked) == len({question.key for question in (*first.asked, *found.asked)}) - len(first.asked)
    assert {prompt for prompt in shown(found.asked) if "N/A" not in prompt.user} == {p for name in asked for p in found.prompts(name)}
    assert len([prompt for prompt in shown(found.asked) if "N/A" in prompt.user]) <= len(asked)
    assert run(written(small, tmp_path)).asked == []


def test_calibration_asks_a_question_an_archetype_and_leaving_it_out_none(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"]["calibrate"] = False
    plain = run(written(small, tmp_path))
    small["scoring"]["calibrate"] = True
    calibrated = run(written(small, tmp_path))
    assert (len(calibrated.asked), shown(calibrated.asked) & shown(plain.asked)) == (2, set())
    assert not np.array_equal(calibrated.score, plain.score)


def with_models(small: dict[str, Any]) -> dict[str, Any]:
    small["models"] = {"large": {"engine": "fake", "seed": 1}, "unused": {"engine": "fake", "seed": 2}}
    small["agents"]["archetypes"][1]["model"] = "large"
    return small


def test_each_archetype_asks_its_own_model_one_model_after_the_other(small: dict[str, Any], tmp_path: Path) -> None:
    made: list[int] = []

    class Made(Noting):
        def __init__(self, settings: Any, asked: list[Question]) -> None:
            super().__init__(settings, asked)
            made.append(settings.seed)

        def close(self) -> None:
            made.append(-1)

    alone = run(written(small, tmp_path))
    found = run(written(with_models(small), tmp_path), Made)
    assert made == [1, -1], "the other model's questions are answered"
    assert shown(found.asked) >= set(found.prompts("careful"))
    assert len(found.asked) == len(found.prompts("careful")) + 1
    np.testing.assert_array_equal(found.score[:, 0], alone.score[:, 0])
    assert not np.array_equal(found.score[:, 1], alone.score[:, 1])
    assert found.scores.made_from is not None
    assert {name: identity["seed"] for name, identity in found.scores.made_from.models.items()} == {"": "0", "large": "1"}
    small["store"] = str(tmp_path / "new")
    made.clear()
    run(written(small, tmp_path), Made)
    assert made == [0, -1, 1, -1]


def test_a_model_that_is_not_listed_is_refused_with_the_nearest(small: dict[str, Any], tmp_path: Path) -> None:
    with_models(small)["agents"]["archetypes"][1]["model"] = "larg"
    with pytest.raises(ConfigError, match=r"'careful' asks the model 'larg'.*did you mean 'large'"):
        opened(written(small, tmp_path))


@pytest.mark.parametrize("layout", ["archetype-first", "facts-first"])
@pytest.mark.parametrize("pool", [1, 10, 10**6])
def test_pools_hold_each_open_question_once_in_any_size(
    small: dict[str, Any], tmp_path: Path, layout: Any, pool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small["agents"]["archetypes"].append({"name": "twin", "modalities": ["price"]})
    small["agents"]["layout"] = layout
    resolver, _, _ = opened(written(small, tmp_path))
    monkeypatch.setattr(asking, "POOL", pool)
    tried: set[bytes] = set()
    found = list(asking.pools(resolver, "", layout, tried, asking.WHOLE))
    questions = [question for part in found for question in part]
    expected = {question for archetype in resolver.inputs.asking for question in resolver.turn(archetype).questions}
    assert len(questions) == len(set(questions)) == len(expected)
    assert set(questions) == expected
    assert tried == {question.key for question in expected}
    assert (len(found) == 1) == (pool == 10**6)


class Stopping(Noting):
    """Stops after some questions, as Ctrl-C would."""

    questions_at_once = 8
    before: ClassVar[list[Question]] = []

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if len(self.asked) >= 20:
            raise KeyboardInterrupt
        self.before += questions
        return super().answer(questions)


def test_a_stopped_run_keeps_every_answer(small_config: RunConfig) -> None:
    whole = opened(small_config)[0]
    needed = {question for archetype in whole.inputs.asking for question in whole.turn(archetype).questions}
    with pytest.raises(KeyboardInterrupt):
        run(small_config, Stopping)
    rest = run(small_config)
    assert len(Stopping.before) >= 20
    assert sorted(question.key for question in (*Stopping.before, *rest.asked)) == sorted(question.key for question in needed)
    assert (rest.scores.status()[:, :2] == Status.SCORED).all()
