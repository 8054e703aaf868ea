"""A model whose memory is planted: its answers, with facts and without, are a known function of facts, fame and the future return."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, Float64, Int

from massjax.scores.contrast import alphas

CHOICES = 5
FACTS = 4


@dataclass(frozen=True)
class Planted:
    """What is planted. Logits are in units of what the facts add: skill has a standard deviation of 1.

    Attributes:
        memorised: share of the dates up to the cut-off that the model remembers, in stretches of `stretch` dates.
        memory: logit that a return of one standard deviation adds where it is remembered; 0.5 = half as strong as the skill.
        left: c, the share of the memory that is left where facts are given.
        noise: standard deviation of what varies in the blank answers for no reason.
        fame: logit that one standard deviation of fame adds, with facts and without: distraction.
        informed: correlation of the best reading of the facts with the return.
        identified: share of the stocks whose facts give them away where names are masked.
    """

    memorised: float = 0.5
    memory: float = 0.5
    left: float = 0.6
    noise: float = 0.15
    fame: float = 0.5
    informed: float = 0.1
    identified: float = 0.1
    archetypes: int = 16
    stocks: int = 50
    dates: int = 500
    cutoff: int = 400
    horizon: int = 5
    stretch: int = 10


@dataclass(frozen=True, eq=False)
class PlantedWorld:
    """Logits, with and without what is remembered, and all that a user would have.

    Attributes:
        full, clean: logits with facts; `clean` is without memory.
        blank, blank_clean: logits without facts.
        masked: logits with facts where names and dates are masked: memory is left of the stocks that facts identify, and no fame.
        returns: forward returns, of unit variance over all.
        foreseeable: what the facts say of the returns at best: the mean return given the facts.
        facts, controls: ranks of the facts; size, momentum and fame.
        familiarity: as Min-K % would be: fame, memory and noise.
        remembered: dates that are remembered.
        identified: stocks that facts give away.
        named: row of the stock that the model names from a masked prompt.
        donor, swapped: another stock of the date, and logits with that stock's facts under this name.
    """

    full: Float64[np.ndarray, "K N T"]
    clean: Float64[np.ndarray, "K N T"]
    blank: Float64[np.ndarray, "N T"]
    blank_clean: Float64[np.ndarray, "N T"]
    masked: Float64[np.ndarray, "K N T"]
    returns: Float64[np.ndarray, "N T"]
    foreseeable: Float64[np.ndarray, "N T"]
    facts: Float64[np.ndarray, "F N T"]
    controls: Float64[np.ndarray, "C N T"]
    familiarity: Float64[np.ndarray, "N T"]
    remembered: Bool[np.ndarray, " T"]
    identified: Bool[np.ndarray, " N"]
    named: Int[np.ndarray, "N T"]
    donor: Int[np.ndarray, "N T"]
    swapped: Float64[np.ndarray, "K N T"]

    @cached_property
    def blank_answers(self) -> Float16[np.ndarray, "N T C"]:
        """Choice probabilities without facts."""
        return answers_of(self.blank)

    @cached_property
    def alpha(self) -> Float32[np.ndarray, "N T"]:
        """Of the contrast, the same for all archetypes."""
        return alphas(self.blank_answers, np.ones(self.blank.shape, bool))

    @cached_property
    def blank_scores(self) -> Float[np.ndarray, "N T"]:
        """Expected choices without facts."""
        return scores_of(self.blank)

    @cached_property
    def clean_blank_scores(self) -> Float[np.ndarray, "N T"]:
        """The same without memory."""
        return scores_of(self.blank_clean)


def planted_world(planted: Planted, seed: int) -> PlantedWorld:
    """One history. Returns overlap, stocks of a sector move together, size is paid for, and facts change slowly."""
    p, rng = planted, np.random.default_rng(seed)
    n, t, h = p.stocks, p.dates, p.horizon
    size = rng.normal(size=n)
    fame = 0.7 * size + np.sqrt(1 - 0.49) * rng.normal(size=n)
    facts = _slow(rng.normal(size=(FACTS, n, t)), 0.95)
    read = rng.dirichlet(np.ones(FACTS), p.archetypes)
    read /= np.linalg.norm(read, axis=1, keepdims=True)
    days = np.sqrt(0.3) * np.repeat(rng.normal(size=(n // 5, t + h)), 5, axis=0) + np.sqrt(0.7) * rng.normal(size=(n, t + h))
    days += 0.3 * size[:, None] * (0.1 + rng.normal(size=t + h))
    price = np.concatenate([np.zeros((n, 1)), np.cumsum(days, axis=1)], axis=1)
    ahead = (price[:, h + 1 :] - price[:, 1 : t + 1]) / np.sqrt(h)
    best = facts.sum(axis=0) / np.sqrt(FACTS)
    returns = p.informed * best + np.sqrt(1 - p.informed**2) * ahead
    returns /= returns.std()
    momentum = np.stack([price[:, day + 1] - price[:, max(day - 20, 0)] for day in range(t)], axis=1)
    stretches = np.repeat(rng.random(t // p.stretch + 1) < p.memorised, p.stretch)[:t]
    remembered = stretches & (np.arange(t) < p.cutoff)
    strength = p.memory * np.clip(1 + 0.5 * fame, 0.2, 2.0)[:, None]
    memory = np.where(remembered, strength * returns, 0.0)
    distraction = p.fame * fame[:, None]
    readings = np.einsum("kf,fnt->knt", read, facts) + 0.3 * rng.normal(size=(p.archetypes, n, t))
    blank_clean = distraction + p.noise * rng.normal(size=(n, t))
    identified = np.zeros(n, bool)
    identified[rng.permutation(n)[: round(p.identified * n)]] = True
    guesses = rng.choice(n, size=(n, t), p=np.exp(fame) / np.exp(fame).sum())
    named = np.where(identified[:, None] & (rng.random((n, t)) < 0.6), np.arange(n)[:, None], guesses)
    donor = (np.arange(n)[:, None] + rng.integers(1, n, size=t)) % n
    donated = np.einsum("kf,fnt->knt", read, np.take_along_axis(facts, np.broadcast_to(donor, facts.shape), axis=1))
    return PlantedWorld(
        full=readings + distraction + p.left * memory,
        clean=readings + distraction,
        blank=blank_clean + memory,
        blank_clean=blank_clean,
        masked=readings + p.left * memory * identified[:, None],
        returns=returns,
        foreseeable=best,
        facts=facts,
        controls=np.stack([np.repeat(size[:, None], t, axis=1), momentum, np.repeat(fame[:, None], t, axis=1)]),
        familiarity=0.5 * fame[:, None] + 1.0 * remembered + rng.normal(size=(n, t)),
        remembered=remembered,
        identified=identified,
        named=named,
        donor=donor,
        swapped=donated + 0.3 * rng.normal(size=donated.shape) + distraction + p.left * memory,
    )


def _slow(noise: Float64[np.ndarray, "F N T"], persistence: float) -> Float64[np.ndarray, "F N T"]:
    values = noise.copy()
    for t in range(1, noise.shape[2]):
        values[..., t] = persistence * values[..., t - 1] + np.sqrt(1 - persistence**2) * noise[..., t]
    return values


def answers_of(logits: Float64[np.ndarray, "*B"]) -> Float16[np.ndarray, "*B C"]:
    """Choice probabilities of five choices from worst to best, log-odds of neighbours being half the logit; as they are stored."""
    tilted = np.asarray(logits)[..., None] * np.linspace(-1.0, 1.0, CHOICES)
    weights = np.exp(tilted - tilted.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float16)


def scores_of(logits: Float64[np.ndarray, "*B"]) -> Float[np.ndarray, "*B"]:
    """Expected choices, in [0, 1]."""
    return answers_of(logits).astype(np.float64) @ np.linspace(0.0, 1.0, CHOICES)
