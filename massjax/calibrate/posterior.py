"""A posterior over a box by adaptive importance sampling: rounds of points, each drawn near what was good so far, all of them weighted.

No search of `massjax.search` fits here. They move weights of archetypes, of which only ratios matter, so that a box would have to be folded
into a simplex, with moves of no honest length in it; they judge under `jax.jit` by correlations of a window; and they keep the best point
alone, where a posterior needs all points with the density that they were drawn from. Libraries for simulation-based inference (pyABC, sbi)
bring a data base or PyTorch for what is here a page on scipy, and their rejection or neural estimates use a simulation less fully: with
the same chances for all candidates the likelihood is a function that can be weighted exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, special
from scipy.stats import norm, qmc

EVENLY = 0.1
"""Share of each later round that is drawn evenly over the box, so that what a proposal overlooks is still met, and no weight is vast."""
LEAST_WIDTH = 1e-3
"""Least width of a kernel, as a share of the box."""
LEAST_SHARE = 0.25
"""Effective share of a round's points that a proposal is made of at least: the likelihood is flattened until there are so many."""
RIDGE = 0.1
"""What slopes of smoothed values are held by, in neighbours."""
AT_ONCE = 256
"""Points whose density is worked out at a time."""


class Proposal(NamedTuple):
    """Density on the unit box that points are drawn from: a mixture of normal kernels cut off at the box, and the uniform density.

    Attributes:
        centres: of the kernels.
        weights: of the kernels, summing to 1.
        widths: standard deviations of all kernels, before they are cut off.
    """

    centres: Float[np.ndarray, "K D"]
    weights: Float[np.ndarray, " K"]
    widths: Float[np.ndarray, " D"]

    def draw(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "n D"]:
        """So many independent points."""
        centre = self.centres[rng.choice(len(self.centres), count, p=self.weights)]
        low, high = norm.cdf((0 - centre) / self.widths), norm.cdf((1 - centre) / self.widths)
        near = centre + self.widths * norm.ppf(low + (high - low) * rng.random(centre.shape))
        return np.clip(np.where(rng.random((count, 1)) < EVENLY, rng.random(centre.shape), near), 0.0, 1.0)

    def density(self, points: Float[np.ndarray, "n D"]) -> Float[np.ndarray, " n"]:
        """At points of the box; it integrates to 1."""
        inside = norm.cdf((1 - self.centres) / self.widths) - norm.cdf((0 - self.centres) / self.widths)
        logs = np.log(self.weights) - np.log(np.sqrt(2 * np.pi) * self.widths * inside).sum(axis=1)
        found = np.empty(len(points))
        for start in range(0, len(points), AT_ONCE):
            away = (points[start : start + AT_ONCE, None, :] - self.centres) / self.widths
            found[start : start + AT_ONCE] = special.logsumexp(logs - 0.5 * np.square(away).sum(axis=2), axis=1)
        return EVENLY + (1 - EVENLY) * np.exp(found)


def even_points(count: int, dimensions: int, seed: int) -> Float[np.ndarray, "n D"]:
    """Points spread evenly over the unit box: a scrambled Sobol sequence (Owen 1998).

    Args:
        count: a power of two.
    """
    return qmc.Sobol(dimensions, rng=np.random.default_rng([seed, 0])).random(count)


def mixture_density(points: Float[np.ndarray, "n D"], proposals: list[Proposal | None]) -> Float[np.ndarray, " n"]:
    """Density of all rounds together, of equally many points each, at points of the box.

    Args:
        proposals: of each round; None = uniform.
    """
    return np.mean([np.ones(len(points)) if proposal is None else proposal.density(points) for proposal in proposals], axis=0)


def importance_weights(log_likelihood: Float[np.ndarray, " n"], mixture: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""Weights, summing to 1, of the points of all rounds for the posterior of a uniform prior on the box.

    $$ w_i \propto \frac{L(u_i)}{\frac1R \sum_r q_r(u_i)} $$

    each point against the mixture of all rounds, whichever it came from (the balance heuristic, Veach and Guibas 1995; adaptive multiple
    importance sampling, Cornuet, Marin, Mira and Robert 2012), so that a point where its own proposal was thin cannot dominate.

    Args:
        log_likelihood: −∞ where a point is refused.
        mixture: of `mixture_density`.

    Returns:
        Zeros where all points are refused.

    Example:
        >>> import numpy as np
        >>> points = even_points(64, 1, seed=0)
        >>> weights = importance_weights(-0.5 * ((points[:, 0] - 0.3) / 0.1) ** 2, mixture_density(points, [None]))
        >>> print((weights @ points).round(2))
        [0.3]
    """
    logs = log_likelihood - np.log(mixture)
    highest = logs.max()
    if not np.isfinite(highest):
        return np.zeros(len(logs))
    weights = np.exp(logs - highest)
    return weights / weights.sum()


def effective_size(weights: Float[np.ndarray, " n"]) -> float:
    """Equally weighted independent draws that tell as much: 1 / Σ w² of weights that sum to 1 (Kish 1965); 0 where all are 0."""
    squares = float(np.square(weights).sum())
    return 1 / squares if squares > 0 else 0.0


def next_proposal(
    points: Float[np.ndarray, "n D"], log_likelihood: Float[np.ndarray, " n"], mixture: Float[np.ndarray, " n"], wanted: float
) -> Proposal:
    """Where the next round is drawn: kernels at the points so far, weighted by the posterior.

    Where few points bear its weight the likelihood is raised to a power below 1, the highest at which as many count as are wanted (an
    annealed likelihood: Neal 2001). Widths are Silverman's (1986, equation 4.14) for the effective number of points, of each dimension by
    itself. Without a point that is not refused it is one wide kernel.

    Args:
        points: of all rounds so far.
        log_likelihood: −∞ where a point is refused.
        mixture: of `mixture_density`.
        wanted: effective number of points that it is made of at least, where the points allow.
    """
    allowed, dimensions = np.isfinite(log_likelihood), points.shape[1]
    if not allowed.any():
        return Proposal(np.full((1, dimensions), 0.5), np.ones(1), np.ones(dimensions))

    def weights_at(power: float) -> Float[np.ndarray, " n"]:
        return importance_weights(np.where(allowed, power * np.where(allowed, log_likelihood, 0.0), -np.inf), mixture)

    def lacking(power: float) -> float:
        return wanted - effective_size(weights_at(power))

    power = 1.0 if lacking(1.0) <= 0 else 0.0 if lacking(0.0) >= 0 else float(optimize.brentq(lacking, 0.0, 1.0, xtol=1e-12))
    weights = weights_at(power)
    kept = weights > 0
    deviation = np.sqrt(weights @ np.square(points - weights @ points))
    silverman = (4 / ((dimensions + 2) * effective_size(weights))) ** (1 / (dimensions + 4))
    return Proposal(points[kept], weights[kept], np.maximum(silverman * deviation, LEAST_WIDTH))


def local_linear(
    points: Float[np.ndarray, "n D"], values: Float[np.ndarray, "n F"], widths: Float[np.ndarray, " D"], at: Float[np.ndarray, "m D"]
) -> Float[np.ndarray, "m F"]:
    """Values smoothed over the box: a line through those around each point, weighted by normal kernels (Fan 1993), slopes held by a ridge.

    What a simulation says of one point is rough, since the slightest change of a trait changes who trades with whom; a good point is then
    also a lucky one. Neighbours have other luck.

    Args:
        points, values: that are smoothed.
        widths: standard deviations of the kernel.
        at: where they are wanted.

    Example:
        >>> import numpy as np
        >>> points = even_points(64, 1, seed=0)
        >>> print(local_linear(points, 3 * points + 1, np.array([0.1]), np.array([[0.5]])).round(1))
        [[2.5]]
    """
    found = np.empty((len(at), values.shape[1]))
    for row, centre in enumerate(at):
        away = (points - centre) / widths
        squares = np.square(away).sum(axis=1)
        weights = np.exp(-0.5 * (squares - squares.min()))
        design = np.column_stack([np.ones(len(points)), away])
        normal = design.T @ (weights[:, None] * design) + np.diag([0.0, *np.full(len(widths), RIDGE)])
        found[row] = np.linalg.solve(normal, design.T @ (weights[:, None] * values))[0]
    return found


def weighted_quantile(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], level: float) -> float:
    """The smallest value up to which the weights sum to `level`.

    Example:
        >>> import numpy as np
        >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3]), 0.6)
        2.0
    """
    order = np.argsort(values)
    upto = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(upto, level * upto[-1])), len(values) - 1)])
