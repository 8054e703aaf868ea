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
from massjax.models.question import CHARACTERS_PER_TOKEN, Prompt, Question
from massjax.scores.asking import WHOLE, pools
from massjax.scores.inputs import Inputs, prepare
from massjax.scores.templates import SAMPLED_CELLS, choose_template
from tests.scores.asking import opened, run
from tests.scores.test_plan import plan
from tests.small_store import written

LONG = "Knows every cycle of the last forty years and trusts none of them. " * 30
text = st.text(alphabet="ab", max_size=12)


@settings(max_examples=60)
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


def with_long(inputs: Inputs, what: str) -> Inputs:
    """Inputs with long personas, or with a long text for each of a few situations."""
    if what == "personas":
        return replace(
            inputs, archetypes=tuple(a.replace(persona=f"{a.name}. {LONG}") if a.kind == "llm" else a for a in inputs.archetypes)
        )
    return replace(inputs, facts=tuple(replace(fact, texts=tuple(f"{text} {LONG}" for text in fact.texts)) for fact in inputs.facts))


@pytest.mark.parametrize(("long", "layout"), [("personas", "archetype-first"), ("facts", "facts-first")])
def test_the_longer_shared_text_comes_first(small: dict[str, Any], tmp_path: Path, long: str, layout: str) -> None:
    small["agents"]["archetypes"] = [{"name": f"a{k}", "persona": f"Number {k}.", "modalities": ["price"]} for k in range(4)]
    config = written(small, tmp_path)
    inputs = with_long(prepare(config), long)
    template, choice = choose_template(inputs, lambda prompts: 0)
    assert choice.layout == layout
    assert choice.computed[layout] == min(choice.computed.values()) < max(choice.computed.values())
    sample = sampled_prompts(inputs.asking, inputs.facts, inputs.panel.member, template, config.scoring.choices, SAMPLED_CELLS)
    assert choice.computed[layout] == computed_tokens(sample)
    shown = [str(cell) for cell in replace(plan(config), order=choice).table().columns[1].cells]
    assert f"{layout.replace('-', ' ')}: on a sample {choice.computed[layout]:,} of {choice.total:,} tokens" in " ".join(shown)


def test_a_layout_is_kept_where_answers_were_given_under_it(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["layout"] = "facts-first"
    first = run(written(small, tmp_path))
    small["agents"]["layout"] = "auto"
    small["agents"]["archetypes"].append({"name": "long", "modalities": ["price"], "persona": LONG})
    resolver, _, order = opened(written(small, tmp_path))
    assert order.layout == "facts-first"
    assert order.reason == "answers were given under it before"
    assert resolver.template.sha256 == first.resolver.template.sha256
    grown = run(written(small, tmp_path))
    assert len(grown.asked) == len(grown.prompts("long")) + 1
    assert grown.scores.made_from is not None
    assert grown.scores.made_from.settings["prompt_template"] == first.resolver.template.sha256


def test_questions_are_gathered_in_the_order_of_the_layout(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("massjax.scores.asking.POOL", 1)
    resolver, _, _ = opened(written(small, tmp_path))

    def systems(questions: list[Question]) -> set[str]:
        return {question.prompt.system for question in questions}

    by_archetype = list(pools(resolver, "", "archetype-first", set(), WHOLE))
    assert [len(systems(part)) for part in by_archetype] == [1, 1]
    together = list(pools(resolver, "", "facts-first", set(), WHOLE))
    assert len(together) > 2
    assert len(systems(together[0])) == 2
