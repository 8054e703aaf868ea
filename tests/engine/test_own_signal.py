"""A signal of one's own ranks like massjax's where it computes the same, and what is no signal is refused by name."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import massjax as mj
from massjax.engine.inputs import OwnSignal
from massjax.engine.own_signal import check_signal
from massjax.errors import ConfigError
from massjax.search import Annealing, GradientSearch, search_window
from tests.engine import slow_reference as slow


def weighted_mean(scores, weights):
    """The signal `mean`, of the archetypes that have a score."""
    known = ~jnp.isnan(scores)
    share = jnp.where(known, weights[:, None], 0.0)
    return (share * jnp.where(known, scores, 0.0)).sum(axis=0) / jnp.maximum(share.sum(axis=0), 1e-9)


def vote(scores, weights):
    """Weight of the archetypes whose score is above a half: no function of mean and deviation."""
    return jnp.where(jnp.nan_to_num(scores, nan=0.0) > 0.5, weights[:, None], 0.0).sum(axis=0)


def slow_vote(scores, member, returns, weights):
    """Mean RankIC of `vote`, one stock, date and candidate at a time."""
    found = []
    for row in weights / weights.sum(axis=1, keepdims=True):
        daily = []
        for d in range(scores.shape[2]):
            signal = np.full(scores.shape[1], np.nan)
            for n in range(scores.shape[1]):
                if member[n, d] and not np.isnan(scores[:, n, d]).all():
                    signal[n] = sum(float(w) for w, s in zip(row, scores[:, n, d], strict=True) if s > 0.5)
            daily.append(slow.rank_correlation(signal, np.where(member[:, d], returns[:, d], np.nan)))
        found.append(np.nanmean(daily))
    return np.array(found)


@pytest.fixture(scope="module")
def panel():
    return slow.panel(3, copies=False)


def test_a_vote_is_ranked_as_plain_python_ranks_it(panel):
    *arrays, weights = panel
    np.testing.assert_allclose(mj.fitness(*arrays, weights, signal=vote), slow_vote(*arrays, weights), atol=1e-5)


def test_the_mean_as_a_function_is_the_mean(panel):
    *arrays, weights = panel
    for missing in ("renormalize", "zero"):
        own = mj.fitness(*arrays, weights, signal=weighted_mean, missing=missing)
        np.testing.assert_allclose(own, slow.fitness(*arrays, weights, signal="mean", missing=missing), atol=1e-5)


@pytest.mark.slow
def test_a_search_maximises_it(panel):
    *arrays, _ = panel
    found = search_window(*arrays, Annealing(chains=8, steps=10), key=jax.random.key(0), signal=vote)
    assert found.fitness > found.history[0]
    assert float(found.fitness) == pytest.approx(slow_vote(*arrays, np.asarray(found.weights)[None])[0], abs=1e-5)


def test_a_gradient_search_refuses_it(panel):
    with pytest.raises(ConfigError, match="signal 'vote' of your own has no smooth stand-in"):
        search_window(*panel[:3], GradientSearch(restarts=2, steps=1), key=jax.random.key(0), signal=vote)


counted = []


def on_the_host(scores, weights):
    return jax.pure_callback(lambda s: np.nansum(s, axis=0), jax.ShapeDtypeStruct(scores.shape[1:], scores.dtype), scores)


def changing(scores, weights):
    counted.append(0)
    return jnp.nansum(scores, axis=0) * len(counted)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda scores, weights: weights @ scores, r"'<lambda>' gives nan where some scores are missing \(NaN\).*jnp.nansum"),
        (lambda scores, weights: jnp.nansum(scores, axis=0) / 0, "gives inf where all scores are there"),
        (
            lambda scores, weights: jnp.nansum(scores, axis=1),
            r"gives shape \(4,\) from the scores \[4, 7\] of one date; expected one",
        ),
        (lambda scores, weights: scores[:, :, 0], r"fails on what it is given, .*\[4 archetypes, 7 stocks\].* of one date: IndexError"),
        (lambda scores, weights: jnp.nansum(scores, axis=(0, 2)), "of one date: ValueError: axis 2 is out of bounds"),
        (lambda scores, weights: jnp.cumsum(jnp.nansum(scores, axis=0)), "depends on the order of the stocks"),
        (lambda scores, weights: jnp.nan_to_num(scores).sum(axis=0) + scores.shape[1], "depends on stocks that nobody has scored"),
        (lambda scores, weights: jnp.nansum(scores, axis=0) if weights[0] > 0 else scores[0], "does not run under jax.jit"),
        (lambda scores, weights: np.nansum(scores, axis=0), "does not run under jax.jit: use jax.numpy"),
        (lambda scores: scores[0], "TypeError"),
        (lambda scores, weights: jnp.nansum(scores, axis=0) > 0, "gives bool; expected real numbers"),
        (lambda scores, weights: (scores[0], 1), "gives a tuple from the scores"),
        (lambda scores, weights: vote(scores, weights) / (weights.max() - weights.min()), "gives .* all weights are equal"),
        (on_the_host, "fails on what it is given, .*NotImplementedError: vmap"),
        (changing, "'changing' is another program each time that it is traced"),
        (OwnSignal("mean", vote), "cannot have this name"),
        ("mode", "signal='mode' is not known"),
    ],
)
def test_what_is_no_signal_is_refused_by_name(function, message):
    with pytest.raises(ConfigError, match=message):
        check_signal("signal", function, 4)


def test_a_cross_section_may_be_ranked():
    """What looks at the other stocks of the date is a signal, if it leaves those out that nobody has scored."""

    def breadth(scores, weights):
        likes = vote(scores, weights)
        known = ~jnp.isnan(scores).all(axis=0)
        return likes - jnp.where(known, likes, 0.0).sum() / known.sum()

    assert check_signal("signal", breadth, 4) == OwnSignal("breadth", breadth)
