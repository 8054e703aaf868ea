"""The default method of a walk through time: `Posterior`."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Key

from massjax.engine.devices import device_count
from massjax.engine.inputs import Missing, SignalName
from massjax.mapped import Room
from massjax.search.base import Estimator, HeldBytes
from massjax.search.posterior.candidates import candidates_of
from massjax.search.posterior.draws import HELD_NUMBERS, draws_held, numbers_of_a_draw, numpy_of
from massjax.search.posterior.epochs import epoch_starts
from massjax.search.posterior.prepared import Prepared, prepare
from massjax.search.posterior.weights import weights_by_draw
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

    @property
    def by_blocks(self) -> bool:
        """Unless a class of one's own has other ways to prepare scores, or to weigh them."""
        return type(self).prepare is Posterior.prepare and type(self).weights is Posterior.weights

    def prepare(
        self,
        scores: Float[Any, "K N T"],
        member: Bool[Any, "N T"],
        timing: Timing,
        *,
        alpha: Float[Array, ""],
        signal: SignalName,
        missing: Missing,
        key: Key[Array, ""],
        room: Room = np.empty,
    ) -> Prepared:
        """Ranks and correlations of the scores; a block of dates at a time is on the devices."""
        return prepare(scores, member, missing, 2 * horizon_of(timing), signal, alpha, key, room)

    def weights(
        self, prepared: Prepared, forward_returns: Float[Any, "N T"], timing: Timing, daily_returns: Float[Any, "N T"] | None = None
    ) -> Float[Any, "T K"]:
        """Weights of each date from the forward returns known on it; equal before `timing.first_search`."""
        return self.weights_of_draws(prepared, forward_returns[None], timing)[0]

    def weights_of_draws(
        self, prepared: Prepared, forward_returns: Float[Any, "G N T"], timing: Timing, daily_returns: Float[Any, "G N T"] | None = None
    ) -> Float[Any, "G T K"]:
        """`weights` under each draw; ranks and scores are read once for all."""
        del daily_returns
        lookback = None if timing.lookback == "auto" else timing.lookback
        found = weights_by_draw(prepared, forward_returns, gap=timing.gap or 0, horizon=horizon_of(timing), lookback=lookback).weights
        early = np.arange(found.shape[1]) < timing.first_search
        return numpy_of(found).where(early[None, :, None], np.float32(1.0 / found.shape[2]), found)

    def draws_together(self, archetypes: int, stocks: int, dates: int) -> int:
        """As many as make reading the ranks cheap, and are held in a quarter of a gigabyte."""
        return draws_held(archetypes, stocks, dates)

    def held_bytes(self, archetypes: int, stocks: int, dates: int) -> HeldBytes:
        """Ranks of scores and candidates; correlations by epoch, and what is known of some draws."""
        cells, epochs = stocks * dates, len(epoch_starts(dates))
        draws = max(HELD_NUMBERS, device_count() * numbers_of_a_draw(archetypes, stocks, dates))
        return HeldBytes(
            like_scores=2 * (archetypes + candidates_of(stocks, dates)) * cells,
            beside=4 * (draws + 3 * epochs * archetypes**2 * device_count()),
        )


def horizon_of(timing: Timing) -> int:
    """Dates a return runs over, or what the gap allows where it is not told."""
    return timing.horizon or (timing.gap or 0) + 1
