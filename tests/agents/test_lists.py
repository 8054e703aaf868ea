"""Watch lists that a model picks from: seeded, by stock and date alone, by the law of a weighted draw; returns known by a date."""

from __future__ import annotations

import numpy as np
import pytest

from massjax.agents.finite import FiniteSettings
from massjax.agents.lists import ListMarket, known_returns, list_market, random_numbers, shown_places, watch_list
from massjax.agents.style import StyleSettings
from massjax.errors import ConfigError
from massjax.market.panel import Panel

STOCKS, DATES = 12, 6
NAMES = tuple("ABCDEFGHIJKL")


def market(names: tuple[str, ...] = NAMES, dates: int = DATES) -> ListMarket:
    return ListMarket(names, np.arange(700_000, 700_000 + dates), {"random": None}, {})


def settings(**changes: object) -> FiniteSettings:
    return FiniteSettings(**{"replicas": 3, "watchlist": 5, "picks": 2, "picked_by": "model", "seed": 3, **changes})


def eligible() -> np.ndarray:
    there = np.random.default_rng(0).random((STOCKS, DATES)) < 0.8
    there[:, 4] = False
    there[:3, 4] = True
    return there


def test_a_list_has_its_length_of_eligible_stocks_and_all_where_these_are_fewer() -> None:
    there = eligible()
    watched = watch_list(there, None, market(), settings(), "one", 0)
    assert not (watched & ~there).any()
    assert watched.sum(axis=0).tolist() == np.minimum(5, there.sum(axis=0)).tolist()
    places = shown_places(watched, market(), settings(), "one", 0)
    for t in range(DATES):
        assert sorted(places[watched[:, t], t].tolist()) == list(range(int(watched[:, t].sum())))
        assert (places[~watched[:, t], t] == -1).all()


def test_a_list_depends_on_seed_archetype_replica_date_and_names_and_on_nothing_else() -> None:
    there, weights = eligible(), np.random.default_rng(1).random((STOCKS, DATES))

    def drawn(name: str = "one", replica: int = 0, **changes: object) -> np.ndarray:
        return watch_list(there, weights, market(), settings(**changes), name, replica)

    first = drawn()
    assert (drawn() == first).all()
    for other in (drawn("two"), drawn(replica=1), drawn(seed=4)):
        assert (other != first).any()
    order = np.random.default_rng(2).permutation(STOCKS)
    names = tuple(NAMES[n] for n in order)
    moved = watch_list(there[order], weights[order], market(names), settings(), "one", 0)
    assert (moved == first[order]).all(), "the order of the stocks is no matter"
    fewer = ListMarket(NAMES, market().days[2:4], {"random": None}, {})
    assert (watch_list(there[:, 2:4], weights[:, 2:4], fewer, settings(), "one", 0) == first[:, 2:4]).all(), "nor are other dates"
    changed = there.copy()
    changed[:, 3] = True
    assert (np.delete(watch_list(changed, weights, market(), settings(), "one", 0), 3, axis=1) == np.delete(first, 3, axis=1)).all()


def test_a_fixed_list_stays_while_its_stocks_are_there_and_fills_up() -> None:
    there = np.ones((STOCKS, DATES), bool)
    fixed = settings(daily=False)
    whole = watch_list(there, None, market(), fixed, "one", 0)
    assert (whole == whole[:, :1]).all()
    gone = int(np.flatnonzero(whole[:, 0])[0])
    there[gone, 2] = False
    now = watch_list(there, None, market(), fixed, "one", 0)
    assert now[:, 2].sum() == 5
    assert (whole[:, 2] & ~now[:, 2]).nonzero()[0].tolist() == [gone]
    assert (np.delete(now, 2, axis=1) == np.delete(whole, 2, axis=1)).all()


def test_chances_are_those_of_the_weights_and_twenty_draws_of_fifty_with_replacement_leave_16_6_stocks() -> None:
    weights = np.array([3.0, 1.0, 0.0, 4.0])[:, None] * np.ones((1, 4000))
    few = ListMarket(NAMES[:4], np.arange(4000), {"random": None}, {})
    one = watch_list(np.ones((4, 4000), bool), weights, few, settings(watchlist=1, picks=1, picked_by="scores"), "one", 0)
    np.testing.assert_allclose(one.mean(axis=1), [0.375, 0.125, 0.0, 0.5], atol=0.03)
    two = watch_list(np.ones((4, 4000), bool), weights, few, settings(watchlist=2, picks=1), "one", 0)
    expected = [3 / 8 + 1 / 8 * 3 / 7 + 4 / 8 * 3 / 4, 1 / 8 + 3 / 8 * 1 / 5 + 4 / 8 * 1 / 4, 0.0, 4 / 8 + 3 / 8 * 4 / 5 + 1 / 8 * 4 / 7]
    np.testing.assert_allclose(two.mean(axis=1), expected, atol=0.03)
    many = ListMarket(tuple(str(n) for n in range(50)), np.arange(2000), {"random": None}, {})
    repeated = settings(watchlist=20, replacement=True)
    lengths = watch_list(np.ones((50, 2000), bool), None, many, repeated, "one", 0).sum(axis=0)
    assert lengths.mean() == pytest.approx(50 * (1 - (49 / 50) ** 20), abs=0.15)
    alike = watch_list(np.ones((50, 2000), bool), np.full((50, 2000), 0.3), many, repeated, "one", 0)
    assert (alike.sum(axis=0) == lengths).all()


def test_places_in_lists_are_uniform_and_numbers_too() -> None:
    many = ListMarket(NAMES, np.arange(4000), {"random": None}, {})
    places = shown_places(np.ones((STOCKS, 4000), bool), many, settings(), "one", 0)
    counts = np.bincount(places[0], minlength=STOCKS)
    assert (abs(counts - 4000 / STOCKS) < 5 * np.sqrt(4000 / STOCKS)).all()
    numbers = random_numbers(0, "one", 0, "list", NAMES, np.arange(4000))
    assert 0 < numbers.min() < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.01)
    assert abs(np.corrcoef(numbers)[np.triu_indices(STOCKS, 1)]).max() < 0.08


def made_panel(prices: np.ndarray | None, **changes: object) -> Panel:
    dates = np.arange("2024-01-01", "2024-01-09", dtype="datetime64[D]")
    return Panel(dates, ("A", "B"), np.ones((2, 8), bool), prices=prices, **changes)


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("ago", [1, 2, 5, 8])
def test_returns_told_are_those_known_by_the_close_of_the_date(lag: int, ago: int) -> None:
    prices = 100 * np.exp(np.random.default_rng(0).normal(0, 0.05, (2, 8)).cumsum(axis=1))
    found = known_returns(made_panel(prices), ago, lag)
    for t in range(8):
        for n in range(2):
            filled = t - ago + lag
            known = t - ago >= 0 and filled < t
            expected = prices[n, t] / prices[n, filled] - 1 if known else np.nan
            np.testing.assert_allclose(found[n, t], expected, rtol=1e-12)
    later = prices.copy()
    later[:, 5:] *= 3.0
    np.testing.assert_array_equal(known_returns(made_panel(later), ago, lag)[:, :5], found[:, :5])


def test_without_prices_the_longest_forward_return_that_has_ended_is_told() -> None:
    returns = {h: np.random.default_rng(h).random((2, 8)) for h in (1, 3)}
    panel = made_panel(None, forward_returns=returns)
    np.testing.assert_array_equal(known_returns(panel, 5, 1)[:, 5:], returns[3][:, :3])
    np.testing.assert_array_equal(known_returns(panel, 3, 1)[:, 3:], returns[1][:, :5])
    assert np.isnan(known_returns(panel, 1, 1)).all()


def test_dates_over_which_no_return_is_ever_known_are_refused() -> None:
    panel = made_panel(None, forward_returns={5: np.zeros((2, 8))})
    assert set(list_market(panel, settings(reflection=(1, 6)), 1).returns) == {1, 6}, "a day after, nothing is filled"
    with pytest.raises(ConfigError, match=r"agents\.finite\.reflection: 2: the market data has no prices.*a horizon of at most 1"):
        list_market(panel, settings(reflection=(2, 6)), 1)


def test_styles_choose_among_the_draws_that_the_market_data_can_serve() -> None:
    styled = settings(style=StyleSettings())
    assert tuple(list_market(made_panel(None), styled, 1).weights) == ("random",)
    assert tuple(list_market(made_panel(None, sectors={"A": "bank", "B": "oil"}), styled, 1).weights) == ("random", "industry_equal")
    assert tuple(list_market(made_panel(None, sectors={"A": "bank", "B": "oil"}), settings(), 1).weights) == ("random",)
    with pytest.raises(ConfigError, match="tells of no industries"):
        list_market(made_panel(None), settings(draw="industry_equal"), 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"picked_by": "scores", "reflection": (1,)}, "reflection: is for picked_by: model"),
        ({"picked_by": "scores", "style": StyleSettings()}, "style: is for picked_by: model"),
        ({"picked_by": "scores", "method": "exact"}, "method: is for picked_by: model"),
        ({"watchlist": 53}, "at most 52 stocks"),
        ({"reflection": (5, 1)}, "ascending"),
        ({"reflection": (0, 1)}, "from 1 on"),
        ({"style": {"per": "replica"}}, r"style: per: replica: at temperature 0 all replicas have one style"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings(**given)
