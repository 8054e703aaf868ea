"""The default method of a walk through time: `Posterior`."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from massjax.engine.inputs import Missing, SignalName
from massjax.search.base import Estimator
from massjax.search.posterior.prepared import Prepared, prepare
from massjax.search.posterior.weights import weights_by_date
from massjax.timing import Timing


class Posterior(Estimator):
    """Weights from a posterior over the archetypes' skills: near uniform where there is no evidence, and nothing to tune.

    Each archetype's skill is its expected RankIC. Two posterior means of it, *level* from the daily rank correlations and *news* from those
    of quasi-differenced ranks, each a Kalman filter averaged over rates of decay by marginal likelihood (West and Harrison 1997, chapter
    12), are mixed by the probability, on that date, that news does better; the weights are the non-negative optimum of their mean under
    the archetypes' correlation. Before evidence skills are each archetype's own, or lie in what archetypes have in common (Kozak, Nagel
    and Santosh 2020); the marginal likelihood weighs these two as well.

    Example:
        The first of three archetypes knows something of the returns, the others nothing:

        >>> import jax, jax.numpy as jnp, numpy as np, massjax as mj
        >>> rng = np.random.default_rng(0)
        >>> returns = rng.normal(0, 0.02, size=(20, 120))
        >>> scores = rng.random((3, 20, 120))
        >>> scores[0] += 5 * returns
        >>> timing = mj.Timing(lookback="auto", horizon=1, execution_lag=1)
        >>> method, member = mj.search.Posterior(), jnp.ones((20, 120), bool)
        >>> given = {"alpha": jnp.float32(0.5), "signal": "mean", "missing": "renormalize", "key": jax.random.key(0)}
        >>> ready = method.prepare(jnp.asarray(scores, jnp.float32), member, timing, **given)
        >>> weights = method.weights(ready, jnp.asarray(returns, jnp.float32), timing)
        >>> int(weights[-1].argmax()), bool(weights[-1, 0] > 0.6)
        (0, True)
    """

    def is_random(self, signal: SignalName) -> bool:
        """Of signals that are not linear in the weights: their candidates are drawn."""
        return signal != "mean"

    def prepare(
        self,
        scores: Float[Array, "K N T"],
        member: Bool[Array, "N T"],
        timing: Timing,
        *,
        alpha: Float[Array, ""],
        signal: SignalName,
        missing: Missing,
        key: Key[Array, ""],
    ) -> Prepared:
        """Ranks and correlations of the scores."""
        arrays = jnp.asarray(scores, jnp.float32), jnp.asarray(member)
        return prepare(*arrays, missing, 2 * horizon_of(timing), signal, alpha, key)

    def weights(
        self, prepared: Prepared, forward_returns: Float[Array, "N T"], timing: Timing, daily_returns: Float[Array, "N T"] | None = None
    ) -> Float[Array, "T K"]:
        """Weights of each date from the forward returns known on it; equal before `timing.first_search`."""
        del daily_returns
        lookback = None if timing.lookback == "auto" else timing.lookback
        returns = jnp.asarray(forward_returns, jnp.float32)
        found = weights_by_date(prepared, returns, gap=timing.gap or 0, horizon=horizon_of(timing), lookback=lookback).weights
        early = jnp.arange(len(found)) < timing.first_search
        return jnp.where(early[:, None], 1.0 / found.shape[1], found)


def horizon_of(timing: Timing) -> int:
    """Dates a return runs over, or what the gap allows where it is not told."""
    return timing.horizon or (timing.gap or 0) + 1
