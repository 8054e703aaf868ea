"""A calibration from its settings to its posterior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from massjax.calibrate.candidates import Simulated, in_units, simulated, values_of
from massjax.calibrate.facts import LEAST_DEFINED, FactPanel, error_covariance, fact_names, facts_of, panel_of_market
from massjax.calibrate.objective import Facts, Objective, objective
from massjax.calibrate.posterior import (
    Proposal,
    effective_size,
    even_points,
    importance_weights,
    local_linear,
    mixture_density,
    next_proposal,
    weighted_quantile,
)
from massjax.calibrate.settings import CalibrationConfig
from massjax.errors import ConfigError, DataError
from massjax.market.load import load_panel
from massjax.progress import Tell
from massjax.simulator.policy import Policy
from massjax.statistics.transport import TransportDistances, transport_distances

LEVEL = 0.9
"""Of regions and intervals."""
SMOOTHED_OVER = 2.0
"""Widths of the kernels that facts are smoothed with, in those that a round would be drawn with."""
PROPOSED_FROM = 0.25
"""Share of a round's candidates, as an effective number, that the next round is drawn around at least."""
CANDIDATES, CHECK, TRUTH = range(3)
"""What the chances of a key are for: all candidates, the check of those that are named, and a simulated panel."""


class Panels(NamedTuple):
    """What is compared with.

    Attributes:
        fitted: panel that candidates are compared with.
        held_out: panel of later rows, which none has been compared with; None where nothing is held out.
        warnings: sentences about the data that its user should read.
    """

    fitted: FactPanel
    held_out: FactPanel | None
    warnings: tuple[str, ...] = ()


class Check(NamedTuple):
    """The default traits and the best candidate, simulated anew with chances that no candidate was chosen by.

    Attributes:
        objective: of the panel.
        default, best: facts of either.
        transport: optimal-transport distances of either to the panel, on which nothing was fitted.
    """

    objective: Objective
    default: Float[np.ndarray, " F"]
    best: Float[np.ndarray, " F"]
    transport: tuple[TransportDistances, TransportDistances]

    def distances(self) -> tuple[float, float]:
        """Of the default traits and of the best candidate."""
        squared = self.objective.squared_distance(np.stack([self.default, self.best]))
        return float(np.sqrt(squared[0])), float(np.sqrt(squared[1]))


class Truth(NamedTuple):
    """The true traits among the candidates of a simulated panel.

    Attributes:
        squared_distance: of the true traits, of facts smoothed over the candidates around them.
        inside: whether they lie in the region of the posterior: not farther than its candidates of that share are.
    """

    squared_distance: float
    inside: bool


@dataclass(frozen=True, eq=False)
class Calibration:
    """A posterior over trait distributions.

    Attributes:
        config: what it was made with.
        objective: that candidates were judged by.
        traits: values of the free traits of each candidate.
        facts: of each.
        smooth: facts of each smoothed over its neighbours, NaN where it was refused; of these are distances and weights.
        trades: share of ticks with a trade of each.
        rounds: in which each was drawn.
        squared_distance: d² of each; infinite where it was refused.
        weights: of the posterior, summing to 1.
        misfit: what d² is divided by, so that the best candidate fits as well as a true one would; 1 where one does.
        fitted, held_out: check of the default traits and the best candidate on either panel.
        truth: None where the panel is real.
        warnings: sentences about the data that its user should read.
    """

    config: CalibrationConfig
    objective: Objective
    traits: Float[np.ndarray, "n D"]
    facts: Float[np.ndarray, "n F"]
    smooth: Float[np.ndarray, "n F"]
    trades: Float[np.ndarray, " n"]
    rounds: Int[np.ndarray, " n"]
    squared_distance: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    misfit: float
    fitted: Check
    held_out: Check | None
    truth: Truth | None
    warnings: tuple[str, ...]

    @property
    def best(self) -> int:
        """Number of the candidate with the smallest distance."""
        return int(np.argmin(self.squared_distance))

    @property
    def effective(self) -> float:
        """Effective number of candidates behind the posterior."""
        return effective_size(self.weights)

    @property
    def region(self) -> float:
        """d² up to which the candidates have 90 % of the posterior: its region of highest density, since all traits were equally likely."""
        return weighted_quantile(self.squared_distance, self.weights, LEVEL)

    def interval(self, trait: str) -> tuple[float, float, float]:
        """Median of the posterior of one trait, and the ends of its 90 % interval."""
        values = self.traits[:, self.config.traits.index(trait)]
        low, middle, high = (weighted_quantile(values, self.weights, level) for level in ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
        return middle, low, high


def calibrated(config: CalibrationConfig, policy: Policy, tell: Tell) -> Calibration:
    """The posterior of the free traits, weighted by exp(−d²/2) of the objective.

    The errors of the simulation are those of the best candidate of the first round, and are the same for all: errors of each candidate's
    own would favour mixes whose facts are uncertain. Where no candidate comes as near as a true one would, d² is divided by its smallest
    value per fact, so that the posterior says which candidates are nearly as good as the best instead of being that one alone.

    Args:
        policy: of all agents, whatever their mix.
        tell: of its progress.

    Raises:
        DataError: the market data cannot be had or is too short, or all candidates were refused.
    """
    tell("reading the panel", 0, 0)
    panels = panels_of(config, policy)
    volumes = panels.fitted.volumes is not None
    names = fact_names(config.facts, volumes)
    target = facts_and_errors(panels.fitted, config)
    judged = objective(names, target, None)
    search = _Search(config, policy, volumes, tell)
    search.add_round(None, even_points(config.candidates, len(config.traits), config.seed))
    first = search.squared_distance(judged)
    if not np.isfinite(first).any():
        raise DataError(_all_refused(search, config))
    near = _simulated_anew(search.traits()[int(np.argmin(first))][None], policy, CANDIDATES, config, volumes)[0]
    errors = facts_and_errors(near.panel, config)
    judged = objective(names, target, errors)
    for number in range(1, config.rounds):
        likelihood, mixture = search.log_likelihood(judged), search.mixture()
        proposal = next_proposal(search.points(), likelihood, mixture, PROPOSED_FROM * config.candidates)
        search.add_round(proposal, proposal.draw(config.candidates, np.random.default_rng([config.seed, number])))
    likelihood, mixture, points = search.log_likelihood(judged), search.mixture(), search.points()
    widths = SMOOTHED_OVER * next_proposal(points, likelihood, mixture, PROPOSED_FROM * config.candidates).widths
    kept = np.isfinite(likelihood)
    smooth = np.full(search.facts().shape, np.nan)
    smooth[kept] = local_linear(points[kept], search.facts()[kept], widths, points[kept])
    squared = judged.squared_distance(smooth)
    weights = importance_weights(-0.5 * squared / misfit(squared, len(names)), mixture)
    tell("checking with other chances", 0, 0)
    chosen = np.stack([values_of(config.simulation.traits, config), search.traits()[int(np.argmin(squared))]])
    pair = _simulated_anew(chosen, policy, CHECK, config, volumes)
    held_out = None
    if panels.held_out is not None:
        held_out = _check(objective(names, facts_and_errors(panels.held_out, config), errors), panels.held_out, pair, config)
    return Calibration(
        config=config,
        objective=judged,
        traits=search.traits(),
        facts=search.facts(),
        smooth=smooth,
        trades=search.trades(),
        rounds=np.repeat(np.arange(config.rounds), config.candidates),
        squared_distance=squared,
        weights=weights,
        misfit=misfit(squared, len(names)),
        fitted=_check(judged, panels.fitted, pair, config),
        held_out=held_out,
        truth=None
        if config.truth is None
        else _truth(config, judged, squared, weights, lambda at: local_linear(points[kept], search.facts()[kept], widths, at)),
        warnings=panels.warnings,
    )


def panels_of(config: CalibrationConfig, policy: Policy) -> Panels:
    """What is compared with: market data up to the split and from then on, or a panel of the truth, with chances of its own."""
    if config.truth is not None:
        made = next(simulated(values_of(config.truth, config)[None], policy, _key(config, TRUTH), config))
        return Panels(made.panel, None)
    panel = load_panel(config.market)
    if config.split is None:
        return Panels(panel_of_market(panel, config.rows, config.volume), None, panel.warnings)
    day = np.datetime64(config.split, "D")
    if not panel.dates[0] < day <= panel.dates[-1]:
        raise ConfigError(f"split: {config.split} is not within the market data, {panel.dates[0]} to {panel.dates[-1]}")
    parts = panel.between(None, day - np.timedelta64(1, "D")), panel.between(day, None)
    fitted, held_out = (panel_of_market(part, config.rows, config.volume) for part in parts)
    return Panels(fitted, held_out, panel.warnings)


def facts_and_errors(panel: FactPanel, config: CalibrationConfig) -> Facts:
    """The facts of a panel with the covariance of their errors.

    Raises:
        DataError: a fact is undefined in too many of its series.
    """
    facts = facts_of(panel, config.facts)
    if not np.isfinite(facts).all():
        names = fact_names(config.facts, panel.volumes is not None)
        missing = [name for name, fact in zip(names, facts, strict=True) if not np.isfinite(fact)]
        raise DataError(
            f"the panel to compare with has no {missing[0]!r}: it is undefined in more than {100 * (1 - LEAST_DEFINED):.0f} % of its "
            f"series, as where prices do not move for {config.rows} rows; leave out stocks or rows without trading, or the fact"
        )
    return Facts(facts, error_covariance(panel, config.facts, config.seed), len(panel.returns))


def misfit(squared_distance: Float[np.ndarray, " n"], facts: int) -> float:
    """What d² is divided by: the smallest over the number of facts, where that is above 1 (a common scale of errors: Birge 1932).

    Example:
        >>> import numpy as np
        >>> misfit(np.array([12.0, np.inf]), facts=6), misfit(np.array([3.0]), facts=6)
        (2.0, 1.0)
    """
    return max(1.0, float(squared_distance.min()) / facts)


class _Search:
    """The rounds so far: what was drawn, from what, and what came of it."""

    def __init__(self, config: CalibrationConfig, policy: Policy, volumes: bool, tell: Tell) -> None:
        self._config, self._policy, self._volumes, self._tell = config, policy, volumes, tell
        self._proposals: list[Proposal | None] = []
        self._points: list[Float[np.ndarray, "n D"]] = []
        self._facts: list[Float[np.ndarray, " F"]] = []
        self._trades: list[float] = []

    def add_round(self, proposal: Proposal | None, points: Float[np.ndarray, "n D"]) -> None:
        """Simulate points that were drawn from a proposal; None = evenly."""
        config, total = self._config, self._config.rounds * self._config.candidates
        self._proposals.append(proposal)
        self._points.append(points)
        for one in simulated(in_units(points, config), self._policy, _key(config, CANDIDATES), config):
            self._facts.append(facts_of(_comparable(one, self._volumes).panel, config.facts))
            self._trades.append(one.trades)
            self._tell("simulating candidates", len(self._facts), total)

    def points(self) -> Float[np.ndarray, "n D"]:
        """In the unit box."""
        return np.concatenate(self._points)

    def traits(self) -> Float[np.ndarray, "n D"]:
        """In their units."""
        return in_units(self.points(), self._config)

    def facts(self) -> Float[np.ndarray, "n F"]:
        """Of each candidate."""
        return np.stack(self._facts)

    def trades(self) -> Float[np.ndarray, " n"]:
        """Share of ticks with a trade of each candidate."""
        return np.array(self._trades)

    def mixture(self) -> Float[np.ndarray, " n"]:
        """Density of all rounds at each candidate."""
        return mixture_density(self.points(), self._proposals)

    def squared_distance(self, judged: Objective) -> Float[np.ndarray, " n"]:
        """d², infinite where facts are undefined or the markets dried up."""
        return np.where(self.trades() >= self._config.least_trades, judged.squared_distance(self.facts()), np.inf)

    def log_likelihood(self, judged: Objective) -> Float[np.ndarray, " n"]:
        """−d²/2, the errors widened by the misfit."""
        squared = self.squared_distance(judged)
        return -0.5 * squared / misfit(squared, len(judged.names))


def _simulated_anew(
    values: Float[np.ndarray, "n D"], policy: Policy, chances: int, config: CalibrationConfig, volumes: bool
) -> list[Simulated]:
    return [_comparable(one, volumes) for one in simulated(values, policy, _key(config, chances), config)]


def _comparable(one: Simulated, volumes: bool) -> Simulated:
    """Without the volumes, where the panel has none."""
    return one if volumes else one._replace(panel=one.panel._replace(volumes=None))


def _check(judged: Objective, panel: FactPanel, pair: Sequence[Simulated], config: CalibrationConfig) -> Check:
    default, best = (facts_of(one.panel, config.facts) for one in pair)
    ahead, after = (transport_distances(one.panel.returns, panel.returns) for one in pair)
    return Check(judged, default, best, (ahead, after))


def _truth(
    config: CalibrationConfig,
    judged: Objective,
    squared: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    smoothed_at: Callable[[Float[np.ndarray, "m D"]], Float[np.ndarray, "m F"]],
) -> Truth:
    assert config.truth is not None
    low, high = np.array([config.bounds[name] for name in config.traits]).T
    point = (values_of(config.truth, config) - low) / (high - low)
    found = float(judged.squared_distance(smoothed_at(point[None]))[0])
    return Truth(found, found <= weighted_quantile(squared, weights, LEVEL))


def _all_refused(search: _Search, config: CalibrationConfig) -> str:
    dry = float(np.mean(search.trades() < config.least_trades))
    return (
        f"all {len(search.trades()):,} candidates of the first round were refused, {100 * dry:.0f} % of them because less than "
        f"{100 * config.least_trades:g} % of the ticks have a trade, the others because a fact is undefined; use a policy that has "
        "learned, other bounds, or a lower least_trades"
    )


def _key(config: CalibrationConfig, chances: int) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.key(config.seed), chances)
