"""The one judge: from weights through time to the three signals, and their correlations with what followed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from massjax.average_ranks import column_blocks
from massjax.engine import aggregate
from massjax.engine.blocks import BLOCK_CELLS, AnyScores, by_date
from massjax.engine.devices import device_count, spread_items
from massjax.engine.inputs import SIGNALS, Missing, OwnSignal
from massjax.engine.opinions import balance, prepare_opinions
from massjax.engine.signals import ranking_signal
from massjax.statistics.cross_sections import Ranked, cross_sections, plain_correlations, rank_correlations, rank_members


class Judged(NamedTuple):
    """What weights through time come to.

    Attributes:
        signals: by name, [N, T]; NaN off-universe.
        rank_ic, ic: by signal and horizon, [T] in [-1, 1]; NaN where the signal or the return is constant or unknown.
    """

    signals: Mapping[str, Float[np.ndarray, "N T"]]
    rank_ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]]
    ic: Mapping[str, Mapping[int, Float[np.ndarray, " T"]]]


def judge_weights(
    scores: Float[np.ndarray, "K N T"],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Mapping[int, Float[np.ndarray, "N T"]],
    weights: Float[np.ndarray, "T K"],
    *,
    alpha: float | Float[np.ndarray, " T"],
    missing: Missing,
    own: OwnSignal | None = None,
) -> Judged:
    """The signals of weights that change from date to date, and their RankIC and IC with the forward returns of each horizon.

    Signals are computed in float32, correlations of them in float64. Searches, controls and the public walk are all judged by this.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: by horizon; NaN where unknown.
        weights: applied on each date.
        alpha: share of the mean in the combined signal, one or that of each date.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        own: a signal of one's own, judged beside them under its name.
    """
    returns = {horizon: rank_members(values, member) for horizon, values in forward_returns.items()}
    return judge_signals(judged_signals(scores, member, weights, alpha=alpha, missing=missing, own=own), member, returns)


def judged_signals(
    scores: AnyScores,
    member: Bool[np.ndarray, "N T"],
    weights: Float[np.ndarray, "T K"],
    *,
    alpha: float | Float[np.ndarray, " T"],
    missing: Missing,
    own: OwnSignal | None = None,
) -> dict[str, Float[np.ndarray, "N T"]]:
    """The signals of weights that change from date to date, in float32, block of dates by block; NaN off-universe.

    Args:
        scores: NaN where an archetype has none.
        member: True where the stock is in the universe.
        weights: applied on each date.
        alpha: share of the mean in the combined signal, one or that of each date.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        own: a signal of one's own, which comes last, under its name.
    """
    archetypes, stocks, dates = scores.shape
    signals: dict[str, np.ndarray] = {name: np.empty((stocks, dates), np.float32) for name in (*SIGNALS, *([own.name] if own else []))}
    devices, history = device_count(), by_date(scores)
    together = devices * max(1, min(-(-dates // devices), BLOCK_CELLS // max(archetypes * stocks, 1) // devices))
    for start in range(0, dates, together):
        rows = np.minimum(np.arange(start, start + together), dates - 1)
        block = (
            jax.device_put(np.asarray(history[rows], np.float32)),
            jax.device_put(member.T[rows]),
            jax.device_put(np.asarray(weights[rows], np.float32)),
        )
        for name, values in _signals(*block, np.broadcast_to(np.float32(alpha), dates)[rows], missing, own).items():
            signals[name][:, rows] = np.asarray(values).T
    return signals


def judge_signals(
    signals: Mapping[str, Float[np.ndarray, "N T"]], member: Bool[np.ndarray, "N T"], returns: Mapping[int, Ranked]
) -> Judged:
    """RankIC and IC of signals with the forward returns of each horizon, in float64.

    Args:
        signals: by name.
        member: True where the stock is in the universe.
        returns: of the members, by horizon.
    """
    dates = member.shape[1]
    rank_ic: dict[str, dict[int, np.ndarray]] = {name: {h: np.empty(dates) for h in sorted(returns)} for name in signals}
    ic: dict[str, dict[int, np.ndarray]] = {name: {h: np.empty(dates) for h in sorted(returns)} for name in signals}
    for rows in column_blocks(*member.shape):
        followed = {horizon: values.on(rows) for horizon, values in returns.items()}
        for name, values in signals.items():
            signal = cross_sections(values[:, rows], member[:, rows])
            for horizon, after in followed.items():
                rank_ic[name][horizon][rows] = rank_correlations(signal, after)
                ic[name][horizon][rows] = plain_correlations(signal, after)
    return Judged(signals, rank_ic, ic)


@partial(jax.jit, static_argnames=("missing", "own"))
def _signals(
    scores: Float[Array, "T K N"],
    member: Bool[Array, "T N"],
    weights: Float[Array, "T K"],
    alpha: Float[Array, " T"],
    missing: Missing,
    own: OwnSignal | None,
) -> dict[str, Float[Array, "T N"]]:
    """Signals of a block of dates, a share of them on each device."""

    def apart(items: Int[Array, " B"], *data: Array) -> dict[str, Float[Array, "B N"]]:
        scores, member, weights, alpha = data

        def one_date(item: Int[Array, ""]) -> dict[str, Float[Array, " N"]]:
            signal = aggregate(scores[item][:, :, None], member[item][:, None], weights[item][None], alpha=alpha[item], missing=missing)  # type: ignore[arg-type]
            found = {name: values[0, :, 0] for name, values in signal._asdict().items()}
            if own is not None:
                opinions = jax.tree.map(lambda leaf: leaf[0], prepare_opinions(scores[item][:, :, None], member[item][:, None], missing))
                found[own.name] = ranking_signal(opinions, balance(weights[item][None]).T, alpha[item], own)[:, 0]
            return found

        return jax.lax.map(one_date, items)

    return spread_items(apart, jnp.arange(len(scores)), scores, member, weights, alpha)
