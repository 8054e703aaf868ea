"""Every setting says what it is, once, in words that stand alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

import massjax.config
import massjax.search.registry
from massjax.config import MarketSettings, RunConfig
from massjax.errors import ConfigError
from massjax.settings import Settings, purpose, validate

SEARCHES = massjax.search.registry.METHODS.values()


def below(settings: type[Settings]) -> Iterator[type[Settings]]:
    for made in settings.__subclasses__():
        yield made
        yield from below(made)


OF_OTHER_COMMANDS = ("massjax.calibrate.",)
"""Modules of settings that are no part of a bundled schema; whether they are imported here hangs on the other tests of the process."""
SECTIONS = sorted(
    {s for s in below(Settings) if s.__module__.startswith("massjax.") and not s.__module__.startswith(OF_OTHER_COMMANDS)},
    key=lambda s: (s.__qualname__, s.__module__),
)
SETTINGS = [(f"{s.__name__}.{name}", field) for s in SECTIONS for name, field in s.model_fields.items()]


def test_all_sections_are_here() -> None:
    assert {RunConfig, MarketSettings, *SEARCHES} <= set(SECTIONS)
    assert len(SETTINGS) >= 165
    assert {s.__name__ for s in SECTIONS if not s.__module__.startswith("massjax.search.")} <= set(massjax.config.__all__)


@pytest.mark.parametrize(("name", "field"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_a_setting_has_a_description_of_a_sentence_or_more(name: str, field: FieldInfo) -> None:
    said = field.description or ""
    assert re.fullmatch(r"[A-Z].{20,}\.", said), f"{name}: {said!r}"
    assert "  " not in said
    assert len(said.split(" ")) >= 5
    assert said.count("`") % 2 == 0
    assert 13 <= len(purpose(field)) <= 130, purpose(field)


def test_no_two_settings_are_described_alike() -> None:
    same = defaultdict(set)
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            first = next(s for s in reversed(section.__mro__) if name in getattr(s, "__annotations__", {}))
            holder = section if name in section.__annotations__ else first
            same[field.description].add(f"{holder.__name__}.{name}")
    assert [names for names in same.values() if len(names) > 1] == []


def test_help_lists_the_settings_with_their_descriptions() -> None:
    doc = MarketSettings.__doc__ or ""
    assert doc.startswith("Which market data to load")
    assert "\nAttributes:\n    source: Where market data comes from" in doc
    assert all(f"\n    {name}: " in doc for name in MarketSettings.model_fields)


def test_settings_of_ones_own_need_no_description_and_may_list_themselves() -> None:
    class Plain(Settings):
        many: int = 3

    class Listed(Settings):
        """What it is.

        Attributes:
            many: how many.
        """

        many: int = Field(3, description="Another text.")

    assert Plain.__doc__ == "Attributes:\n    many"
    assert (Listed.__doc__ or "").count("Attributes:") == 1
    with pytest.raises(ConfigError, match=r"many: Input should be a valid integer.* \(given: 'x'\)$"):
        Plain(many="x")


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (None, ""),
        ("Number of dates; more is more.", "number of dates"),
        ("A file's spelling: as in `{A: B}`.", "a file's spelling"),
        ("Text such as `a: b; c. d` before it. More.", "text such as `a: b; c. d` before it"),
        ("GPUs of 0.5 GB.", "GPUs of 0.5 GB"),
        ("Two\n    lines with a ` alone.", "two lines with a"),
    ],
)
def test_the_purpose_is_the_beginning_of_the_description(description: str | None, words: str) -> None:
    assert purpose(FieldInfo(description=description)) == words


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"evaluate": {"lookback": 0}},
            "here: evaluate.lookback: expected an integer of at least 1, or auto for all dates that are known (given: 0)",
        ),
        (
            {"market": {"source": "tables", "prices": {}}},
            "here: 'market.prices.path' is missing; it has no default; path: file of prices",
        ),
        (
            {"market": {"timezone": "Mars/X"}},
            "here: market.timezone: 'Mars/X' is no time zone; expected a name such as America/New_York or UTC (given: 'Mars/X')",
        ),
        (
            {
                "market": {
                    "source": "tables",
                    "features": [{"path": "x", "modality": "m", "columns": {"label": {"colum": "c", "column": "c"}}}],
                }
            },
            "here: unknown key 'market.features.0.columns.label.colum' (did you mean 'column'?); known here: column, label, style, words",
        ),
    ],
)
def test_a_message_ends_with_what_the_setting_is(values: dict[str, object], message: str) -> None:
    agents = {"archetypes": [{"name": "a", "modalities": ["price"]}]}
    with pytest.raises(ConfigError) as caught:
        validate(RunConfig, {"agents": agents, **values}, "here")
    assert str(caught.value) == message
