"""MASS's annealing in plain Python and float64, one chain and one stock at a time, driven by given random numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from scipy.stats import norm

from massjax.search.random_bits import fraction, words
from tests.engine import slow_reference

STEP_SIZE, TEMPERATURE, COOLING, LOSS_SCALE = 0.25, 0.5, 0.95, 10.0


class Draws(NamedTuple):
    """Numbers in (0, 1] of one step: for the pair, for the amount, for which of the pair comes first, and for the acceptance."""

    first: float
    second: float
    amount: float
    gives: bool
    accept: float


def draws_of(key, steps) -> Iterator[Draws]:
    """What `search_window` draws with a key in its steps after the start, for a single chain with `rejection="redraw"`."""
    steps_key = jax.random.split(key)[1]
    for step in range(1, steps + 1):
        move, accept = jax.random.split(jax.random.fold_in(steps_key, np.int32(step)))
        bits = words(move, 1, 4)
        pair = [float(number) for number in fraction(bits)[:, 0]]
        yield Draws(pair[0], pair[1], pair[2], int(bits[3, 0]) % 2 == 0, float(fraction(words(accept, 1, 1))[0, 0]))


def move(weights, draws):
    """The move that MASS's loop (below) arrives at, drawn directly: a pair by its room, and an amount that fits it."""
    room = [math.erf(weight / (STEP_SIZE * math.sqrt(2))) for weight in weights]
    left, first = draws.first * sum(room), 0
    while first < len(room) - 1 and left > room[first]:
        left, first = left - room[first], first + 1
    others = [(first + 1 + k) % len(room) for k in range(len(room) - 1)]
    second = others[min(int(draws.second * len(others)), len(others) - 1)]
    giver, taker = (first, second) if draws.gives else (second, first)
    lowest, highest = norm.cdf(-weights[taker] / STEP_SIZE), norm.cdf(weights[giver] / STEP_SIZE)
    amount = STEP_SIZE * norm.ppf(lowest + draws.amount * (highest - lowest))
    moved = list(weights)
    moved[giver], moved[taker] = moved[giver] - amount, moved[taker] + amount
    return moved


def redrawn(weights, rng):
    """A move as MASS's code draws it: a pair and an amount, both anew until both weights stay positive."""
    while True:
        giver, taker = rng.choice(len(weights), 2, replace=False)
        amount = rng.normal(0, STEP_SIZE)
        if weights[giver] - amount > 0 and weights[taker] + amount > 0:
            return giver, taker, amount


def anneal(scores, member, returns, start, draws):
    """The path of one chain and its best: lists of weights and of fitness after each step, from weights of mean 1."""

    def fitness(weights):
        return slow_reference.fitness(scores, member, returns, np.array([weights]), signal="disagreement", missing="zero")[0]

    here, temperature = list(start), TEMPERATURE
    value = fitness(here)
    best, best_value, path, values = here, value, [here], [value]
    for draw in draws:
        tried = move(here, draw)
        found = fitness(tried)
        if found > value or draw.accept < math.exp(-LOSS_SCALE * (value - found) / temperature):
            here, value = tried, found
        if value > best_value:
            best, best_value = here, value
        temperature *= COOLING
        path.append(here)
        values.append(value)
    return path, values, best, best_value


def walk(scores, member, returns, lookback, gap, key, steps):
    """Weights, of mean 1, that apply on each date: found on the date before, from the best of the date before that."""
    archetypes, _, dates = scores.shape
    best, applied = [1.0] * archetypes, [[1.0] * archetypes]
    for date in range(dates - 1):
        if date >= lookback + gap:
            window = slice(date - gap - lookback, date - gap)
            draws = draws_of(jax.random.fold_in(key, np.int32(date)), steps)
            best = anneal(scores[:, :, window], member[:, window], returns[:, window], best, draws)[2]
        applied.append(best)
    return np.array(applied)
