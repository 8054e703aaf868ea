"""The objective of a calibration: how many errors the stylised facts of simulated markets are away from those of a panel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.errors import DataError


class Facts(NamedTuple):
    """Facts of a panel with the covariance of their errors.

    Attributes:
        values: of each fact.
        covariance: over resampled units.
        units: markets, or spans of time, behind it.
    """

    values: Float[np.ndarray, " F"]
    covariance: Float[np.ndarray, "F F"]
    units: int


class Objective(NamedTuple):
    r"""Distance of facts to those of a panel, by the errors of their differences.

    $$ z_f = \frac{s_f - \hat s_f}{\sigma_f}, \qquad d^2 = z^\top R^{-1} z, \qquad \sigma_f^2 = \Sigma_{ff} $$

    with s the facts of simulated markets, ŝ those of the panel, and Σ the covariance of their errors, the panel's and the simulation's
    added up; R is its correlation, without which two facts that say the same (kurtosis at two scales) would count twice. At the true traits
    d² has a mean of F, the number of facts (Hansen's J; Wood 2010, whose likelihood exp(−d²/2) is).

    Attributes:
        names: of the facts.
        target: ŝ.
        errors: σ.
        correlation: R, its off-diagonal entries less by the share that F is of the units, since of few units it would be singular.
    """

    names: tuple[str, ...]
    target: Float[np.ndarray, " F"]
    errors: Float[np.ndarray, " F"]
    correlation: Float[np.ndarray, "F F"]

    def scaled(self, facts: Float[np.ndarray, "*n F"]) -> Float[np.ndarray, "*n F"]:
        """z: how many errors each fact is away."""
        return (facts - self.target) / self.errors

    def squared_distance(self, facts: Float[np.ndarray, "n F"]) -> Float[np.ndarray, " n"]:
        """d² of each candidate; infinite where one of its facts is undefined."""
        defined = np.isfinite(facts).all(axis=1)
        z = self.scaled(np.where(defined[:, None], facts, self.target))
        return np.where(defined, np.einsum("nf,fn->n", z, np.linalg.solve(self.correlation, z.T)), np.inf)


def objective(names: tuple[str, ...], panel: Facts, simulated: Facts | None) -> Objective:
    """The objective of a panel.

    Args:
        names: of the facts.
        panel: to be come near to.
        simulated: of markets as many as a candidate's; None leaves their errors out.

    Raises:
        DataError: a fact of the panel is undefined, or never differs.

    Example:
        Two facts, of which the second is known twice as well:

        >>> import numpy as np
        >>> panel = Facts(np.array([1.0, 1.0]), np.diag([4.0, 1.0]), units=100)
        >>> made = objective(("a", "b"), panel, None)
        >>> print(made.squared_distance(np.array([[3.0, 1.0], [3.0, 3.0], [np.nan, 1.0]])))
        [ 1.  5. inf]
    """
    covariance = panel.covariance if simulated is None else panel.covariance + simulated.covariance
    units = panel.units if simulated is None else min(panel.units, simulated.units)
    for name, value, variance in zip(names, panel.values, np.diag(covariance), strict=True):
        if not (np.isfinite(value) and variance > 0):
            what = "is undefined in too many series" if not np.isfinite(value) else "never differs"
            raise DataError(f"{name!r} of the panel that is compared with {what}; leave it out of `facts`, or give other data")
    errors = np.sqrt(np.diag(covariance))
    kept = 1 - min(1.0, len(names) / units)
    correlation = covariance / np.outer(errors, errors) * kept + np.eye(len(names)) * (1 - kept)
    return Objective(names, panel.values, errors, correlation)
