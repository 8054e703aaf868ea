"""The controls that stand beside the searches of a run, as weights or signals through time that are judged like theirs."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Bool

from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.controls import best_of_daily, equal_risk, uniform_weights
from massjax.evaluate.lightgbm_control import lightgbm_control
from massjax.evaluate.named_signals import named_signal, signal_name
from massjax.evaluate.procedures import best_single_repeated, equal_risk_repeated, fixed_weights
from massjax.evaluate.raw_features import raw_features_control
from massjax.evaluate.result import BEST_SINGLE, EQUAL_RISK, UNIFORM, UNIFORM_LLM, UNIFORM_RULES


def controls(data: EvaluationData, *, fake: bool = False) -> list[Candidate]:
    """Uniform weights, the best single archetype of the look-back, and those that `evaluate.controls` names.

    Where both kinds of archetypes are there, also uniform weights over each kind: do language models add to the rules?

    Args:
        data: what the run is judged on.
        fake: the scores of the kind `llm` are the fake engine's; their control is called that.
    """
    found = [_uniform(data, UNIFORM, "Uniform weights", np.ones(len(data.kinds), bool))]
    llm = "Uniform, fake only" if fake else "Uniform, LLM only"
    for name, label, kind in ((UNIFORM_LLM, llm, "llm"), (UNIFORM_RULES, "Uniform, rules only", "rule")):
        chosen = np.array([k == kind for k in data.kinds])
        if chosen.any() and not chosen.all():
            found.append(_uniform(data, name, label, chosen))
    best = best_of_daily(data.single_rank_ic, data.timing)
    found.append(
        Candidate(
            BEST_SINGLE,
            "Best single archetype",
            "control",
            "mean",
            best.weights,
            best.fitness,
            procedure=partial(best_single_repeated, timing=data.timing),
        )
    )
    if EQUAL_RISK in data.settings.controls:
        found.append(_equal_risk(data))
    return [*found, *raw_features_control(data), *lightgbm_control(data)]


def _uniform(data: EvaluationData, name: str, label: str, chosen: Bool[np.ndarray, " K"]) -> Candidate:
    ranked_by, weights = named_signal(data.settings.signal), uniform_weights(chosen, data.member.shape[1])
    procedure = partial(fixed_weights, weights=weights[0], ranked_by=ranked_by)
    return Candidate(name, label, "control", signal_name(ranked_by), weights, procedure=procedure)


def _equal_risk(data: EvaluationData) -> Candidate:
    ranked_by = named_signal(data.settings.signal)
    weights = equal_risk(data.single_rank_ic, data.timing).weights
    return Candidate(
        EQUAL_RISK,
        "Equal risk",
        "control",
        signal_name(ranked_by),
        weights,
        procedure=partial(equal_risk_repeated, timing=data.timing, ranked_by=ranked_by),
    )
