"""Which objective a search maximises, as a configuration gives it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from massjax.settings import Settings

Smooth: TypeAlias = Literal["soft_rank_ic", "ic", "perturbed_rank_ic"]
"""What gradient ascent climbs in place of the RankIC, which has no gradient."""
BLOCKS = 5
"""Stretches of dates that a look-back is cut into, unless it is said."""


class ObjectiveSettings(Settings):
    """What a search maximises over the look-back of a date: one number made of the RankIC of each day, less penalties on the weights.

    The figures that are reported as `fitness` are mean RankICs whatever is maximised. All penalties are in units of RankIC.
    """

    kind: Literal["mean", "shrunk_mean", "median_of_blocks", "worst_fold"] = Field(
        "mean",
        description="How daily RankICs become one number: their `mean`, MASS's fitness; a `shrunk_mean`, nearer to 0 the less sure it is; "
        "the `median_of_blocks`, of the means of successive stretches of dates; or the mean of the `worst_fold` of them.",
    )
    blocks: int | None = Field(
        None,
        ge=2,
        le=10_000,
        description=f"Successive stretches of about as many dates each that the look-back is cut into; null takes {BLOCKS}. A stretch "
        "should be longer than the horizon. Not for `kind: mean`.",
    )
    kl_uniform: float = Field(
        0.0, ge=0, le=1e6, description="Penalty on the Kullback-Leibler divergence of the weights from equal ones; it spreads them."
    )
    kl_previous: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Penalty on the Kullback-Leibler divergence of the weights from those found for the date before; it keeps them steady. "
        "Dates are then searched one after another, as with `evaluate.warm_start`.",
    )
    turnover: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Penalty on the share of the weight, from 0 to 1, that moves to other archetypes since the date before. Dates are then "
        "searched one after another.",
    )

    @model_validator(mode="after")
    def _check(self) -> ObjectiveSettings:
        if self.kind == "mean" and self.blocks is not None:
            raise ValueError(f"blocks {self.blocks} do nothing with kind 'mean'; leave them out, or take kind 'median_of_blocks'")
        return self

    @property
    def plain(self) -> bool:
        """Whether it is the mean RankIC and nothing else."""
        return self.kind == "mean" and not (self.kl_uniform or self.uses_previous)

    @property
    def uses_previous(self) -> bool:
        """Whether it depends on the weights found for the date before."""
        return bool(self.kl_previous or self.turnover)


class SmoothObjectiveSettings(ObjectiveSettings):
    """What a gradient search maximises, and the smooth correlation of each day that stands for its RankIC while climbing."""

    smooth: Smooth = Field(
        "soft_rank_ic",
        description="What is climbed: `soft_rank_ic`, a RankIC with a smooth comparison of stocks; `ic`, Pearson's correlation; or "
        "`perturbed_rank_ic`, the exact objective averaged over noise on the logits.",
    )


def _from_name(value: Any) -> Any:
    return {"smooth": value} if isinstance(value, str) else value


SmoothObjective = Annotated[SmoothObjectiveSettings, BeforeValidator(_from_name, json_schema_input_type=SmoothObjectiveSettings | Smooth)]
"""An objective of a gradient search as a field of settings; a name alone says what is climbed, and leaves the mean RankIC the objective."""
