"""Every setting of a run as a row of plain words, made from the settings' own types, bounds, defaults and descriptions.

`--help-settings`, `docs/settings.md` and its test read these rows; nothing is written down twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydantic import BaseModel

from massjax.config.field_words import default_of, kind_of
from massjax.config.market_run import MarketRunConfig
from massjax.config.run import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.search.registry import METHODS, search_class
from massjax.settings import model_within

SHORTEST_WORD = 3
"""Letters of a word that is looked for in descriptions."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: dotted, without the places in lists: `market.texts.cutoff`.
        kind: what it takes, in words, with the values or bounds that are allowed.
        default: as YAML writes it; `required` where there is none, empty of a section, whose settings have their own.
        description: what it is, its unit, when to change it.
    """

    key: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class Section:
    """The settings of one mapping of a configuration.

    Attributes:
        key: dotted, without the places in lists; empty for the whole configuration, `search.METHOD` for a search.
        place: as `--set` writes it, with N for a place in a list and NAME for a key of one's own: `market.features.N.columns.NAME`.
        text: what the mapping is.
        settings: in the order of the class.
    """

    key: str
    place: str
    text: str
    settings: tuple[Setting, ...]


def sections() -> tuple[Section, ...]:
    """All sections of a configuration, each before those within it, and last the searches of massjax."""
    return (*_below(RunConfig, "", ""), *(section for method in METHODS for section in _search(method)))


def market_sections() -> tuple[Section, ...]:
    """All sections of the configuration of a simulated market, each before those within it."""
    return tuple(_below(MarketRunConfig, "", ""))


def look_up(query: str, among: tuple[Section, ...] | None = None) -> tuple[Section, ...]:
    """The settings that somebody asks about, in their sections.

    Args:
        query: a section or setting (`market.prices`, `evaluate.lookback`, `search.0.steps`), or its place as a page prints it
            (`market.features.N.columns.NAME.style`), some parts of one (`prices`, `backtest.cost`), a search of one's own
            (`search.package.module:ClassName`), or a word of names and descriptions; empty for all.
        among: sections in which they are looked for; None takes those of a run.

    Raises:
        ConfigError: nothing is called so.
    """
    if ":" in query and among is None:
        return _search(query.strip().removeprefix("search."))
    steps = [step for step in query.strip().split(".") if step and not step.isdecimal()]
    parts = [step.lower() for step in steps if len(steps) == 1 or step not in ("N", "NAME", "KEY=VALUE")]
    everything, key = sections() if among is None else among, ".".join(parts)
    if not key:
        return everything
    within = "search." if parts[0] == "search" and len(parts) > 1 and parts[1] not in METHODS else ""
    inner = f".{key.removeprefix(within)}."
    for wanted in (
        lambda setting: f"{setting.key}.".startswith(f"{key}."),
        lambda setting: setting.key.startswith(within) and inner in f".{setting.key}.",
        lambda setting: len(key) >= SHORTEST_WORD and key in re.findall(r"\w+", _words(setting)),
    ):
        found = [replace(section, settings=tuple(filter(wanted, section.settings))) for section in everything]
        if any(section.settings for section in found):
            return tuple(section for section in found if section.settings)
    keys = [known for section in everything for known in (section.key, *(setting.key for setting in section.settings))]
    names = dict.fromkeys(keys) if "." in key else dict.fromkeys(known.rpartition(".")[2] for known in keys)
    hint = did_you_mean(key, names)
    some = ("market", "market.prices", "search.gradient") if among is None else [section.key for section in among if section.key][:3]
    raise ConfigError(
        f"--help-settings {query!r}: no setting is called so{hint}; expected a section such as {', '.join(some[:-1])} or {some[-1]}, a "
        "setting, or a word of its description"
    )


def _words(setting: Setting) -> str:
    return f"{setting.key} {setting.key.replace('_', ' ')} {setting.description}".lower()


def _search(method: str) -> tuple[Section, ...]:
    """The section of a search, of massjax or of one's own, and those within it.

    Raises:
        ConfigError: `method` names no search.
    """
    cls = search_class(method)
    section, *inner = _below(cls, f"search.{method}", "search.N")
    first = section.text.partition("\n\n")[0]
    return replace(section, text=f"{first} An entry of `search` with `method: {method}`.".strip()), *inner


def _below(cls: type[BaseModel], key: str, place: str) -> Iterator[Section]:
    inner, rows = [], []
    for name, field in cls.model_fields.items():
        here = f"{key}.{name}".removeprefix(".")
        rows.append(Setting(here, kind_of(field), default_of(field), field.description or ""))
        model, steps = model_within(field.annotation)
        if model is not None:
            inner.append((model, here, f"{place}.{name}{steps}".removeprefix(".")))
    yield Section(key, place, prose(cls.__dict__.get("__doc__") or ""), tuple(rows))
    for model, here, there in inner:
        yield from _below(model, here, there)


def prose(docstring: str) -> str:
    """A docstring without its sections (`Attributes:`, `Example:` and the like)."""
    return re.split(r"\n\n[A-Z][a-z]+:\n", inspect.cleandoc(docstring))[0].strip()
