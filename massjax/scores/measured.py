"""What a model's hindsight comes to in a few words and as a document that other commands read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal, TypeAlias
from xml.etree import ElementTree

from pydantic import ConfigDict, TypeAdapter, ValidationError

from massjax.agents.hindsight import VIEWS
from massjax.answers.places import open_place
from massjax.errors import StoreError
from massjax.models.identity import identity_digest
from massjax.models.settings import ModelSettings
from massjax.scores.inputs import Inputs, named
from massjax.scores.places import Place, inside, names_in

State: TypeAlias = Literal["not measured", "none found", "found", "undefined"]
FOLDER, DOCUMENT, PICTURE = "hindsight", "hindsight.json", "years.svg"
"""The folder beside the answers of a store, and the files in it that hold the states and the drawing of them by year."""
WRONG_CUTOFF = ", after the cut-off alone: knowledge_cutoff is wrong, or names tell something else"


@dataclass(frozen=True)
class ModelState:
    """What the memory probe found of one model.

    Attributes:
        model: its name in `models:`; empty for that of `scoring`.
        named: what names it whatever the entry is called: engine and the last part of its name.
        identity: digest of all that its answers depend on.
        first, last: of the dates that were measured, as ISO 8601 has them.
        stocks: that were measured.
        cutoff: when its knowledge ends, as the settings had it, as ISO 8601 has it; None where they did not say.
        state: `found` where blank answers order stocks as they then returned, by chance at most as often as the level says.
        points: mean partial RankIC of the blank answers, in points of RankIC (hundredths).
        p_value: of it.
        least: mean RankIC, in points, that would be found with the target power; None where that is undefined.
        period: that was judged.
        horizon: rows over which returns run.
        level: p-value up to which memory counts as found.
        target: of `least`.
        reason: why the state is undefined.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    model: str
    named: str
    identity: str
    first: str
    last: str
    stocks: tuple[str, ...]
    cutoff: str | None
    state: State
    points: float
    p_value: float
    least: float | None
    period: str
    horizon: int
    level: float
    target: float
    reason: str = ""

    @property
    def after(self) -> bool:
        """Whether all dates lie after the cut-off, so that there is nothing to take out."""
        return self.period == "after the cut-off"

    @property
    def words(self) -> str:
        """The state in a few words."""
        match self.state:
            case "found":
                return f"found: {self.points:.2f} points of RankIC (p {self.p_value:.3g}){WRONG_CUTOFF if self.after else ''}"
            case "none found":
                power = "power unknown" if self.least is None else f"power {self.target:.0%} for {self.least:.2f} points of RankIC"
                return f"none found ({power})"
            case "undefined":
                return f"undefined: {self.reason}"
            case _:
                return "not measured"


def states_in(store: Place) -> tuple[ModelState, ...]:
    """The states that were measured on a store, by model; none where hindsight was not measured.

    Raises:
        StoreError: the document cannot be read.
    """
    return tuple(_state(one, store) for one in document_in(store).get("models", []))


def document_in(store: Place) -> dict[str, Any]:
    """All that was measured on a store; empty where nothing was.

    Raises:
        StoreError: the document cannot be read.
    """
    place = inside(store, FOLDER)
    if DOCUMENT not in names_in(place):
        return {}
    try:
        document: Any = json.loads(open_place(place).read(DOCUMENT) or b"")
    except (ValueError, RecursionError) as error:
        raise _unreadable(store, str(error)) from None
    if not isinstance(document, dict):
        raise _unreadable(store, "it is no object")
    for name, kind, words in (("models", list, "list"), ("parts", dict, "object"), ("of", dict, "object")):
        if not isinstance(document.get(name, kind()), kind):
            raise _unreadable(store, f"{name} is no {words}")
    return document


_STATE = TypeAdapter(ModelState)


def _state(one: Any, store: Place) -> ModelState:
    try:
        plain = {**one, **{name: math.nan if one[name] is None else one[name] for name in ("points", "p_value")}}
        state = _STATE.validate_python(plain)
        for day in (state.first, state.last, *filter(None, [state.cutoff])):
            date.fromisoformat(day)
    except ValidationError as error:
        first = error.errors()[0]
        raise _unreadable(store, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(store, str(error)) from None
    return state


def _unreadable(store: Place, why: str) -> StoreError:
    return StoreError(
        f"{inside(store, FOLDER)}: {DOCUMENT} cannot be read ({why}); it was changed, or is of another version of massjax: delete it, and "
        "run python -m massjax.hindsight again, which asks nothing that was answered"
    )


def named_in_words(settings: ModelSettings) -> str:
    """Engine and name of a model, by which it is known where its files are not at hand."""
    return " ".join(named(settings).values())


@dataclass(frozen=True)
class Asked:
    """A model that a run asks, and about what.

    Attributes:
        model: its name in `models:`; empty for that of `scoring`.
        named: engine and name.
        identity: digest of all that its answers depend on; empty where that is not known.
        first, last: of the dates of the run.
        stocks: of the run.
        horizon: rows, at which it is judged.
        cutoff: when its knowledge ends; None where the settings do not say.
    """

    model: str
    named: str
    identity: str
    first: date
    last: date
    stocks: tuple[str, ...]
    horizon: int
    cutoff: date | None


def misfit(state: ModelState, asked: Asked) -> str:
    """Why a state of a model that is so named is not what a run has to know, in words that follow "measured"; empty where it is."""
    if asked.identity and state.identity != asked.identity:
        return "of another model of this name"
    if not (date.fromisoformat(state.first) <= asked.first and asked.last <= date.fromisoformat(state.last)):
        return f"on other dates, {state.first} to {state.last}"
    if not set(asked.stocks) <= set(state.stocks):
        return "of other stocks"
    if state.horizon != asked.horizon:
        return f"over {state.horizon} rows, not {asked.horizon}"
    if state.cutoff != (None if asked.cutoff is None else str(asked.cutoff)):
        return f"with the cut-off {state.cutoff}" if state.cutoff else "without a cut-off"
    return ""


def state_of(states: tuple[ModelState, ...], asked: Asked) -> tuple[ModelState | None, str]:
    """The state of a model on the dates of a run, that of the same entry of `models` first; or why what was measured is of something else.

    Args:
        states: that were measured.
        asked: by the run.
    """
    so_named = sorted((one for one in states if one.named == asked.named), key=lambda one: one.model != asked.model)
    reasons = [misfit(one, asked) for one in so_named]
    found = next((one for one, reason in zip(so_named, reasons, strict=True) if not reason), None)
    return found, "" if found is not None or not reasons else reasons[0]


def asked_of(inputs: Inputs, identities: Mapping[str, Mapping[str, str]]) -> Iterator[Asked]:
    """The models that a run asks.

    Args:
        inputs: what the run wants scored.
        identities: what is known of them, by their names in `models:`, that of `scoring` under this word.
    """
    panel = inputs.panel
    for name, settings in inputs.models().items():
        known = identities.get(name or "scoring")
        yield Asked(
            model=name,
            named=named_in_words(settings),
            identity="" if known is None else identity_digest(known),
            first=panel.dates[0].item(),
            last=panel.dates[-1].item(),
            stocks=tuple(panel.stocks),
            horizon=inputs.config.evaluate.horizon,
            cutoff=inputs.model_settings(name).knowledge_cutoff,
        )


NOT_MEASURED = "not measured (python -m massjax.hindsight with this config does)"


def memory_words(inputs: Inputs, store: Place | None, identities: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, ...]:
    """The state of the memory of each model that a run asks, in words: whether it was measured, what was found, and what removes it.

    Args:
        inputs: what the run wants scored.
        store: that its scores are from; None without one.
        identities: of the models, as `asked_of` has them.
    """
    try:
        states = () if store is None else states_in(store)
        unread = ""
    except StoreError as error:
        states, unread = (), f"not measured ({error})"
    agents, found, several = inputs.config.agents, list[str](), len(inputs.models()) > 1
    for asked in asked_of(inputs, identities or {}):
        state, other = state_of(states, asked)
        if state is None:
            words = unread or (f"{NOT_MEASURED[:-1]}; it was measured {other})" if other else NOT_MEASURED)
        else:
            words = f"measured: {state.words}" if state.state == "none found" else state.words
        if state is not None and state.state == "found" and not state.after:
            hows = sorted({agents.hindsight_of(one) for one in inputs.asking if inputs.model_named(one.model) == asked.model})
            removed = [how for how in hows if how in VIEWS]
            words += f"; removed by {', '.join(removed)}" if removed else ""
            words += "; names and dates are masked, and the audit says what masks give away" if "mask" in hows else ""
            words += "; not removed from all scores (agents.hindsight: residual takes it out)" if "none" in hows else ""
        found.append(f"{asked.model or 'scoring'}: {words}" if several else words)
    return tuple(found)


def memory_picture(inputs: Inputs, store: Place | None, identities: Mapping[str, Mapping[str, str]] | None = None) -> bytes:
    """The drawing of RankIC by year, in SVG, where the memory of a model of a run was measured on its dates; else empty."""
    try:
        states = () if store is None else states_in(store)
        measured = any(state_of(states, asked)[0] is not None for asked in asked_of(inputs, identities or {}))
        if store is None or not measured or "cutoff" not in document_in(store).get("parts", {}):
            return b""
        drawn = open_place(inside(store, FOLDER)).read(PICTURE) or b""
        ElementTree.fromstring(drawn)
    except (StoreError, ValueError, ElementTree.ParseError):
        return b""
    return drawn


def latest_cutoff(inputs: Inputs) -> date | None:
    """The latest date at which the knowledge of a model ends; None where that of one is not known, or none is asked."""
    ends = [settings.knowledge_cutoff for settings in inputs.models().values()]
    known = [end for end in ends if end is not None]
    return max(known, default=None) if len(known) == len(ends) else None
