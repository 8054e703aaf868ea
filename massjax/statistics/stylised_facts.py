"""The stylised facts of a panel of markets in one table: each figure with its bootstrap interval over the markets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from massjax.errors import ConfigError, DataError
from massjax.statistics.autocorrelation import autocorrelation, autocorrelation_decay, mean_autocorrelation
from massjax.statistics.gain_loss import gain_loss_asymmetry, skewness
from massjax.statistics.order_flow import sign_autocorrelation, volume_volatility
from massjax.statistics.over_markets import DRAWS, MarketInterval, mean_over_markets, over_markets
from massjax.statistics.tails import hill_index, kurtosis_by_scale, standardised


@dataclass(frozen=True)
class FactSettings:
    """What the table of stylised facts looks at.

    Attributes:
        scales: ticks in a bar at which kurtosis is measured.
        lags: at which autocorrelations are listed.
        first_lag, last_lag: over which the autocorrelation of |r| is averaged; begin two ticks beyond the orders' time to live.
        decay_lags: last lag of the power laws, which begin at lag 1.
        bar: ticks in a bar of volume and volatility.
        passage_level: of the gain–loss asymmetry, in standard deviations of a tick.
        passage_horizon: most ticks that a gain or loss is waited for.
        level: of the intervals.
        draws: resamples of markets.
        seed: of the resampling.
    """

    scales: tuple[int, ...] = (1, 10, 100)
    lags: tuple[int, ...] = (1, 10, 20, 50)
    first_lag: int = 12
    last_lag: int = 50
    decay_lags: int = 50
    bar: int = 10
    passage_level: float = 3.0
    passage_horizon: int = 100
    level: float = 0.95
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no figure can be made of.

        Raises:
            ConfigError: a field is out of range; the message names it.
        """
        whole = {"first_lag": 1, "last_lag": self.first_lag, "decay_lags": 3, "bar": 1, "passage_horizon": 1, "draws": 2}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("scales", "lags"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ConfigError(f"{name} must hold whole numbers from 1 on, got {getattr(self, name)}")
        if not self.passage_level > 0:
            raise ConfigError(f"passage_level must be positive, got {self.passage_level}")
        if not 0 < self.level < 1:
            raise ConfigError(f"level must lie between 0 and 1, got {self.level}")


def stylised_facts(
    returns: Float[np.ndarray, " ..."],
    volumes: Shaped[np.ndarray, " ..."] | None = None,
    signs: Shaped[np.ndarray, " ..."] | None = None,
    settings: FactSettings | None = None,
) -> dict[str, MarketInterval]:
    """The stylised facts of a panel of markets, each with its interval over markets.

    A figure of each market (kurtosis, autocorrelations, asymmetry, volume–volatility) is averaged over those that have one, and `markets`
    says how many do. Hill's index and the power laws are of all markets together, their returns standardised market by market, and are
    worked out anew on each draw.

    Args:
        returns: [M, T] log returns of each market's ticks, or of each stock's days; NaN = missing.
        volumes: [M, T] traded in each tick; without them there is no volume–volatility correlation.
        signs: [M, T] of the trade in each tick, 0 = none; without them there is no memory of signs.
        settings: None = the defaults.

    Returns:
        By name; figures of which nothing is defined are NaN, such as all of a market that does not move.

    Raises:
        DataError: `returns` is not [markets, ticks], or volumes or signs have another shape.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.stylised_facts import FactSettings, stylised_facts
        >>> fat = np.random.default_rng(0).standard_t(5, size=(32, 300))
        >>> facts = stylised_facts(fat, settings=FactSettings(draws=50))
        >>> facts["excess kurtosis, 1 tick"].low > 1, abs(facts["r autocorrelation, lag 1"].estimate) < 0.05
        (True, True)
    """
    chosen = settings or FactSettings()
    for name, given in (("volumes", volumes), ("signs", signs)):
        if given is not None and given.shape != returns.shape:
            raise DataError(f"{name} {given.shape} and returns {returns.shape} are not of the same markets and ticks")
    if returns.ndim != 2:
        raise DataError(f"returns need two axes, markets and ticks; their shape is {returns.shape}")

    def averaged(values: Float[np.ndarray, " M"]) -> MarketInterval:
        return mean_over_markets(values, chosen.level, chosen.draws, chosen.seed)

    def pooled(statistic: Callable[..., float], panel: np.ndarray) -> MarketInterval:
        return over_markets(statistic, panel, level=chosen.level, draws=chosen.draws, seed=chosen.seed)

    def exponent(rho: Float[np.ndarray, "M L"], ticks: int) -> MarketInterval:
        if ticks <= chosen.decay_lags:
            return pooled(lambda drawn: np.nan, rho)
        return pooled(lambda drawn: -autocorrelation_decay(drawn, decay, ticks).exponent, rho)

    decay = range(1, chosen.decay_lags + 1)
    magnitude, kurtosis = np.abs(returns), kurtosis_by_scale(returns, chosen.scales)
    facts = {f"excess kurtosis, {_ticks(scale)}": averaged(kurtosis[:, i]) for i, scale in enumerate(chosen.scales)}
    facts["Hill index of |r|"] = pooled(lambda z: hill_index(z).index, standardised(returns))
    for name, series in (("r", returns), ("|r|", magnitude), ("r²", np.square(returns))):
        rho = autocorrelation(series, chosen.lags)
        facts |= {f"{name} autocorrelation, lag {lag}": averaged(rho[:, i]) for i, lag in enumerate(chosen.lags)}
    span = f"{chosen.first_lag}-{chosen.last_lag}"
    facts[f"|r| autocorrelation, mean of lags {span}"] = averaged(mean_autocorrelation(magnitude, chosen.first_lag, chosen.last_lag))
    facts["|r| autocorrelation, exponent of decay"] = exponent(autocorrelation(magnitude, decay), _usual(np.isfinite(returns)))
    facts["skewness"] = averaged(skewness(returns))
    facts["gain-loss asymmetry"] = averaged(gain_loss_asymmetry(returns, chosen.passage_level, chosen.passage_horizon))
    if volumes is not None:
        facts[f"volume-volatility, bars of {_ticks(chosen.bar)}"] = averaged(volume_volatility(returns, volumes, chosen.bar))
    if signs is not None:
        rho = sign_autocorrelation(signs, chosen.lags)
        facts |= {f"trade sign autocorrelation, lag {lag}": averaged(rho[:, i]) for i, lag in enumerate(chosen.lags)}
        facts["trade sign autocorrelation, exponent of decay"] = exponent(
            sign_autocorrelation(signs, decay), _usual(np.isfinite(signs) & (signs != 0))
        )
    return facts


def _usual(known: Bool[np.ndarray, "M T"]) -> int:
    """Mean number of values of a market."""
    return int(known.sum(axis=1).mean()) if known.shape[0] else 0


def _ticks(number: int) -> str:
    return f"{number} tick{'s' * (number > 1)}"
