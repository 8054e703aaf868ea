"""What every strategy of a run is judged on, and the weights through time that are to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from massjax.evaluate.controls import single_rank_ic
from massjax.evaluate.procedures import Procedure
from massjax.evaluate.settings import EvaluateSettings
from massjax.statistics.cross_sections import Ranked, rank_members
from massjax.timing import Timing


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """What every strategy of a run is judged on.

    Attributes:
        scores, member, forward_returns: of the panel, the last by horizon.
        kinds: `llm` or `rule`, by archetype.
        settings: of the evaluation.
        timing: of the run; a method with a look-back of its own has another.
        evaluated: True on the dates that the run is about; a strategy whose weights were chosen by a fitness is judged on those of
            them on which it has one.
        returns: from close to close, for the portfolios; None where the panel has none.
        fillable: where an order can be filled; None = where the return is known.
        ends: index of the last date with a price of each stock, T where they go on; None = everywhere.
        dates: of the panel, by which growth a year is reckoned; None = by `periods_per_year`.
        periods_per_year: rows of the panel that make a year.
        learned_alpha: share of the mean in the combined signal that applies on each date; None where it is that of the settings.
        features: numbers of each stock and date, by name, for the controls that know no archetype; None where there are none.
    """

    scores: Float[np.ndarray, "K N T"]
    kinds: tuple[str, ...]
    member: Bool[np.ndarray, "N T"]
    forward_returns: Mapping[int, Float[np.ndarray, "N T"]]
    settings: EvaluateSettings
    timing: Timing
    evaluated: Bool[np.ndarray, " T"]
    returns: Float[np.ndarray, "N T"] | None
    fillable: Bool[np.ndarray, "N T"] | None = None
    ends: Int[np.ndarray, " N"] | None = None
    dates: Shaped[np.ndarray, " T"] | None = None
    periods_per_year: float = 252.0
    features: Mapping[str, Float[np.ndarray, "N T"]] | None = None
    learned_alpha: Float[np.ndarray, " T"] | None = None

    @property
    def alpha(self) -> float | Float[np.ndarray, " T"]:
        """Share of the mean in the combined signal: one, or that of each date."""
        if self.learned_alpha is not None:
            return self.learned_alpha
        assert not isinstance(self.settings.alpha, str)
        return self.settings.alpha

    @cached_property
    def single_rank_ic(self) -> Float[np.ndarray, "K T"]:
        """Daily RankIC of each archetype alone at the fitted horizon; NaN where it has no or only equal scores."""
        horizon, missing = self.settings.horizon, self.settings.missing
        return single_rank_ic(self.scores, self.member, self.ranked_returns[horizon], missing=missing)

    @cached_property
    def ranked_returns(self) -> Mapping[int, Ranked]:
        """The members' forward returns of each horizon, ranked once for everything that is correlated with them."""
        return {horizon: rank_members(values, self.member) for horizon, values in self.forward_returns.items()}


@dataclass(frozen=True, eq=False)
class Candidate:
    """Weights through time that are to be judged.

    Attributes:
        name: of the search or control, unique in a run.
        label: what people call it.
        kind: `search`, or `control` for weights that no search has chosen.
        ranked_by: which signal ranks the stocks.
        weights: applied on each date, summing to 1.
        fitness: mean RankIC, by the signal that ranks the stocks, of the weights on the look-back window that they were chosen on, NaN
            where it allowed none or is not known; None for weights that are fitted to nothing.
        own: True where the weights were chosen on a window that allowed it; None = wherever the fitness is known, or everywhere.
        about: one line on the size of the search; empty for controls.
        seconds: what the search took, compilation included.
        procedure: everything from the returns to its RankIC, to be repeated for the chance of luck; None where it is not.
        signal: what ranks the stocks, where it comes from no weights; these are then 0.
        stocks: the stock whose scores each stock gets; None = its own.
    """

    name: str
    label: str
    kind: Literal["search", "control"]
    ranked_by: str
    weights: Float[np.ndarray, "T K"]
    fitness: Float[np.ndarray, " T"] | None = None
    own: Bool[np.ndarray, " T"] | None = None
    about: str = ""
    seconds: float = 0.0
    procedure: Procedure | None = None
    signal: Float[np.ndarray, "N T"] | None = None
    stocks: Int[np.ndarray, " N"] | None = None

    @property
    def own_dates(self) -> Bool[np.ndarray, " T"] | None:
        """True on the dates on which it has weights of its own; None for weights that are fitted to nothing."""
        if self.own is not None:
            return self.own
        return None if self.fitness is None else np.isfinite(self.fitness)
