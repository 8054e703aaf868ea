"""Prompt layout and order of asking: the one that leaves fewer tokens to compute, said in the plan, and kept by a store."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from massjax.agents.prompts import sampled_prompts
from massjax.answers.order import computed_tokens, shared
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt
from massjax.scoring.placing import asked_together
from massjax.scoring.plan import plan
from massjax.scoring.templates import SAMPLED_CELLS, choose_template
from massjax.scoring.work import Work, prepare
from massjax.store import ScoreStore
from tests.scoring.test_asking import run
from tests.small_store import written

LONG = "Knows every cycle of the last forty years and trusts none of them. " * 30
text = st.text(alphabet="ab", max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(text, text), min_size=1, max_size=8))
def test_what_is_computed_is_what_the_prompt_before_does_not_begin_with(made: list[tuple[str, str]]) -> None:
    prompts = sorted({Prompt(*pair) for pair in made})

    def in_common(a: Prompt, b: Prompt) -> int:
        """An end of turn stands between system and user, so that texts count as equal only up to the first difference before it."""
        left, right = ([*prompt.system, None, *prompt.user] for prompt in (a, b))
        same = next((place for place, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), min(len(left), len(right)))
        return same - (a.system == b.system)

    for a, b in pairwise(prompts):
        assert shared(a, b) == in_common(a, b)
    total = sum(len(p.system) + len(p.user) for p in prompts) - sum(in_common(a, b) for a, b in pairwise(prompts))
    assert computed_tokens([*prompts, *prompts]) == round(total / CHARACTERS_PER_TOKEN)


def with_long(work: Work, what: str) -> Work:
    """The work with long personas, or with a long text for each of a few situations."""
    if what == "personas":
        return replace(work, archetypes=tuple(a.replace(persona=f"{a.name}. {LONG}") if a.kind == "llm" else a for a in work.archetypes))
    facts = tuple(replace(fact, texts=tuple(f"{text} {LONG}" for text in fact.texts)) for fact in work.facts)
    return replace(work, facts=facts)


@pytest.mark.parametrize(("long", "layout"), [("personas", "archetype-first"), ("facts", "facts-first")])
def test_the_longer_shared_text_comes_first(small: dict[str, Any], tmp_path: Path, long: str, layout: str) -> None:
    small["agents"]["archetypes"] = [{"name": f"a{k}", "persona": f"Number {k}.", "modalities": ["price"]} for k in range(4)]
    work = with_long(prepare(written(small, tmp_path)), long)
    template, choice = choose_template(work.config, work.archetypes, work.facts, work.panel.member)
    assert choice.layout == layout
    assert choice.computed[layout] == min(choice.computed.values()) < max(choice.computed.values())
    sample = sampled_prompts(work.archetypes, work.facts, work.panel.member, template, work.config.scoring.choices, SAMPLED_CELLS)
    assert choice.computed[layout] == computed_tokens(sample)
    rows = plan(replace(work, template=template, order=choice), tmp_path / "none.zarr").table()
    shown = [str(cell) for cell in rows.columns[1].cells]
    assert f"{layout.replace('-', ' ')}: on a sample {choice.computed[layout]:,} of {choice.total:,} tokens" in " ".join(shown)


def test_a_store_keeps_the_layout_it_was_begun_with(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["layout"] = "facts-first"
    work, store, _ = run(written(small, tmp_path))
    small["agents"]["layout"] = "auto"
    again = prepare(written(small, tmp_path))
    assert again.order.layout == "facts-first"
    assert "begun with" in again.order.reason
    assert again.template.sha256 == work.template.sha256 == store.provenance.run_key["prompt_template"]


def test_units_are_asked_in_the_order_of_the_layout(small: dict[str, Any], tmp_path: Path) -> None:
    _, store, _ = run(written(small, tmp_path))
    assert isinstance(store, ScoreStore)
    units = store.units()
    one_by_one = asked_together(store, units, "archetype-first")
    assert [len(group) for group in one_by_one] == [1] * len(units)
    order = [(store.layout.block(group[0]), group[0].archetype) for group in one_by_one]
    assert order == sorted(order)
    together = asked_together(store, units, "facts-first")
    assert [[unit.archetype for unit in group] for group in together] == [[0, 1, 2]] * store.layout.blocks
    assert sorted(unit for group in together for unit in group) == sorted(units)
