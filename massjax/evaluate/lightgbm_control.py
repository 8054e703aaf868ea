"""The control that learns: gradient-boosted trees on the features of the market data, fitted anew every month on what is known by then."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from massjax.errors import ConfigError
from massjax.evaluate.candidates import Candidate, EvaluationData
from massjax.evaluate.controls import feature_ranks
from massjax.evaluate.result import LIGHTGBM
from massjax.timing import Timing

REFIT = 21
"""Dates between two fits: about a month of trading days."""
ROUNDS = 100
"""Trees of a fit."""
PARAMETERS: dict[str, Any] = {
    "objective": "l2",
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
"""Small trees, for little signal and much noise; see the parameters of LightGBM (Ke et al., NeurIPS 2017)."""


def lightgbm_control(data: EvaluationData) -> list[Candidate]:
    """The control of gradient-boosted trees; none where the run has no features, or is not asked for it.

    Raises:
        ConfigError: the package lightgbm is not installed.
    """
    if not data.features or LIGHTGBM not in data.settings.controls:
        return []
    values = np.stack(list(data.features.values()))
    signal = learned_signal(values, data.member, data.forward_returns[data.settings.horizon], data.timing)
    nobody = np.zeros((data.member.shape[1], len(data.kinds)))
    own, about = np.isfinite(signal).any(axis=0), f"{len(values)} features, fitted every {REFIT} dates"
    return [Candidate(LIGHTGBM, "LightGBM", "control", "mean", nobody, own=own, about=about, signal=signal)]


def learned_signal(
    values: Float[np.ndarray, "F N T"], member: Bool[np.ndarray, "N T"], forward_returns: Float[np.ndarray, "N T"], timing: Timing
) -> Float[np.ndarray, "N T"]:
    """Predicted rank of each member's forward return, from the ranks of its features on the date.

    A fit on date t learns from the dates that `timing.window(t)` allows, whose returns are known at t, and predicts from t + delay on,
    until the next fit, `REFIT` dates later.

    Args:
        values: features; NaN where unknown.
        member: True where the stock is in the universe.
        forward_returns: NaN where unknown.
        timing: of the walk.

    Returns:
        NaN off-universe, before the first fit, and after a fit whose window held fewer than a hundred returns.

    Raises:
        ConfigError: the package lightgbm is not installed.
    """
    lightgbm = lightgbm_package()
    dates = member.shape[1]
    ranks, target = feature_ranks(values, member), feature_ranks(forward_returns[None], member)[0]
    known, signal = member & np.isfinite(forward_returns), np.full(member.shape, np.nan)
    for fit in range(timing.first_search, dates - timing.delay, REFIT):
        window, applied = timing.window(fit), slice(fit + timing.delay, min(fit + timing.delay + REFIT, dates))
        rows = known[:, window]
        if rows.sum() < 2 * PARAMETERS["min_data_in_leaf"]:
            continue
        learnt = lightgbm.Dataset(ranks[:, :, window][:, rows].T, target[:, window][rows])
        trees = lightgbm.train(PARAMETERS, learnt, ROUNDS)
        there = member[:, applied]
        part = np.full(there.shape, np.nan)
        if there.any():
            part[there] = trees.predict(ranks[:, :, applied][:, there].T)
        signal[:, applied] = part
    return signal


def lightgbm_package() -> Any:
    """The package lightgbm.

    Raises:
        ConfigError: it is not installed; the message says how to.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError(
            "evaluate.controls: lightgbm needs a package that is not installed; `uv pip install 'massjax[lightgbm]'` installs it, or take "
            "lightgbm out of the list"
        ) from error
    return lightgbm
