"""Settings of what is done about a model's memory of what happened: nothing, masks, or taking it out of the answers."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from massjax.settings import Settings

Hindsight: TypeAlias = Literal["none", "mask", "contrast", "residual"]
"""What is done about memory."""
WORDS: tuple[Hindsight, ...] = get_args(Hindsight)
VIEWS: tuple[Hindsight, ...] = ("contrast", "residual")
"""What is computed of two answers, one with facts and one without."""
INSTRUCTION = (
    "You are told the name of a company and a date, and no facts. Go by what you remember of the company, of that time, and of what "
    "happened afterwards."
)
"""What a model is told that is asked without facts."""


class HindsightSettings(Settings):
    """What is done about a model's memory of what happened after the dates that it is asked about.

    The word of `how` alone stands for the whole: `hindsight: residual`; archetypes may have another word. No answer is asked again when
    `none`, `contrast` and `residual` take each other's place, or for another `scale`, `cap`, `fewest_dates` or `horizon`: these only say
    how scores are read from answers with facts and blank answers, whose prompts show a name and a date alone. `mask` has prompts of its
    own. Another `instruction` asks for all blank answers anew.
    """

    how: Hindsight = Field(
        "residual",
        description="How memory is dealt with: `none` shows names and dates; `mask` hides them; `contrast` shows them, and takes the "
        "log-probabilities of the blank answer off those of the answer with facts; `residual` shows them, and takes off the share of the "
        "blank answer's score that past dates tell is memory. `contrast` and `residual` ask one blank question for each stock and date "
        "besides, which all archetypes of a model share, and need protocol: single.",
    )
    instruction: str = Field(
        INSTRUCTION,
        min_length=1,
        description="What the model is told that is asked the blank question, in a sentence or two: it should make the model recall.",
    )
    scale: float = Field(
        3.0,
        ge=0.0,
        le=100.0,
        description="Of `contrast`: how much of the blank answer is taken off (α) where it is as far from the model's average blank answer "
        "as 95 % are at most; 0 takes nothing off.",
    )
    cap: float = Field(4.0, ge=0.0, le=100.0, description="Of `contrast`: the largest α.")
    fewest_dates: int | None = Field(
        None,
        ge=1,
        description="Past dates with answers that a score with memory taken out needs; stocks and dates before have none. Null takes 20 "
        "for `contrast` and 60 for `residual`.",
    )
    horizon: int | None = Field(
        None,
        ge=1,
        description="Of `residual`: dates over which the past forward returns run by which memory is told from skill; one of "
        "`market.horizons`. Null takes `evaluate.horizon`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, values: Any) -> Any:
        return {"how": values} if isinstance(values, str) else values
