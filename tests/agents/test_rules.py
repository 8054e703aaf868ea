from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import pearsonr, rankdata, spearmanr

from massjax.agents.archetype import Archetype
from massjax.agents.rules import rank_positions, rule_scores
from massjax.errors import ConfigError
from massjax.market import Feature, Panel, load_panel
from massjax.market.settings import MarketSettings

SIGNS = (-1, -1, -1, 1, -1, 1)
SHAPE = (6, 4)
VALUES = hnp.arrays(np.float64, SHAPE, elements=st.one_of(st.just(np.nan), st.integers(-3, 3).map(float)))
MEMBERS = hnp.arrays(np.bool_, SHAPE)


def make_panel(member: np.ndarray, **features: np.ndarray) -> Panel:
    stocks, days = member.shape
    return Panel(
        dates=np.datetime64("2022-01-03", "D") + np.arange(days),
        stocks=tuple(f"S{n}" for n in range(stocks)),
        member=member,
        features={name: Feature(name, "test", values, name) for name, values in features.items()},
    )


def slow_scores(panel: Panel, rule: dict[str, float]) -> np.ndarray:
    """One stock and date at a time."""
    scores = np.full(panel.member.shape, np.nan)
    for n, t in np.argwhere(panel.member):
        positions, weights = [], []
        for name, weight in rule.items():
            values = panel.features[name].values[:, t]
            known = np.flatnonzero(panel.member[:, t] & ~np.isnan(values))
            if n not in known or weight == 0:
                continue
            rank = rankdata(values[known])[list(known).index(n)]
            position = (rank - 1) / (len(known) - 1) if len(known) > 1 else 0.5
            positions.append(position if weight > 0 else 1 - position)
            weights.append(abs(weight))
        if weights:
            scores[n, t] = np.average(positions, weights=weights)
    return scores


@settings(max_examples=100)
@given(member=MEMBERS, a=VALUES, b=VALUES, weights=st.tuples(*[st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0])] * 2).filter(any))
def test_equals_the_slow_reference(member: np.ndarray, a: np.ndarray, b: np.ndarray, weights: tuple[float, float]) -> None:
    panel = make_panel(member, a=a, b=b)
    rule = dict(zip("ab", weights, strict=True))
    scores = rule_scores(panel, [Archetype(name="x", rule=rule)])
    assert scores.dtype == np.float32
    assert scores.shape == (1, *SHAPE)
    np.testing.assert_allclose(scores[0], slow_scores(panel, rule), atol=1e-6)


@settings(max_examples=50)
@given(member=MEMBERS, a=VALUES)
def test_a_negative_weight_turns_the_score_around(member: np.ndarray, a: np.ndarray) -> None:
    up, down = rule_scores(make_panel(member, a=a), [Archetype(name=f"w{w}", rule={"a": w}) for w in (1.0, -4.0)])
    np.testing.assert_allclose(down, 1.0 - up, atol=1e-6)


def test_ties_share_their_rank_and_others_are_spread_from_0_to_1() -> None:
    values = np.array([[3.0], [1.0], [3.0], [5.0], [-9.0], [np.nan]])
    member = np.array([[True], [True], [True], [True], [False], [True]])
    np.testing.assert_allclose(rank_positions(values, member)[:, 0], [0.5, 0.0, 0.5, 1.0, np.nan, np.nan])


def test_equal_sums_of_ranks_are_exactly_equal() -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.permutation(48).astype(np.float64) for _ in range(3))
    twins = {"f": (a, b), "g": (b, c), "h": (c, a)}
    features = {name: np.concatenate(halves)[:, None] for name, halves in twins.items()}
    panel = make_panel(np.ones((96, 1), dtype=bool), **features)
    scores = rule_scores(panel, [Archetype(name="x", rule=dict.fromkeys(features, 1.0))])[0, :, 0]
    np.testing.assert_array_equal(scores[:48], scores[48:])


def test_an_unknown_feature_and_a_language_model_are_refused() -> None:
    panel = make_panel(np.ones(SHAPE, dtype=bool), momentum_3m=np.zeros(SHAPE))
    with pytest.raises(
        ConfigError, match=r"archetype 'x': its rule names an unknown feature 'momentum_3' \(did you mean 'momentum_3m'\?\)"
    ):
        rule_scores(panel, [Archetype(name="x", rule={"momentum_3": 1.0})])
    with pytest.raises(ConfigError, match="archetype 'y' has no rule"):
        rule_scores(panel, [Archetype(name="y", modalities=("price",))])


def over_days(panel: Panel, scores: np.ndarray, horizon: int, correlation: Callable[..., object]) -> np.ndarray:
    returns = panel.forward_returns[horizon]
    return np.array([correlation(scores[m, t], returns[m, t]).statistic for t, m in enumerate(panel.member.T)])


def test_mass_features_reach_the_published_control(shared_dir: Path) -> None:
    """Shared data README: six features ranked and summed with the published signs, SSE 50, 2023."""
    folder = shared_dir / "data" / "mass_sse50"
    panel = load_panel(MarketSettings(source="mass", folder=folder, execution_lag=0, start="2023-01-01", end="2023-12-31"))
    rule = {f"price_value_feature_{i}": float(sign) for i, sign in enumerate(SIGNS)}
    scores = rule_scores(panel, [Archetype(name="price_value", rule=rule)])[0]
    assert len(panel.dates) == 242
    rank_ic, ic = over_days(panel, scores, 5, spearmanr), over_days(panel, scores, 5, pearsonr)
    in_percent = {
        "RankIC": 100 * rank_ic.mean(),
        "RankICIR": 100 * rank_ic.mean() / rank_ic.std(ddof=1),
        "IC": 100 * ic.mean(),
        "ICIR": 100 * ic.mean() / ic.std(ddof=1),
        "RankIC 1": 100 * over_days(panel, scores, 1, spearmanr).mean(),
        "RankIC 10": 100 * over_days(panel, scores, 10, spearmanr).mean(),
    }
    published = {"RankIC": 9.07, "RankICIR": 41.59, "IC": 8.18, "ICIR": 37.36, "RankIC 1": 5.85, "RankIC 10": 12.90}
    assert in_percent == pytest.approx(published, abs=0.01)
