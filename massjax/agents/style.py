"""The style of an investor type, as a language model writes it: a JSON of named fields, and what of it later prompts and lists use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from massjax.agents.quoting import one_line
from massjax.models.forms import Write, canonical
from massjax.models.schema import misfit
from massjax.settings import Settings

RISK_APPETITES = ("very low", "low", "moderate", "high", "very high")
HOLDING_PERIODS = ("a day", "a week", "a month", "a quarter", "a year")
LONGEST_OUTLINE, LONGEST_OTHERS = 400, 240
"""Characters: some 50 and 30 words, as MASS asks for."""


class StyleSettings(Settings):
    """A style that the language model writes for each archetype before it picks, as in MASS (arXiv 2505.10278)."""

    when: Literal["once", "daily"] = Field(
        "daily",
        description="How often styles are written: `once` for an archetype from the kinds of facts that it sees; `daily` on each date "
        "from these and the facts about the whole market (macro) known by its close. Equal facts are asked about once.",
    )
    per: Literal["type", "replica"] = Field(
        "type",
        description="For whom they are written: `type`, one for all replicas of an archetype; `replica`, one for each, with a seed of its "
        "own, which needs a `temperature` above 0.",
    )
    chooses_list: bool = Field(
        True,
        description="Whether the style's watch-list preference takes the place of `draw`. It is one of the draws that the market data "
        "can serve: `random`, `industry_equal`, `size_equal`, and `industry_basis` where `industries` are named.",
    )
    max_tokens: int = Field(300, ge=1, description="Longest style that the model may write, in tokens; one that is cut off is no JSON.")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="Sampling temperature of the style: 0 always writes the likeliest one.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the sampled style; without effect at temperature 0.")
    model: str | None = Field(None, description="Entry of `models` that writes the style; null takes the archetype's own.")

    @model_validator(mode="after")
    def _replicas_differ(self) -> StyleSettings:
        if self.per == "replica" and self.temperature == 0.0:
            raise ValueError("per: replica: at temperature 0 all replicas have one style; set temperature above 0 (0.7), or per: type")
        return self


class Style(NamedTuple):
    """What a style says.

    Attributes:
        outline: the strategy in words.
        risk_appetite: one of `RISK_APPETITES`.
        holding_period: one of `HOLDING_PERIODS`.
        strategy_consistency: from 0, which changes its strategy at will, to 1, which keeps it.
        rationality: from 0 to 1.
        watch_list: how its watch lists are drawn.
        others: what else there is to say.
    """

    outline: str
    risk_appetite: str
    holding_period: str
    strategy_consistency: float
    rationality: float
    watch_list: str
    others: str

    def lines(self) -> tuple[str, ...]:
        """What the prompts of a replica show of it."""
        said = (
            f"Your style: {one_line(self.outline)}",
            f"Your appetite for risk is {self.risk_appetite}; you hold a stock for about {self.holding_period}.",
            f"On a scale from 0 to 1 you keep to your strategy by {self.strategy_consistency:.2f} and judge rationally by "
            f"{self.rationality:.2f}.",
        )
        return (*said, f"Besides: {one_line(self.others)}") if self.others.strip() else said


def style_schema(draws: Sequence[str]) -> str:
    """The JSON schema of a style as JSON text.

    Args:
        draws: watch-list preferences that can be served.
    """
    share = {"type": "number", "minimum": 0, "maximum": 1}
    fields: dict[str, Any] = {
        "outline": {"type": "string", "minLength": 1, "maxLength": LONGEST_OUTLINE},
        "risk_appetite": {"type": "string", "enum": list(RISK_APPETITES)},
        "holding_period": {"type": "string", "enum": list(HOLDING_PERIODS)},
        "strategy_consistency": share,
        "rationality": share,
        "watch_list": {"type": "string", "enum": list(draws)},
        "others": {"type": "string", "maxLength": LONGEST_OTHERS},
    }
    return canonical({"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False})


def style_of(text: str, form: Write) -> Style | None:
    """What a text says as a style; None where it is no JSON that fits the schema of its form.

    Example:
        >>> form = Write(300, schema=style_schema(["random"]))
        >>> fields = {"outline": "Buys cheap stocks.", "risk_appetite": "low", "holding_period": "a month", "strategy_consistency": 0.9,
        ...           "rationality": 1, "watch_list": "random", "others": ""}
        >>> style_of(json.dumps(fields), form).lines()[1]
        'Your appetite for risk is low; you hold a stock for about a month.'
        >>> style_of('{"outline": "Buys."}', form) is None
        True
    """
    assert form.schema is not None
    return None if misfit(text, form.schema) is not None else Style(**json.loads(text))
