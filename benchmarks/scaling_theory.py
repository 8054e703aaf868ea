"""What theory says of finitely many agents: how noisy their mean score is, and what that noise does to its RankIC.

A share of a_k · W/M attending agents that picks with chance p_k has variance p_k (1 − p_k) M / (W a_k), for watch lists of W of M
members. Mixed with weights w_k = a_k / A this gives the mean score of A agents the variance V / A around its limit (`noise`). Noise of
variance V/A on a signal of cross-sectional variance S leaves a share S / (S + V/A) of it (`kept`). A correlation with anything shrinks by
the root of that (Spearman 1904, "attenuation"), and the noise's own correlation with the returns of n stocks has variance
1 / (n − 1), independent from date to date.

This is for several agents an archetype. With fewer, seeds also differ by which archetypes they have, on all dates alike, and a stock that
one or two agents attended to is noisier than the mean of 1/a says. With very many, noise is below the gaps between stocks: ranks then
change by a few swaps of neighbours, and the dispersion of RankIC falls more slowly than that of the scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from massjax.statistics.correlation import daily_rank_ic


@dataclass(frozen=True)
class Theory:
    """The limit of infinitely many agents, and how A agents fall short of it; one entry a date.

    Attributes:
        rank_ic: RankIC of the limit.
        spread: variance of the limit over the members, S.
        noise: mean variance of one agent's mean score over the members, V.
        members: stocks that can be attended to, M.
        watchlist: stocks on a watch list, W.
    """

    rank_ic: Float[np.ndarray, " T"]
    spread: Float[np.ndarray, " T"]
    noise: Float[np.ndarray, " T"]
    members: Float[np.ndarray, " T"]
    watchlist: int

    def variance(self, agents: Int[np.ndarray, " A"]) -> Float[np.ndarray, " A"]:
        """Variance of the mean score of a stock over draws of the agents, averaged over stocks and dates."""
        return self.noise.mean() / agents

    def mean_rank_ic(self, agents: Int[np.ndarray, " A"]) -> Float[np.ndarray, " A"]:
        """Expected mean RankIC over the dates."""
        return np.nanmean(self.rank_ic * np.sqrt(self._kept(agents)), axis=1)

    def rank_ic_deviation(self, agents: Int[np.ndarray, " A"]) -> Float[np.ndarray, " A"]:
        """Standard deviation, over draws of the agents, of the mean RankIC over the dates."""
        attended = self.members * (1 - (1 - np.minimum(self.watchlist / self.members, 1)) ** agents[:, None])
        daily = (1 - self._kept(agents)) / np.maximum(attended - 1, 1)
        return np.sqrt(daily.mean(axis=1) / len(self.rank_ic))

    def _kept(self, agents: Int[np.ndarray, " A"]) -> Float[np.ndarray, "A T"]:
        return self.spread / (self.spread + self.noise / agents[:, None])


def theory_of(
    shares: Float[np.ndarray, "K N T"],
    weights: Float[np.ndarray, " K"],
    member: Bool[np.ndarray, "N T"],
    forward_returns: Float[np.ndarray, "N T"],
    watchlist: int,
) -> Theory:
    """The theory of the mean signal, from the limits that the archetypes' shares converge to.

    Args:
        shares: chance with which an agent of each archetype picks a stock it attends to; NaN where it cannot.
        weights: the agent distribution.
    """
    present = ~np.isnan(shares) & member
    weight = np.where(present, weights[:, None, None], 0.0)
    total = weight.sum(axis=0)
    scale = np.where(total > 0, total, 1.0)
    limit = np.where(total > 0, (weight * np.nan_to_num(shares)).sum(axis=0) / scale, np.nan)
    eligible = present.sum(axis=1)
    looks = np.minimum(watchlist / np.maximum(eligible, 1), 1.0)[:, None, :]
    each = np.nan_to_num(shares * (1 - shares)) / looks
    noise = (weight / scale * each).sum(axis=0)
    members = (total > 0).sum(axis=0)
    dates = members > 1
    rank_ic = daily_rank_ic(limit[:, dates], forward_returns[:, dates], member[:, dates])
    return Theory(
        rank_ic=rank_ic,
        spread=np.nanvar(limit[:, dates], axis=0),
        noise=noise[:, dates].sum(axis=0) / members[dates],
        members=members[dates].astype(float),
        watchlist=watchlist,
    )
