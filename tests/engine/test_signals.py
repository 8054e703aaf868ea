"""Mean, disagreement and combined signal: exact where the design says exact, float64 elsewhere to float32's precision."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.engine import aggregate
from massjax.errors import ConfigError, DataError
from tests.engine import slow_reference as slow


@pytest.mark.parametrize("missing", ["renormalize", "zero"])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_signals_equal_float64(missing, offset):
    scores, member, _, weights = slow.panel(0)
    scores = scores + np.float32(offset if missing == "renormalize" else 0)
    signal = aggregate(scores, member, weights, alpha=0.3, missing=missing)
    expected = slow.aggregate(scores, member, weights, 0.3, missing)
    for name, values in signal._asdict().items():
        np.testing.assert_allclose(values, expected[name], rtol=2e-6, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("name", ["mass_default", "mass_ties"])
def test_signals_equal_the_reference_code_of_mass(shared_dir, name):
    golden = np.load(shared_dir / "golden" / f"{name}.npz")
    signal = aggregate(golden["scores"], golden["member"], golden["weights"], missing="zero")
    np.testing.assert_allclose(signal.mean, golden["signal_mean"], atol=1e-6)
    np.testing.assert_allclose(signal.disagreement, golden["signal_neg_std"], atol=1e-6)
    np.testing.assert_allclose(signal.combined, golden["signal"], atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), level=st.floats(-1e3, 1e3, width=32))
@settings(max_examples=25)
def test_deviation_is_exactly_zero_where_archetypes_agree(seed, level):
    rng = np.random.default_rng(seed)
    scores = rng.random((5, 6, 2)).astype(np.float32)
    scores[:, 0] = level
    weights = rng.dirichlet(np.ones(5), 4).astype(np.float32)
    disagreement = np.asarray(aggregate(scores, np.ones((6, 2), bool), weights).disagreement)
    assert (disagreement[:, 0] == 0).all()
    assert (disagreement[:, 1:] < 0).all()


def test_archetypes_without_weight_have_no_say():
    scores, member, _, weights = slow.panel(1, missing=0)
    weights[:, 3:] = 0
    changed = scores.copy()
    changed[3:] = 1 - changed[3:]
    before, after = (aggregate(s, member, weights) for s in (scores, changed))
    np.testing.assert_allclose(before.mean, after.mean, atol=1e-6)
    np.testing.assert_allclose(before.disagreement, after.disagreement, atol=1e-6)


def test_one_archetype_alone_is_its_own_mean_without_disagreement():
    scores, _, _, _ = slow.panel(2, missing=0)
    signal = aggregate(scores, np.ones(scores.shape[1:], bool), np.eye(5))
    np.testing.assert_allclose(signal.mean, scores, atol=1e-7)
    assert (np.asarray(signal.disagreement) == 0).all()
    for k, n in np.ndindex(5, 3):
        np.testing.assert_array_equal(signal.mean[k, n], signal.mean[k, n - 3])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_ties_survive_wherever_the_stocks_are(seed):
    rng = np.random.default_rng(seed)
    place = rng.permutation(40)
    scores = rng.random((7, 40, 1)).astype(np.float32)
    scores[:, place[1]] = scores[:, place[0]]
    scores[:, place[3]] = 1 - (scores[:, place[2]] > 0.5)
    scores[:, place[2]] = scores[:, place[2]] > 0.5
    weights = rng.dirichlet(np.ones(7), 19).astype(np.float32)
    signal = aggregate(scores, np.ones((40, 1), bool), weights)
    for values in signal:
        np.testing.assert_array_equal(values[:, place[0]], values[:, place[1]])
    np.testing.assert_array_equal(signal.disagreement[:, place[2]], signal.disagreement[:, place[3]])


def test_only_ratios_of_weights_matter():
    scores, member, _, weights = slow.panel(3)
    for power in (2.0**-100, 2.0**100):
        for before, after in zip(aggregate(scores, member, weights), aggregate(scores, member, weights * np.float32(power)), strict=True):
            np.testing.assert_array_equal(before, after)
    for before, after in zip(aggregate(scores, member, weights), aggregate(scores, member, weights * 3), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)


def test_off_universe_and_unscored_stocks_have_no_signal():
    scores = np.full((2, 3, 1), 0.5)
    scores[:, 1] = np.nan
    signal = aggregate(scores, np.array([[True], [True], [False]]), np.ones((1, 2)))
    assert np.isnan(signal.combined[0, :, 0]).tolist() == [False, True, True]
    zero = aggregate(scores, np.array([[True], [True], [False]]), np.ones((1, 2)), missing="zero")
    assert np.isnan(zero.combined[0, :, 0]).tolist() == [False, False, True]
    assert float(zero.mean[0, 1, 0]) == 0


BAD_WEIGHTS = [
    (np.array([[1.0, -1.0]]), r"weights\[0, 1\].*negative"),
    (np.array([[1.0, 1.0], [0.0, 0.0]]), r"weights\[1\].*all zero"),
    (np.array([[np.nan, 1.0]]), r"weights\[0, 0\].*not finite"),
    (np.ones(2), "expected .candidates, archetypes."),
    (np.ones((1, 3)), "3 archetypes, the scores 2"),
]


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS)
def test_bad_weights_are_named(weights, message):
    with pytest.raises(DataError, match=message):
        aggregate(np.zeros((2, 3, 1)), np.ones((3, 1), bool), weights)


def test_bad_panels_are_named():
    scores, member = np.zeros((2, 3, 1)), np.ones((3, 1), bool)
    with pytest.raises(DataError, match=r"scores\[1, 2, 0\] is infinite"):
        aggregate(np.where(np.arange(6).reshape(2, 3, 1) == 5, np.inf, scores), member, np.ones((1, 2)))
    with pytest.raises(DataError, match="member has shape"):
        aggregate(scores, member[:2], np.ones((1, 2)))
    with pytest.raises(DataError, match="expected bool"):
        aggregate(scores, jnp.ones((3, 1)), np.ones((1, 2)))
    with pytest.raises(DataError, match="3 axes"):
        aggregate(scores[0], member, np.ones((1, 2)))
    with pytest.raises(ConfigError, match="did you mean 'zero'"):
        aggregate(scores, member, np.ones((1, 2)), missing="zeros")
    with pytest.raises(ConfigError, match="alpha"):
        aggregate(scores, member, np.ones((1, 2)), alpha=1.5)
