"""Objectives of a search, apart from its algorithm."""

from massjax.search.objectives.mean_rank_ic import MeanRankIC
from massjax.search.objectives.protocol import DailyObjective, Objective
from massjax.search.objectives.robust import RobustRankIC, make_objective
from massjax.search.objectives.settings import ObjectiveSettings, SmoothObjective, SmoothObjectiveSettings

__all__ = [
    "DailyObjective",
    "MeanRankIC",
    "Objective",
    "ObjectiveSettings",
    "RobustRankIC",
    "SmoothObjective",
    "SmoothObjectiveSettings",
    "make_objective",
]
