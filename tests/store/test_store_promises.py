"""A stale score is never reused, and growing asks only what is new: the whole way from a configuration to the calls of a language model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from massjax.agents import PromptTemplate
from massjax.config import load_config
from massjax.errors import StoreError
from massjax.models.fake import FakeModel
from massjax.models.settings import ScoringSettings
from massjax.scoring.asking import ask_missing
from massjax.scoring.placing import open_or_create
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore, Status, Unit
from tests.small_store import SMALL

IDENTITY = {
    "engine": "vllm 0.32.0",
    "platform": "cpu",
    "weights": "db23",
    "tokenizer": "d8d7",
    "chat_template": "0e14",
    "chat_template_rendered": "<user>USER</user>",
    "model_config": "4634",
    "choice_token_ids": "33 34 35 36 37",
    "sampling": "greedy, one token",
    "tensor_parallel_size": "1",
}
"""What the real model says of itself (see `VLLMModel.identity`)."""


class CountingModel(FakeModel):
    """The fake model, which counts, under the identity of a real one."""

    def __init__(self, settings: ScoringSettings, **identity: str) -> None:
        super().__init__(settings)
        self._identity = {**IDENTITY, **identity}

    def identity(self) -> dict[str, str]:
        return self._identity


def work_of(settings: dict[str, Any], folder: Path, store: Path | str | None = None) -> Work:
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump({**settings, "store": str(store or folder / "s.zarr")}))
    return prepare(load_config(file))


def run(work: Work, **identity: str) -> tuple[ScoreStore, int]:
    """Ask what is missing; the store and how many prompts the model was asked."""
    assert work.config.store is not None
    model = CountingModel(work.config.scoring, **identity)
    store = open_or_create(work, work.config.store, model.identity())
    ask_missing(work, store, model)
    return ScoreStore.open(work.config.store), model.asked


def changed(settings: dict[str, Any], section: str, **values: Any) -> dict[str, Any]:
    return {**settings, section: {**settings[section], **values}}


def distinct(work: Work) -> set[int]:
    return {prompt.digest() for prompts in work.prompts.values() for prompt in prompts.prompts}


@pytest.fixture(scope="module")
def kept(module_path: Path) -> tuple[Work, ScoreStore]:
    """A finished run, to be refused things."""
    work = work_of(SMALL, module_path)
    store, asked = run(work)
    assert asked == len(distinct(work)) + 2
    assert store.missing_units() == []
    return work, store


@pytest.fixture
def done(kept: tuple[Work, ScoreStore], tmp_path: Path) -> tuple[Work, ScoreStore]:
    """A copy of it, to be gone on with."""
    work, store = kept
    path = Path(shutil.copytree(store.path, tmp_path / "s.zarr"))
    return replace(work, config=work.config.replace(store=path)), ScoreStore.open(path)


def state(store: ScoreStore) -> dict[Unit, tuple[str, str]]:
    return {unit: (entry.key, entry.content) for unit, entry in store.entries().items()}


@pytest.mark.parametrize("field", sorted(IDENTITY))
def test_another_model_version_or_numerics_is_refused_and_named(kept: tuple[Work, ScoreStore], field: str) -> None:
    work, store = kept
    before = state(store)
    with pytest.raises(StoreError, match=rf"engine\.{field}: the store has {IDENTITY[field]!r}, this run has 'another'"):
        run(work, **{field: "another"})
    assert state(ScoreStore.open(store.path)) == before


def own_template(work: Work, folder: Path) -> Work:
    import massjax.agents.prompts

    packaged = next((Path(massjax.agents.prompts.__file__).parent).rglob("investor.j2"))
    (folder / "own.j2").write_text(packaged.read_text().replace("investor", "trader"))
    return replace(work, template=PromptTemplate(folder / "own.j2"))


def test_these_are_all_the_fields_that_a_store_of_a_real_model_has(root: Path) -> None:
    """Those of the bundled store, which vLLM's answers filled: none of them is without a test here."""
    known = set(ScoreStore.open(root / "cache" / "demo.zarr").provenance.run_key)
    assert known == {*(f"engine.{field}" for field in IDENTITY), *SCORING, *AGENTS, "prompt_template"}


SCORING = {
    "choices": ("A", "B", "C", "D", "E"),
    "prefill": "Rating: ",
    "calibrate": False,
    "minimum_coverage": 0.1,
    "dtype": "float32",
    "head_dtype": "model",
    "compile": True,
    "seed": 1,
}
AGENTS = {"facts": "numbers", "mask": False}


@pytest.mark.parametrize("field", [*SCORING, *AGENTS, "prompt_template"])
def test_another_setting_is_refused_and_named(kept: tuple[Work, ScoreStore], tmp_path: Path, field: str) -> None:
    work, store = kept
    before, config = state(store), work.config
    if field in SCORING:
        other = replace(work, config=config.replace(scoring=config.scoring.replace(**{field: SCORING[field]})))
    elif field in AGENTS:
        other = replace(work, config=config.replace(agents=config.agents.replace(**{field: AGENTS[field]})))
    else:
        other = own_template(work, tmp_path)
    with pytest.raises(StoreError, match=rf"\n  {field}: the store has .*, this run has "):
        run(other)
    assert state(ScoreStore.open(store.path)) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modalities", ("risk",)),
        ("risk_aversion", "low"),
        ("horizon", "days"),
        ("seniority", "junior"),
        ("persona", "Bold."),
        ("replica", 1),
    ],
)
def test_another_archetype_of_the_same_name_is_refused_and_named(kept: tuple[Work, ScoreStore], field: str, value: Any) -> None:
    work, store = kept
    before = state(store)
    first, *others = work.archetypes
    with pytest.raises(StoreError, match=rf"(?s)archetype 'trend' was scored .*\n  {field}: the store has .*, this run has "):
        run(replace(work, archetypes=(first.replace(**{field: value}), *others)))
    assert state(ScoreStore.open(store.path)) == before


def test_another_input_row_makes_exactly_the_units_that_show_it_be_asked(done: tuple[Work, ScoreStore]) -> None:
    """One fact of one stock on one date changes: of the archetypes those that see it are asked, on the block of that date."""
    work, store = done
    before, scores = state(store), store.scores().copy()
    place = next(place for place, fact in enumerate(work.facts) if fact.modality == "risk")
    fact = work.facts[place]
    codes = fact.codes.copy()
    codes[3, 7] = (codes[3, 7] + 1) % len(fact.texts)
    facts = (*work.facts[:place], replace(fact, codes=codes), *work.facts[place + 1 :])
    other = replace(work, facts=facts)
    unit = set(other.digests["careful"][:, 5:10].ravel().tolist())
    elsewhere = {*other.digests["trend"].ravel().tolist(), *np.delete(other.digests["careful"], slice(5, 10), axis=1).ravel().tolist()}
    store, asked = run(other)
    assert asked == len(unit - elsewhere)
    after = state(store)
    careful = store.archetypes.index("careful")
    affected = {unit for unit in after if after[unit] != before[unit]}
    assert {(unit.archetype, store.layout.block(unit)) for unit in affected} == {(careful, 1)}
    differs = np.argwhere(store.scores() != scores)
    assert {tuple(cell) for cell in differs} <= {(careful, 3, 7)}


def grown(**change: Any) -> dict[str, Any]:
    settings = SMALL
    for section, values in change.items():
        settings = changed(settings, section, **values)
    return settings


@pytest.mark.parametrize(
    ("settings", "content_free"),
    [
        (grown(market={"end": "2022-06-24"}), 0),
        (grown(agents={"archetypes": [*SMALL["agents"]["archetypes"], {"name": "bold", "modalities": ["risk"]}]}), 1),
        (grown(agents={"archetypes": [*SMALL["agents"]["archetypes"], {"name": "trend-2", "modalities": ["price"], "replica": 1}]}), 1),
    ],
    ids=["dates", "archetypes", "replicas"],
)
def test_growing_asks_the_model_for_new_prompts_alone(
    done: tuple[Work, ScoreStore], tmp_path: Path, settings: dict[str, Any], content_free: int
) -> None:
    work, store = done
    before, old = state(store), store.scores()
    larger = work_of(settings, tmp_path)
    new = distinct(larger) - distinct(work)
    store, asked = run(larger)
    assert len(new) <= asked <= len(new) + content_free
    assert store.missing_units() == []
    after = state(store)
    assert {unit: after[unit] for unit in before} == before
    np.testing.assert_array_equal(store.scores()[: old.shape[0], :, : old.shape[2]], old)
    assert run(larger)[1] == 0


def test_growing_by_stocks_asks_the_model_for_new_prompts_alone(done: tuple[Work, ScoreStore]) -> None:
    """The store of 12 stocks grows to hold the other 8; facts are those of the whole market all along."""
    whole, _ = done
    assert whole.config.store is not None
    path = whole.config.store.with_name("few.zarr")
    few = narrowed(whole, 12, path)
    store, first = run(few)
    before, old = state(store), store.scores()
    store, second = run(replace(whole, config=whole.config.replace(store=path)))
    assert (first, second) == (len(distinct(few)) + 2, len(distinct(whole) - distinct(few)))
    after = state(store)
    assert {unit: after[unit] for unit in before} == before
    np.testing.assert_array_equal(store.scores(archetypes=["trend", "careful"])[:, :12], old[:2])
    assert (store.status(archetypes=["trend", "careful"]) == Status.SCORED).all()


def narrowed(work: Work, stocks: int, path: Path) -> Work:
    """The language-model archetypes' work on the first stocks of the panel alone, the facts left as they are."""
    panel = work.panel
    features = {name: replace(feature, values=feature.values[:stocks]) for name, feature in panel.features.items()}
    narrow = replace(
        panel,
        stocks=panel.stocks[:stocks],
        member=panel.member[:stocks],
        last_priced=None if panel.last_priced is None else panel.last_priced[:stocks],
        features=features,
        forward_returns={horizon: values[:stocks] for horizon, values in panel.forward_returns.items()},
        prices=None if panel.prices is None else panel.prices[:stocks],
    )
    facts = tuple(replace(fact, codes=fact.codes[:stocks]) for fact in work.facts)
    return replace(work, panel=narrow, facts=facts, archetypes=work.archetypes[:2], config=work.config.replace(store=path))
