"""The control that asks nobody: the sum of the features' ranks, each with the sign that its past tells, or with a published one."""

from __future__ import annotations

from functools import partial

import numpy as np

from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.controls import learned_signs, signed_sum, single_rank_ic
from massjax.evaluate.procedures import fixed, raw_features_repeated
from massjax.evaluate.result import RAW_FEATURES


def raw_features_control(data: EvaluationData) -> list[Candidate]:
    """The control of all features of a run; none where it has no features, or is not asked for it."""
    if not data.features or RAW_FEATURES not in data.settings.controls:
        return []
    published = data.settings.feature_signs
    names = [name for name in data.features if not published or name in published]
    names = [name for name in names if (np.isfinite(data.features[name]) & data.member).any()]
    if not names:
        return []
    values = [data.features[name] for name in names]
    if published:
        signs = np.repeat(np.array([float(published[name]) for name in names])[:, None], data.member.shape[1], axis=1)
        signal = signed_sum(values, signs, data.member)
        own, procedure = None, partial(fixed, signal=signal)
        label, about = "Raw features, published signs", f"{len(names)} features"
    else:
        daily = single_rank_ic(values, data.member, data.ranked_returns[data.settings.horizon])
        signs = learned_signs(daily, data.timing)
        signal = signed_sum(values, signs, data.member)
        own, procedure = (signs != 0).any(axis=0), partial(raw_features_repeated, values=values, timing=data.timing)
        label, about = "Raw features", f"{len(names)} features, signs of the look-back"
    nobody = np.zeros((data.member.shape[1], len(data.kinds)))
    return [Candidate(RAW_FEATURES, label, "control", "mean", nobody, own=own, about=about, procedure=procedure, signal=signal)]
