"""Adaptive importance sampling against posteriors that are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st
from scipy import stats

from massjax.calibrate.posterior import (
    EVENLY,
    RIDGE,
    Proposal,
    effective_size,
    even_points,
    importance_weights,
    local_linear,
    mixture_density,
    next_proposal,
    weighted_quantile,
)

PROPOSAL = Proposal(np.array([[0.1, 0.5], [0.9, 1.0]]), np.array([0.3, 0.7]), np.array([0.2, 0.05]))


def test_a_proposals_density_integrates_to_one_and_is_that_of_cut_off_normals():
    side = (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    density = PROPOSAL.density(grid)
    np.testing.assert_allclose(density.mean(), 1, rtol=1e-4)
    expected = np.full(len(grid), EVENLY)
    for centre, weight in zip(PROPOSAL.centres, PROPOSAL.weights, strict=True):
        kernel = np.ones(len(grid))
        for axis, (middle, width) in enumerate(zip(centre, PROPOSAL.widths, strict=True)):
            kernel *= stats.truncnorm(-middle / width, (1 - middle) / width, middle, width).pdf(grid[:, axis])
        expected += (1 - EVENLY) * weight * kernel
    np.testing.assert_allclose(density, expected, rtol=1e-9)


def test_points_are_drawn_from_the_density():
    drawn = PROPOSAL.draw(20_000, np.random.default_rng(0))
    assert ((drawn >= 0) & (drawn <= 1)).all()
    side = (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
    density = PROPOSAL.density(grid.reshape(-1, 2)).reshape(400, 400)
    for axis in range(2):
        marginal = density.mean(axis=1 - axis)
        share = np.histogram(drawn[:, axis], 20, (0, 1))[0] / len(drawn)
        np.testing.assert_allclose(share, marginal.reshape(20, 20).mean(axis=1) / 20, atol=0.012)


def sampled(log_likelihood, dimensions: int, rounds: int, count: int = 128, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    points, proposals = even_points(count, dimensions, seed), [None]
    for number in range(1, rounds):
        proposal = next_proposal(points, log_likelihood(points), mixture_density(points, proposals), count / 4)
        points = np.concatenate([points, proposal.draw(count, np.random.default_rng([seed, number]))])
        proposals.append(proposal)
    return points, importance_weights(log_likelihood(points), mixture_density(points, proposals))


def test_a_narrow_correlated_posterior_is_found_again():
    mean, covariance = (
        np.array([0.3, 0.6, 0.5]),
        np.diag([0.02, 0.05, 0.04]) @ (0.4 * np.ones((3, 3)) + 0.6 * np.eye(3)) @ np.diag([0.02, 0.05, 0.04]),
    )
    normal = stats.multivariate_normal(mean, covariance)
    points, weights = sampled(normal.logpdf, dimensions=3, rounds=8)
    assert effective_size(weights) > 100
    np.testing.assert_allclose(weights @ points, mean, atol=0.01)
    np.testing.assert_allclose(np.cov(points.T, aweights=weights), covariance, atol=0.4 * covariance.max())
    distance = np.einsum("nd,de,ne->n", points - mean, np.linalg.inv(covariance), points - mean)
    np.testing.assert_allclose(weighted_quantile(distance, weights, 0.9), stats.chi2(3).ppf(0.9), rtol=0.2)


def test_what_is_not_told_stays_even_and_two_modes_are_both_kept():
    def log_likelihood(points: np.ndarray) -> np.ndarray:
        first = points[:, 0]
        return np.logaddexp(-0.5 * ((first - 0.2) / 0.02) ** 2, -0.5 * ((first - 0.8) / 0.02) ** 2)

    points, weights = sampled(log_likelihood, dimensions=2, rounds=6)
    np.testing.assert_allclose(weights[points[:, 0] < 0.5].sum(), 0.5, atol=0.12)
    for level in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(weighted_quantile(points[:, 1], weights, level), level, atol=0.08)


def test_refused_points_have_no_weight_and_nothing_is_made_of_them_alone():
    points = even_points(16, 2, 0)
    logs = np.where(points[:, 0] < 0.5, -np.inf, 0.0)
    mixture = mixture_density(points, [None])
    weights = importance_weights(logs, mixture)
    np.testing.assert_allclose(weights, np.where(points[:, 0] < 0.5, 0, 1 / 8))
    assert (next_proposal(points, logs, mixture, 4).centres[:, 0] >= 0.5).all()
    nothing = np.full(16, -np.inf)
    assert not importance_weights(nothing, mixture).any()
    assert effective_size(importance_weights(nothing, mixture)) == 0
    assert next_proposal(points, nothing, mixture, 4).centres.tolist() == [[0.5, 0.5]]


def test_a_likelihood_that_one_point_would_take_is_flattened():
    points = even_points(64, 2, 0)
    logs = -1e5 * np.square(points - 0.5).sum(axis=1)
    mixture = mixture_density(points, [None])
    assert effective_size(importance_weights(logs, mixture)) < 2
    np.testing.assert_allclose(effective_size(next_proposal(points, logs, mixture, 16).weights), 16, rtol=1e-3)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_quantiles_of_whole_weights_are_those_of_repeated_values(counts: list[int], level: float):
    if not sum(counts):
        counts = [1, *counts]
    values = np.random.default_rng(len(counts)).permutation(len(counts)).astype(float)
    repeated = np.sort(np.repeat(values, counts))
    upto = np.arange(1, len(repeated) + 1) / len(repeated)
    if np.abs(upto - level).min() > 1e-9:
        assert weighted_quantile(values, np.array(counts) / sum(counts), level) == repeated[int(np.searchsorted(upto, level))]


def test_smoothing_is_weighted_least_squares_and_takes_noise_away():
    rng = np.random.default_rng(0)
    points, widths, at = rng.random((200, 2)), np.array([0.2, 0.4]), rng.random((5, 2))
    truth = np.stack([1 + 2 * points[:, 0], points[:, 0] - 3 * points[:, 1]], axis=1)
    values = truth + rng.normal(0, 0.5, truth.shape)
    found = local_linear(points, values, widths, at)
    for row, centre in enumerate(at):
        away = (points - centre) / widths
        root = np.exp(-0.25 * np.square(away).sum(axis=1))
        root /= root.max()
        held = np.hstack([np.zeros((2, 1)), np.sqrt(RIDGE) * np.eye(2)])
        rows = np.vstack([root[:, None] * np.column_stack([np.ones(200), away]), held])
        slow = np.linalg.lstsq(rows, np.vstack([root[:, None] * values, np.zeros((2, 2))]), rcond=None)[0][0]
        np.testing.assert_allclose(found[row], slow, rtol=1e-9)
    smooth = local_linear(points, values, widths, points)
    assert np.square(smooth - truth).mean() < np.square(values - truth).mean() / 5
    np.testing.assert_allclose(local_linear(points, truth, widths, points), truth, atol=0.05)


def test_even_points_are_a_net():
    points = even_points(64, 3, seed=1)
    for axis in range(3):
        assert np.histogram(points[:, axis], 64, (0, 1))[0].tolist() == [1] * 64
    assert (points != even_points(64, 3, seed=2)).any()
