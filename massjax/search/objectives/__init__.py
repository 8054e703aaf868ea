"""Objectives of a search, apart from its algorithm."""

from massjax.search.objectives.mean_rank_ic import MeanRankIC
from massjax.search.objectives.protocol import Objective

__all__ = ["MeanRankIC", "Objective"]
