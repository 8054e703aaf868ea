"""Settings of finitely many agents: replicas of each archetype that differ by the stocks they watch, pooled before the search."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from massjax.agents.style import StyleSettings
from massjax.models.picks import LABELS
from massjax.settings import Settings

Preset = Literal["mass-code", "mass-paper"]
Draw = Literal["random", "industry_equal", "industry_basis", "size_equal"]
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "mass-code": {
            **{"replicas": 32, "watchlist": 20, "picks": 5, "draw": "random"},
            **{"replacement": True, "daily": True, "temperature": 0.0},
        },
        "mass-paper": {
            **{"replicas": 32, "watchlist": 20, "picks": 5, "draw": "random"},
            **{"replacement": False, "daily": False, "temperature": 0.0},
        },
    }
)
"""What MASS's published code and its paper (arXiv 2505.10278) do: 20 draws with replacement each day, and 20 stocks once and for all."""


class FiniteSettings(Settings):
    """Replicas of each archetype: each watches a few stocks and picks the best of them, and the shares picked become the scores.

    A replica's picks are those of its archetype's score, whether a model's or a rule's, or a language model picks from its list in one
    answer (`picked_by`). Before the search the replicas of an archetype are pooled: its score of a stock is the share of the replicas
    watching it that picked it, and missing where none watched it, which `evaluate.missing: zero` counts as 0, as MASS does. Searches,
    controls and p-values see the pooled scores.
    """

    preset: Preset | None = Field(
        None,
        description="Values of the other settings here that are not given: `mass-code` draws 20 stocks with replacement, anew on each "
        "date, as MASS's published code does; `mass-paper` draws 20 distinct stocks once and for all, as its paper says. Null takes "
        "the defaults.",
    )
    replicas: int = Field(32, ge=1, le=2**20, description="Replicas of each archetype; MASS has 32 of each of 16.")
    watchlist: int = Field(
        20,
        ge=1,
        le=2**20,
        description="Stocks drawn for a replica's watch list; all members where they are fewer. MASS draws 20 of 50, or 30 of 300.",
    )
    picks: int = Field(5, ge=1, description="Stocks that a replica picks from its watch list; at most `watchlist`.")
    draw: Draw = Field(
        "random",
        description="Chances in a draw: `random` gives all members the same, `industry_equal` all industries, `size_equal` all of "
        "five size classes; `industry_basis` gives the industries named in `industries` five times the chance of another. Members of an "
        "industry or class share its chance alike.",
    )
    industries: tuple[str, ...] = Field(
        (),
        description="Industries that `draw: industry_basis` prefers, as the market data spells them; for that draw only.",
    )
    size: str | None = Field(
        None,
        description="Feature of the market data that says how large a stock is on a date, for `draw: size_equal`; null takes "
        "`free_market_value`, or `market_value` where that is not there.",
    )
    replacement: bool = Field(
        False,
        description="Whether a stock may be drawn again, so that lists have fewer distinct stocks than draws: 16.6 of 20 on average among "
        "50.",
    )
    daily: bool = Field(
        True,
        description="Whether watch lists are drawn anew on each date. Fixed ones keep their stocks for as long as these are members with a "
        "score, and fill up with others where not.",
    )
    temperature: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="How random the picks are: 0 picks the highest scores of the list, ties by lot; above, stocks are picked one after "
        "another with chances in proportion to exp(score / temperature). Of picks of a model: 0 takes its likeliest letters, 1 draws by "
        "its probabilities.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Seed of the watch lists and of the lots. With `picked_by: model` also of the order in which lists are shown, so that "
        "another seed asks other questions; else of nothing that a model is asked.",
    )
    picked_by: Literal["scores", "model"] = Field(
        "scores",
        description="Who picks from the lists: `scores` takes the best of a list by the score of the archetype, which is asked for as ever;"
        " `model` shows each list to the language model, shuffled, and has it pick in one answer, one question for each replica"
        " and date. Rules and given scores pick by score either way; archetypes that ask a model need protocol: single for "
        "`model`.",
    )
    method: Literal["plackett-luce", "exact"] = Field(
        "plackett-luce",
        description="How a model picks several of a list: `plackett-luce` reads the probabilities of all letters once and takes the picks "
        "from them; `exact` asks for one letter after another, those before said, which takes a pass for each pick.",
    )
    style: StyleSettings | None = Field(
        None,
        description="A style that the model writes for each archetype, and which its picks then follow; for `picked_by: model`. Null asks "
        "for none: prompts then tell the archetype's risk aversion and horizon.",
    )
    reflection: tuple[int, ...] = Field(
        (),
        description="How many dates ago the own picks are that a replica is told of, with their returns known by now, as in `[1, 5, 10]`; "
        "for `picked_by: model`. Dates then have to be asked one after another, as many together as the smallest number; empty tells none.",
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_by_preset(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("preset"), str) and values["preset"] in PRESETS:
            return {**PRESETS[values["preset"]], **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> FiniteSettings:
        if self.picks > self.watchlist:
            raise ValueError(f"picks: {self.picks} of a watch list of {self.watchlist}; expected at most as many")
        if (self.draw == "industry_basis") != bool(self.industries):
            given = "names industries, which only" if self.industries else "names no industries, which"
            raise ValueError(f"industries: {given} draw: industry_basis needs")
        if len(set(self.industries)) != len(self.industries):
            raise ValueError(f"industries: one is named twice: {', '.join(self.industries)}")
        if self.size is not None and self.draw != "size_equal":
            raise ValueError(f"size: is for draw: size_equal, and the draw is {self.draw}")
        if 0 < self.temperature < 1e-6:
            raise ValueError(f"temperature: {self.temperature}: expected 0, or at least 1e-06")
        return self._consistent_picks()

    def _consistent_picks(self) -> FiniteSettings:
        if self.picked_by == "scores":
            for name in ("style", "reflection", "method"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name}: is for picked_by: model, and picks are by {self.picked_by}; set picked_by: model")
        elif self.picks == self.watchlist:
            raise ValueError(f"picks: {self.picks} of a watch list of {self.watchlist} is no choice that a model could make; pick fewer")
        elif self.watchlist > len(LABELS):
            raise ValueError(f"watchlist: {self.watchlist}: a model can pick from at most {len(LABELS)} stocks (letters A to z)")
        if any(ago < 1 for ago in self.reflection) or list(self.reflection) != sorted(set(self.reflection)):
            raise ValueError(f"reflection: {list(self.reflection)}: expected different numbers of dates from 1 on, ascending")
        return self

    def drawing(self) -> dict[str, Any]:
        """What `massjax.engine.finite.replicas.draw_replicas` is told by name, but for weights and key."""
        return self.model_dump(include={"replicas", "watchlist", "picks", "replacement", "daily", "temperature"})

    def told(self) -> dict[str, Any]:
        """The settings as plain values, with those that are `changed` from the preset, for the report."""
        return {**self.model_dump(mode="json"), "changed": list(self.changed())}

    @property
    def by_model(self) -> bool:
        """Whether a language model picks for the archetypes that ask one."""
        return self.picked_by == "model"

    def changed(self) -> tuple[str, ...]:
        """The settings in which this differs from its preset; none without one."""
        return tuple(name for name, value in PRESETS.get(self.preset or "", {}).items() if getattr(self, name) != value)
