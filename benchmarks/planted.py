"""How much of the skill that is planted in scores each method finds, in worlds that differ in what makes it hard.

    python benchmarks/planted.py --variants a b c --seeds 24 --out benchmarks/results

Of 16 archetypes and 50 stocks three have a skill (correlation of score and five-day return) of 0.06, two of -0.04 and the rest none. Every
method sees the first DAYS dates and gives weights, whose RankIC is compared with that of uniform weights and of an oracle that knows the
skills. The worlds: a independent days; b overlapping five-day returns, scores with autocorrelation 0.9; c as b with archetypes
correlated 0.45; cA the same on independent days; dA and dB as a and b with skills shuffled every 60 dates (300 days); e no skill; f and fB
as a and b with scores of five levels; h, hB, hC skills nearly equal (0.03 +- 0.01) on independent days, overlapping and correlated,
overlapping; p skill in a slow component (autocorrelation 0.98) of scores and returns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import polars as pl
import timing
from scipy.optimize import nnls
from scipy.stats import norm, rankdata

import massjax as mj
from massjax.search.posterior import prepare, weights_by_date

K, N, HORIZON, GAP, LATER, PAUSE = 16, 50, 5, 5, 405, 12
SKILLS = np.array([0.06] * 3 + [-0.04] * 2 + [0.0] * 11)
UNIFORM = np.full(K, 1 / K)


class World(NamedTuple):
    """A world's traits: overlapping returns and slow scores, correlation of archetypes, dates between changes of skill, ..."""

    overlap: bool = False
    correlation: float = 0.0
    drift: int = 0
    levels: bool = False
    skills: str = "few"
    slow: bool = False


WORLDS = {
    "a": World(),
    "b": World(overlap=True),
    "c": World(overlap=True, correlation=0.45),
    "cA": World(correlation=0.45),
    "dA": World(drift=60),
    "dB": World(overlap=True, drift=60),
    "e": World(overlap=True, skills="none"),
    "f": World(levels=True),
    "fB": World(overlap=True, levels=True),
    "h": World(skills="equal"),
    "hB": World(overlap=True, correlation=0.45, skills="equal"),
    "hC": World(overlap=True, skills="equal"),
    "p": World(overlap=True, slow=True),
}


class Planted(NamedTuple):
    """Scores [K, N, T], five-day returns [N, T] and skills [K, T] of one world; skills of a slow component are not told."""

    scores: np.ndarray
    returns: np.ndarray
    skills: np.ndarray | None


def simulate(world: World, name: str, seed: int, dates: int) -> Planted:
    random = np.random.default_rng([seed, list(WORLDS).index(name)])
    loads = random.permutation([0.8] * 3 + [-0.5] * 2 + [0.0] * 11)
    hidden = autoregressive(random.normal(size=(N, dates + HORIZON)), 0.98) if world.slow else np.zeros((N, dates + HORIZON))
    daily = 0.045 * hidden + random.normal(size=(N, dates + HORIZON))
    summed = np.cumsum(np.concatenate([np.zeros((N, 1)), daily], axis=1), axis=1)
    returns = (summed[:, HORIZON : HORIZON + dates] - summed[:, :dates]) / np.sqrt(HORIZON) if world.overlap else daily[:, :dates]
    noise = random.normal(size=(K, N, dates))
    if world.correlation:
        noise = np.sqrt(world.correlation) * random.normal(size=(1, N, dates)) + np.sqrt(1 - world.correlation) * noise
    noise = autoregressive(noise, 0.9 if world.overlap else 0.0)
    if world.slow:
        own = hidden[None, :, :dates]
        return Planted(loads[:, None, None] * own + np.sqrt(1 - loads**2)[:, None, None] * noise, returns, None)
    skills = planted_skills(world, random, dates)
    unit = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    scores = skills[:, None] * unit[None] + np.sqrt(1 - skills**2)[:, None] * noise
    return Planted(np.digitize(scores, edges()) / 4.0 if world.levels else scores, returns, skills)


def autoregressive(noise: np.ndarray, persistence: float) -> np.ndarray:
    for t in range(1, noise.shape[-1]):
        noise[..., t] = persistence * noise[..., t - 1] + np.sqrt(1 - persistence**2) * noise[..., t]
    return noise


def planted_skills(world: World, random: np.random.Generator, dates: int) -> np.ndarray:
    if world.skills == "none":
        return np.zeros((K, dates))
    if world.skills == "equal":
        return np.repeat(0.03 + 0.01 * random.normal(size=(K, 1)), dates, axis=1)
    if not world.drift:
        return np.repeat(random.permutation(SKILLS)[:, None], dates, axis=1)
    phase = random.integers(world.drift)
    spells = np.stack([random.permutation(SKILLS) for _ in range(dates // world.drift + 2)], axis=1)
    return spells[:, (np.arange(dates) + phase) // world.drift]


def edges() -> np.ndarray:
    return norm.ppf([0.2, 0.4, 0.6, 0.8])


@cache
def attenuation() -> float:
    """Correlation of a normal score and its level of five."""
    normal = np.random.default_rng(0).normal(size=400_000)
    return float(np.corrcoef(normal, np.digitize(normal, edges()))[0, 1])


def unit_ranks(values: np.ndarray, axis: int) -> np.ndarray:
    ranks = rankdata(values, axis=axis)
    ranks = ranks - ranks.mean(axis=axis, keepdims=True)
    return ranks / np.linalg.norm(ranks, axis=axis, keepdims=True)


def best_non_negative(correlation: np.ndarray, skills: np.ndarray) -> np.ndarray:
    """`argmax over w >= 0 of w.m / sqrt(w'Cw)`; uniform where no skill is positive."""
    if not (skills > 1e-12).any():
        return UNIFORM
    lower = np.linalg.cholesky(correlation + 1e-6 * np.eye(K))
    found = nnls(lower.T, np.linalg.solve(lower, skills / np.abs(skills).max()))[0]
    return found / found.sum()


class Window(NamedTuple):
    """What a method sees: the first days of a world, and the same as unit ranks [D, K, N] and [D, N]."""

    planted: Planted
    scores: np.ndarray
    returns: np.ndarray
    world: World

    @property
    def daily(self) -> np.ndarray:
        """RankIC of each archetype alone, by day [D, K]."""
        return np.einsum("dkn,dn->dk", self.scores, self.returns)

    @property
    def correlation(self) -> np.ndarray:
        """Mean correlation of the archetypes' ranks [K, K]."""
        return np.einsum("djn,dkn->jk", self.scores, self.scores) / len(self.scores)


def by_search(settings: mj.Search, signal: str, lookback: int | None) -> Callable[[Window, int], np.ndarray]:
    def found(window: Window, seed: int) -> np.ndarray:
        last = slice(-lookback if lookback else None, None)
        scores, returns = window.planted.scores[..., last], window.planted.returns[:, last]
        given: dict[str, Any] = {"signal": signal, "key": jax.random.key(seed)}
        return np.asarray(mj.search_window(scores, np.ones(returns.shape, bool), returns, settings, **given).weights)

    return found


def hedge(window: Window, seed: int) -> np.ndarray:
    del seed
    losses, scale = -window.daily, 2 / np.sqrt(N - 1)
    rate = np.sqrt(8 * np.log(K) / len(losses)) / (2 * scale)
    weights = np.exp(-rate * (losses.sum(axis=0) - losses.sum(axis=0).min()))
    return weights / weights.sum()


def adahedge(window: Window, seed: int) -> np.ndarray:
    """De Rooij, van Erven, Grünwald and Koolen 2014, figure 1."""
    del seed
    total, gap, weights = np.zeros(K), 0.0, UNIFORM
    for loss in -window.daily:
        rate = np.log(K) / gap if gap > 0 else np.inf
        apart = total - total.min()
        weights = np.exp(-rate * apart) if np.isfinite(rate) else (apart == 0).astype(float)
        weights /= weights.sum()
        mixed = (
            -np.log((weights * np.exp(-rate * (loss - loss.min()))).sum()) / rate + loss.min()
            if np.isfinite(rate)
            else loss[weights > 0].min()
        )
        gap += max(weights @ loss - mixed, 0.0)
        total = total + loss
    return weights


def ceiling(window: Window, seed: int) -> np.ndarray | None:
    """Bayes' rule with the planted skills as prior, from daily correlations whitened with the true autocorrelation."""
    del seed
    if window.world.correlation or window.world.drift or window.world.skills != "few" or window.world.slow:
        return None
    rho = 0.9 if window.world.overlap else 0.0
    fresh = [(ranks[1:] - rho * ranks[:-1]) / np.sqrt(1 - rho**2) for ranks in (window.scores, window.returns)]
    precision = (fresh[1] ** 2).sum() * (N - 1)
    estimate = np.einsum("dkn,dn->k", *fresh) / (fresh[1] ** 2).sum()
    values, prior = np.array([0.06, -0.04, 0.0]) * (6 / np.pi / 2), np.array([3, 2, 11]) / 16
    odds = prior * np.exp(-0.5 * precision * (estimate[:, None] - values) ** 2)
    return best_non_negative(np.eye(K), odds @ values / odds.sum(axis=1))


METHODS: dict[str, Callable[[Window, int], np.ndarray | None]] = {
    "MASS (annealing on -sigma, 5 days)": by_search(mj.Annealing(chains=1, steps=20), "disagreement", 5),
    "MASS's rule on the mean, 5 days": by_search(mj.Annealing(chains=1, steps=20), "mean", 5),
    "best exact candidate": by_search(mj.DifferentialEvolution(chains=64, steps=60), "mean", None),
    "best single": lambda window, seed: np.eye(K)[window.daily.mean(axis=0).argmax()],
    "linear optimum": lambda window, seed: best_non_negative(window.correlation, window.daily.mean(axis=0)),
    "equal risk": lambda window, seed: 1 / window.daily.std(axis=0) / (1 / window.daily.std(axis=0)).sum(),
    "Hedge": hedge,
    "AdaHedge": adahedge,
    "ceiling": ceiling,
}
DEFAULT, STACKING = "default", "LightGBM stacking"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--variants", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--days", nargs="+", type=int, default=None, help="days seen (default: 60 120 250; d 300; p also 500)")
    parser.add_argument("--seeds", type=int, default=24, help="default: %(default)s")
    every = [DEFAULT, *METHODS, STACKING]
    parser.add_argument("--methods", nargs="+", default=every, choices=every, metavar="METHOD", help=f"of {', '.join(every)}")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for parquet and Markdown (default: none)")
    options = parser.parse_args()
    rows = []
    for variant in options.variants:
        began = time.perf_counter()
        days = options.days or {"d": [300], "p": [60, 120, 250, 500]}.get(variant[0], [60, 120, 250])
        gains = [one_seed(variant, seed, days, options.methods) for seed in range(options.seeds)]
        rows += [summary(variant, method, some, gains) for method in options.methods for some in days]
        timing.print_table(f"{variant}: {time.perf_counter() - began:.0f} s", pl.DataFrame([r for r in rows if r["variant"] == variant]))
        frame = pl.DataFrame(rows, infer_schema_length=None)
        timing.write(options.out, "planted", "Planted skill: share of the oracle's gain over uniform weights", frame)


def one_seed(variant: str, seed: int, days: list[int], methods: list[str]) -> dict[tuple[str, int], tuple[float, float]]:
    """The gains over uniform of each method and of the oracle, by method and days."""
    world = WORLDS[variant]
    judged_later = world.slow or world.skills == "none"
    planted = simulate(world, variant, seed, max(days) + (LATER + PAUSE if judged_later or STACKING in methods else PAUSE))
    scores, returns = unit_ranks(planted.scores.transpose(2, 0, 1), 2), unit_ranks(planted.returns.T, 1)
    found: dict[tuple[str, int], tuple[float, float]] = {}
    default = default_weights(planted, max(days) + GAP + 1) if DEFAULT in methods else None
    for some in days:
        seen = Planted(planted.scores[..., :some], planted.returns[:, :some], planted.skills)
        window = Window(seen, scores[:some], returns[:some], world)
        later = slice(some + HORIZON, some + LATER)
        if judged_later:
            skills = np.einsum("dkn,dn->k", scores[later], returns[later]) / len(returns[later])
            correlation = np.einsum("djn,dkn->jk", scores[later], scores[later]) / len(returns[later])

            def judge(weights: np.ndarray, later: slice = later) -> float:
                signal = unit_ranks(np.einsum("k,dkn->dn", weights, scores[later]), 1)
                return float((signal * returns[later]).sum(axis=1).mean())
        else:
            assert planted.skills is not None
            skills, correlation = population(world, planted.skills[:, some])

            def judge(weights: np.ndarray, skills: np.ndarray = skills, correlation: np.ndarray = correlation) -> float:
                return float(6 / np.pi * np.arcsin(0.5 * weights @ skills / np.sqrt(weights @ correlation @ weights)))

        uniform = judge(UNIFORM)
        best = judge(best_non_negative(correlation, skills)) - uniform
        for method in methods:
            if method == STACKING:
                gain = stacked_gain(window, scores[later], returns[later]) if not world.drift else None
            else:
                weights = default[some + GAP] if default is not None and method == DEFAULT else METHODS[method](window, seed)
                gain = None if weights is None else judge(weights) - uniform
            if gain is not None:
                found[method, some] = gain, best
    return found


def population(world: World, skills: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of scores with the returns and with each other, as planted."""
    scale = attenuation() if world.levels else 1.0
    rest = np.sqrt(1 - skills**2)
    correlation = (np.outer(skills, skills) + world.correlation * np.outer(rest, rest)) * scale**2
    np.fill_diagonal(correlation, 1.0)
    return skills * scale, correlation


def default_weights(planted: Planted, dates: int) -> np.ndarray:
    """Weights of the default method by date, those of date t from the returns before t - GAP."""
    prepared = prepare(planted.scores[..., :dates].astype(np.float32), np.ones((N, dates), bool))
    return np.asarray(weights_by_date(prepared, planted.returns[:, :dates].astype(np.float32), gap=GAP, horizon=HORIZON).weights)


def stacked_gain(window: Window, scores: np.ndarray, returns: np.ndarray) -> float:
    """RankIC, less that of uniform weights on the same dates, of boosted trees that predict the ranked return from all scores."""
    import lightgbm

    data = lightgbm.Dataset(window.scores.transpose(0, 2, 1).reshape(-1, K), window.returns.reshape(-1))
    settings = {
        "objective": "regression",
        "num_leaves": 7,
        "learning_rate": 0.05,
        "min_data_in_leaf": 200,
        "verbosity": -1,
        "num_threads": 1,
    }
    model = lightgbm.train(settings, data, num_boost_round=100)
    predicted = model.predict(scores.transpose(0, 2, 1).reshape(-1, K)).reshape(returns.shape)
    signals = unit_ranks(predicted + 1e-12 * scores[:, 0], 1), unit_ranks(scores.mean(axis=1), 1)
    return float(((signals[0] - signals[1]) * returns).sum(axis=1).mean())


def summary(variant: str, method: str, days: int, gains: list[dict[tuple[str, int], tuple[float, float]]]) -> dict[str, object]:
    """Means over the seeds, with their standard errors."""
    both = np.array([seed[method, days] for seed in gains if (method, days) in seed])
    row: dict[str, object] = {"variant": variant, "days": days, "method": method, "seeds": len(both)}
    if not len(both):
        return row | {"share of the oracle's gain, %": None, "+-": None, "points over uniform": None, "+- points": None}
    gain, best = 100 * both.T
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
    shares = {"share of the oracle's gain, %": 100 * gain.mean() / best.mean(), "+-": 100 * error / best.mean()}
    if WORLDS[variant].skills == "none":
        shares = dict.fromkeys(shares)
    return row | shares | {"points over uniform": gain.mean(), "+- points": error}


if __name__ == "__main__":
    main()
