"""The plan counts what asking would do, without a model, and changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from massjax.agents import TextCounts
from massjax.config import RunConfig
from massjax.machine import this_machine
from massjax.models.fake import Fake
from massjax.models.forms import Rate
from massjax.models.model_check import ModelCheck, check_model
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.pipeline import precompute
from massjax.scores.plan import Plan, said_time
from massjax.scores.printing import lines_of
from massjax.scores.survey import Example, survey
from tests.scores.asking import opened, run
from tests.scores.test_stage_texts import ADVISED, NOTE, STRATEGY
from tests.small_store import written


def plan(config: RunConfig) -> Plan:
    found = precompute(config, plan=True)
    assert isinstance(found, Plan)
    return found


def test_before_and_after_a_run(small_config: RunConfig) -> None:
    before = plan(small_config)
    assert not Path(str(small_config.store)).exists()
    (model,) = before.models
    assert (before.scores, before.stored, before.rule_scores) == (2 * 20 * 12, 0, 20 * 12)
    assert (before.to_ask, model.calibrating, model.texts) == (before.prompts + 2, 2, 0)
    found = run(small_config)
    assert len(found.asked) == before.to_ask
    assert found.written.distinct == before.prompts
    after = plan(small_config)
    assert (after.stored, after.to_ask, after.models[0].asking.prompt_tokens) == (after.scores, 0, 0)
    assert said_time(after.models[0]) == "none: nothing is left to ask"


def test_tokens_are_those_of_the_prompts_and_what_begins_alike_is_shared(small_config: RunConfig) -> None:
    (model,) = plan(small_config).models
    resolver, _, _ = opened(small_config)
    prompts = {question.prompt for archetype in resolver.inputs.asking for question in resolver.turn(archetype).questions}
    expected = sum(len(prompt.system) + len(prompt.user) for prompt in prompts) / CHARACTERS_PER_TOKEN
    assert model.asking.prompt_tokens == pytest.approx(expected, abs=3)
    assert 0 < model.asking.computed_tokens < model.asking.prompt_tokens


def test_a_price_gives_a_cost_and_a_rate_a_time(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"] |= {"price_per_million_tokens": 2.0, "prompts_per_second": 10.0}
    (model,) = (found := plan(written(small, tmp_path))).models
    assert model.cost == model.asking.prompt_tokens * 2e-6
    assert model.seconds == model.open / 10.0
    assert "at 10 prompts a second, as prompts_per_second says" in said_time(model)
    assert found.table().row_count == 13


def test_without_answers_there_is_no_basis_and_with_some_there_is_one(small: dict[str, Any], tmp_path: Path) -> None:
    config = written(small, tmp_path)
    (model,) = plan(config).models
    assert (model.seconds, model.asking.basis) == (None, None)
    assert said_time(model).startswith("unknown: the log has no answers of this model to prompts of this length")
    resolver, models, _ = opened(config)
    questions = resolver.turn(resolver.inputs.asking[0]).questions
    fake = Fake(config.scoring)
    answers = [answer._replace(seconds=0.5) for answer in fake.answer(questions)]
    resolver.log.append(fake.identity(), questions, answers, str(this_machine()))
    (model,) = plan(config).models
    assert model.asking.basis is not None
    assert model.asking.basis.answers == len(questions)
    assert model.seconds == pytest.approx(0.5 * model.open, rel=0.35), "prompts are about as long"
    assert f"(as {len(questions):,} answers of this log took on this machine)" in said_time(model)
    assert datetime.now(UTC) > resolver.log.models()[models[""].digest].last


def test_a_grown_run_needs_only_the_rest(small: dict[str, Any], tmp_path: Path) -> None:
    run(written(small, tmp_path))
    small["market"]["end"] = "2022-06-24"
    config = written(small, tmp_path)
    found = plan(config)
    assert 0 < found.to_ask < found.prompts
    assert 480 <= found.stored < found.scores
    assert len(run(config).asked) == found.to_ask


def test_each_model_has_a_plan_of_its_own(small: dict[str, Any], tmp_path: Path) -> None:
    small["models"] = {"large": {"engine": "fake", "seed": 1, "price_per_million_tokens": 3.0}}
    small["agents"]["archetypes"][1]["model"] = "large"
    first, second = plan(written(small, tmp_path)).models
    assert (first.name, first.cost, second.name) == ("", None, "large")
    assert second.cost == second.asking.prompt_tokens * 3e-6
    shown = [str(cell) for cell in plan(written(small, tmp_path)).table().columns[0].cells]
    assert {"prompts to ask of scoring", "prompts to ask of large"} <= set(shown)


def test_texts_of_the_first_stage_that_lacks_some_are_counted(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"] |= {"stages": [STRATEGY, NOTE], "archetypes": [{"name": "plain", "modalities": ["price"]}, ADVISED]}
    found = plan(written(small, tmp_path))
    assert (found.waiting, found.models[0].texts) == ({"advised": "strategy"}, 1)
    assert found.models[0].open == 1 + found.prompts + 1
    assert found.scores == 240, "those of the other are counted when its texts are there"


def test_texts_known_shown_and_left_out_are_counted(tmp_path: Path) -> None:
    days = [date(2022, 1, 3) + timedelta(days=n) for n in range(5)]
    prices = [(day, stock, 10.0 + n) for n, day in enumerate(days) for stock in "AB"]
    pl.DataFrame(prices, schema=["date", "stock", "close"], orient="row").write_csv(tmp_path / "prices.csv")
    news = [(datetime(2022, 1, 4, hour), "A", f"news of {hour}") for hour in (8, 9, 10)] + [(datetime(2022, 1, 4, 11), "A", "NEWS of 10!")]
    pl.DataFrame(news, schema=["time", "stock", "text"], orient="row").write_csv(tmp_path / "news.csv")
    values = {
        "market": {
            "source": "tables",
            "prices": {"path": "prices.csv"},
            "texts": [{"path": "news.csv", "timestamp": "time"}],
            "horizons": [1],
            "price_features": False,
        },
        "agents": {"archetypes": [{"name": "reader", "modalities": ["news"]}], "texts_per_prompt": 2},
        "scoring": {"engine": "fake"},
        "store": "store",
    }
    found = plan(written(values, tmp_path))
    assert found.given == TextCounts(known=4, shown=2, repeated=1, left_out=1)
    labels, counts = (list(column.cells) for column in found.table().columns)
    rows = dict(zip(labels, counts, strict=True))
    assert (rows["texts known"], rows["of them shown in a prompt"], rows["left out: beyond agents.texts_per_prompt"]) == ("4", "2", "1")


def test_one_whole_prompt_an_archetype_and_nothing_in_it_steers_the_terminal(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"].append({"name": "twin", "modalities": ["price"]})
    config = written(small, tmp_path)
    examples, panel = plan(config).examples, opened(config)[0].inputs.panel
    assert [example.archetypes for example in examples] == [("trend", "twin"), ("careful",)], "the same prompt is shown once"
    for example in examples:
        assert example.about == f"stock {panel.stocks[0]} on {panel.dates[0]}"
        whole = [line for message in example.prompt for line in message.split("\n")]
        assert [line[4:] for line in lines_of(example) if line.startswith("    ")] == whole
    foreign = Example(("a\x1b]0;x\x07",), "stock X", Prompt("be\x1b[2Jgin", "one\n\u202etwo"))
    assert list(lines_of(foreign)) == [
        "Prompt of archetype a\\x1b]0;x\\x07 about stock X",
        *("  system:", "    be\\x1b[2Jgin", "  user:", "    one", "    \\u202etwo"),
    ]


def test_prompts_that_are_too_long_are_counted_and_the_first_named_by_stock_and_date(small: dict[str, Any], tmp_path: Path) -> None:
    small["scoring"] = {"engine": "vllm", "model": str(tmp_path / "none"), "max_model_len": 16}
    config = written(small, tmp_path)
    found = plan(config)
    assert "no such folder" in found.warnings[0]
    assert found.warnings[1].startswith(f"about {found.to_ask} prompts are too long for scoring.max_model_len (16 tokens")
    resolver, _, _ = opened(config)
    panel = resolver.inputs.panel
    assert f"about stock {panel.stocks[0]} on {panel.dates[0]}" in found.warnings[1]
    careful = resolver.inputs.asking[1]
    turn = resolver.turn(careful)
    assert turn.asks is not None
    row = turn.asks.index[7, -1]
    only = turn.prompts[row]
    check = ModelCheck("", count=lambda prompts: [999 if prompt == only else 1 for prompt in prompts])
    told = survey(resolver, {"": check})
    t, n = min(zip(*(row == turn.asks.index.T).nonzero(), strict=True))
    assert (told.too_long, told.long) == (1, [(t, n, "careful", 999)])


def test_a_plan_says_what_it_knows_of_the_model(small: dict[str, Any], tmp_path: Path) -> None:
    (model,) = plan(written(small, tmp_path)).models
    assert (
        model.said == check_model(written(small, tmp_path).scoring, [Rate(("1", "2"))]).said == "none: the fake engine answers with noise"
    )
    assert model.dtype == "the engine's own"
