"""What a model's hindsight comes to in a few words and as a document that other commands read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

from massjax.answers.places import open_place
from massjax.errors import StoreError
from massjax.models.settings import ModelSettings
from massjax.scores.inputs import Inputs, named
from massjax.scores.places import Place, inside, names_in

State: TypeAlias = Literal["not measured", "none found", "found", "undefined"]
FOLDER, DOCUMENT, PICTURE = "hindsight", "hindsight.json", "years.svg"
"""The folder beside the answers of a store, and the files in it that hold the states and the drawing of them by year."""


@dataclass(frozen=True)
class ModelState:
    """What the memory probe found of one model.

    Attributes:
        model: its name in `models:`; empty for that of `scoring`.
        named: what names it whatever the entry is called: engine and the last part of its name.
        first, last: of the dates that were measured, as ISO 8601 has them.
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

    model: str
    named: str
    first: str
    last: str
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
    def words(self) -> str:
        """The state in a few words."""
        match self.state:
            case "found":
                return f"found: {self.points:.2f} points of RankIC (p {self.p_value:.3g})"
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
    except ValueError as error:
        raise _unreadable(store, str(error)) from None
    if not isinstance(document, dict):
        raise _unreadable(store, "it is no object")
    return document


def _state(one: Any, store: Place) -> ModelState:
    try:
        return ModelState(**{**one, **{name: _number(one[name]) for name in ("points", "p_value")}})
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(store, str(error)) from None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _unreadable(store: Place, why: str) -> StoreError:
    return StoreError(f"{inside(store, FOLDER)}: {DOCUMENT} cannot be read ({why}); delete it and run python -m massjax.hindsight again")


def named_in_words(settings: ModelSettings) -> str:
    """Engine and name of a model, by which it is known where its files are not at hand."""
    return " ".join(named(settings).values())


def fits(state: ModelState, named: str, first: date, last: date) -> bool:
    """Whether a state is of a model that is so named, on dates that hold all of these."""
    return state.named == named and date.fromisoformat(state.first) <= first and last <= date.fromisoformat(state.last)


NOT_MEASURED = "not measured (python -m massjax.hindsight with this config does)"


def memory_words(inputs: Inputs, store: Place | None) -> tuple[str, ...]:
    """The state of the memory of each model that a run asks, in words: whether it was measured, what was found, and what removes it.

    Args:
        inputs: what the run wants scored.
        store: that its scores are from; None without one.
    """
    try:
        states = () if store is None else states_in(store)
        unread = NOT_MEASURED
    except StoreError as error:
        states, unread = (), f"not measured ({error})"
    first, last, agents = inputs.panel.dates[0].item(), inputs.panel.dates[-1].item(), inputs.config.agents
    found, models = list[str](), inputs.models()
    for name, settings in models.items():
        state = next((one for one in states if fits(one, named_in_words(settings), first, last)), None)
        words = unread if state is None else f"measured: {state.words}" if state.state == "none found" else state.words
        if state is not None and state.state == "found":
            hows = sorted({agents.hindsight_of(one) for one in inputs.asking if inputs.model_named(one.model) == name})
            removed = [how for how in hows if how != "none"]
            words += f"; removed by {', '.join(removed)}" if removed else ""
            words += "; not removed from all scores (agents.hindsight: residual takes it out)" if "none" in hows else ""
        found.append(f"{name or 'scoring'}: {words}" if len(models) > 1 else words)
    return tuple(found)


def memory_picture(inputs: Inputs, store: Place | None) -> bytes:
    """The drawing of RankIC by year, in SVG, where the memory of a model of a run was measured on its dates; else empty."""
    first, last = inputs.panel.dates[0].item(), inputs.panel.dates[-1].item()
    named = {named_in_words(settings) for settings in inputs.models().values()}
    try:
        states = () if store is None else states_in(store)
        if store is None or not any(fits(one, name, first, last) for one in states for name in named):
            return b""
        return open_place(inside(store, FOLDER)).read(PICTURE) or b""
    except StoreError:
        return b""


def latest_cutoff(inputs: Inputs) -> date | None:
    """The latest date at which the knowledge of a model ends; None where that of one is not known, or none is asked."""
    ends = [settings.knowledge_cutoff for settings in inputs.models().values()]
    known = [end for end in ends if end is not None]
    return max(known, default=None) if len(known) == len(ends) else None
