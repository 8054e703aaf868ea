"""What is varied, and in which configurations: each value in its place, everything else as it was, and what cannot be varied named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massjax.agents.protocols.desk import with_inherited
from massjax.agents.protocols.graph import organisation
from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.experiments.variants import Varied, parse_varied, variants
from massjax.scores.inputs import prepare
from tests.small_store import written

PLAIN = {"name": "plain", "modalities": ["price"]}
DESK = {"name": "desk", "modalities": ["price"], "protocol": "desk"}


def config_of(small: dict[str, Any], tmp_path: Path, *archetypes: dict[str, Any]) -> RunConfig:
    small["agents"]["archetypes"] = list(archetypes)
    return written(small, tmp_path)


def made(config: RunConfig, *given: str, only: tuple[str, ...] = ()) -> list[RunConfig]:
    return [variant.config for variant in variants(config, prepare(config).asking, parse_varied(given), only)]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["seniority=junior,senior"], Varied("", "seniority", ("junior", "senior"))),
        (["trader.horizon = week , year"], Varied("trader", "horizon", ("week", "year"))),
        (["mask=true,false"], Varied("", "mask", (True, False))),
        (["head.model=small,null"], Varied("head", "model", ("small", None))),
        (["persona=You like risk, a lot.", "persona="], Varied("", "persona", ("You like risk, a lot.", ""))),
        (["persona=['a, b', c]"], Varied("", "persona", ("a, b", "c"))),
    ],
)
def test_what_is_varied_is_read(given: list[str], found: Varied) -> None:
    assert parse_varied(given) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["seniority"], "expected FIELD=VALUE"),
        (["seniority=junior"], "nothing to compare 'junior' with"),
        (["seniority=junior", "horizon=days"], "one setting at a time"),
        (["seniority=junior,junior"], "'junior' is there twice"),
        (["modalities=[news],[price]"], r"is no list; values that are lists stand in one, as in \[\[news\], \[price\]\]"),
    ],
)
def test_what_cannot_be_read_is_told(given: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_varied(given)


def test_the_role_that_decides_is_varied_unless_another_is_named(small: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(small, tmp_path, DESK)
    junior, senior = (one.agents.archetypes[0] for one in made(config, "seniority=junior,senior"))
    assert (junior.roles["head"].seniority, senior.roles["head"].seniority) == ("junior", "senior")
    week = made(config, "trader.horizon=week,year")[0].agents.archetypes[0]
    assert week.roles["trader"].horizon == "week"
    assert week.name == "desk"


def test_an_empty_persona_is_none_and_not_the_archetypes(small: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(small, tmp_path, {**DESK, "persona": "You like trains."})
    for found, persona in zip(made(config, "trader.persona=", "trader.persona=You like ships."), ("", "You like ships."), strict=True):
        (archetype,) = found.agents.archetypes
        roles = {one.name: with_inherited(one, archetype) for one in organisation(found.agents.protocol("desk"), archetype.roles).roles}
        assert roles["trader"].persona == persona


def test_an_archetype_without_roles_is_varied_itself(small: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(small, tmp_path, PLAIN, {**PLAIN, "name": "other", "persona": "You like trains."})
    days, weeks = made(config, "horizon=days,weeks", only=("plain",))
    assert [one.name for one in days.agents.archetypes] == ["plain"]
    assert (days.agents.archetypes[0].horizon, weeks.agents.archetypes[0].horizon) == ("days", "weeks")


def test_prompts_are_varied_for_all(small: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(small, tmp_path, PLAIN, DESK)
    assert [one.agents.mask for one in made(config, "mask=true,false")] == [True, False]
    assert [one.agents.facts_order for one in made(config, "order=given,reversed")] == ["given", "reversed"]


def test_masks_that_count_for_nothing_are_not_varied(small: dict[str, Any], tmp_path: Path) -> None:
    config = config_of(small, tmp_path, {**PLAIN, "hindsight": "none"})
    with pytest.raises(ConfigError, match=r"--vary mask: agents\.hindsight, or that of an archetype, is set"):
        made(config, "mask=true,false")


def test_a_grid_is_written_out(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"] |= {"archetypes": [], "grid": {"modalities": [["price"], ["risk"]]}}
    first = made(written(small, tmp_path), "risk_aversion=low,high")[0]
    assert first.agents.grid is None
    assert [one.modalities for one in first.agents.archetypes] == [("price",), ("risk",)]


@pytest.mark.parametrize(
    ("given", "only", "words"),
    [
        ("hed.seniority=junior,senior", ("desk",), r"no role 'hed' \(did you mean 'head'\?\)"),
        ("head.seniorty=junior,senior", ("desk",), r"no 'seniorty' to vary \(did you mean 'seniority'\?\)"),
        ("head.seniority=junior,boss", ("desk",), "boss"),
        ("head.seniority=junior,senior", ("plain",), "has no roles; leave out 'head'"),
        ("head.seniority=junior,null", ("desk",), "role 'head' still has 'senior', of its protocol or archetype"),
        ("trader.horizon=week,null", ("desk",), "role 'trader' still has 'weeks'"),
        ("temprature=1,2", ("plain",), "has no 'temprature' to vary"),
        ("order=given,random", ("plain",), "random"),
        ("horizon=days,weeks", ("plane",), r"--archetype plane: .*did you mean 'plain'"),
    ],
)
def test_what_cannot_be_varied_is_told(small: dict[str, Any], tmp_path: Path, given: str, only: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(config_of(small, tmp_path, PLAIN, DESK), given, only=only)
