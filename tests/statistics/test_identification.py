from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from massjax.statistics.identification import UNNAMED, identification, identified_years
from massjax.statistics.multiple import holm


def test_measures_are_those_of_loops() -> None:
    rng = np.random.default_rng(0)
    named = rng.integers(-1, 7, (7, 20))
    named[2, ::2] = 2
    found = identification(named)
    hits, chances = np.zeros(7), np.zeros(7)
    asked = np.zeros(7)
    for t in range(20):
        answered = [n for n in range(7) if named[n, t] != UNNAMED]
        for n in answered:
            asked[n] += 1
            hits[n] += named[n, t] == n
            chances[n] += sum(named[m, t] == n for m in answered if m != n) / (len(answered) - 1)
    assert found.right.value == pytest.approx(hits.sum() / asked.sum())
    assert found.chance == pytest.approx(chances.sum() / asked.sum())
    assert found.excess.value == pytest.approx((hits.sum() - chances.sum()) / asked.sum())
    np.testing.assert_allclose(found.by_stock, hits / asked)
    np.testing.assert_allclose(found.chance_by_stock, chances / asked)
    assert np.flatnonzero(found.found(1e-2)).tolist() == [2]


def test_p_values_are_those_of_every_deal_of_the_guesses() -> None:
    named = np.array([[0, 0, UNNAMED, 0], [0, 1, 1, 3], [3, 2, 2, 0], [0, 2, 3, 3]])
    hits = [sum(named[n, t] == n for t in range(4)) for n in range(4)]
    expected = []
    for n in range(4):
        reached = {0: 1.0}  # number of hits: probability, date by date over every order of its guesses
        for t in range(4):
            answered = [m for m in range(4) if named[m, t] != UNNAMED]
            if n not in answered:
                continue
            orders = list(permutations(named[answered, t].tolist()))
            share = np.mean([order[answered.index(n)] == n for order in orders])
            both = [{h + hit: p * q for h, p in reached.items()} for hit, q in ((0, 1 - share), (1, share))]
            reached = {h: both[0].get(h, 0.0) + both[1].get(h, 0.0) for h in (both[0] | both[1])}
        expected.append(sum(p for h, p in reached.items() if h >= hits[n]))
    np.testing.assert_allclose(identification(named).p_by_stock, holm(np.array(expected)))


def test_the_same_shown_again_is_no_other_trial() -> None:
    named, trials = np.tile(np.arange(6)[:, None], (1, 8)), np.zeros((6, 8), bool)
    trials[:, 0] = trials[2, 4] = True
    found = identification(named, trials=trials)
    np.testing.assert_allclose(found.p_by_stock, holm(np.array([1 / 6, 1 / 6, 1 / 36, 1 / 6, 1 / 6, 1 / 6])))
    assert found.right.value == 1.0


def test_one_lucky_guess_about_a_stock_that_is_never_named_else_is_no_leak() -> None:
    named = np.tile([*range(1, 20), 1], (3, 1)).T
    named[0, 1] = 0
    found = identification(named)
    assert (found.by_stock[0], found.chance_by_stock[0]) == (pytest.approx(1 / 3), 0.0)
    assert not found.found()[0]


def test_a_favourite_answer_is_no_leak() -> None:
    """Half of all guesses name the first stock, so it is named rightly half of the time."""
    rng = np.random.default_rng(1)
    named = np.where(rng.random((10, 60)) < 0.5, 0, rng.integers(0, 10, (10, 60)))
    found = identification(named)
    assert found.by_stock[0] > 0.4
    assert found.excess.low < 0 < found.excess.high
    assert not found.found().any()


def test_what_is_never_asked_about_is_not_found() -> None:
    named = np.full((4, 10), UNNAMED)
    found = identification(named)
    assert np.isnan(found.right.value)
    assert found.right.reason == "no masked prompt was answered"
    assert np.isnan(found.p_by_stock).all()
    assert not found.found().any()
    named[1:] = np.arange(1, 4)[:, None]
    known = identification(named)
    assert np.isnan(known.by_stock[0])
    assert (known.right.value, known.chance) == (1.0, 0.0)
    assert known.found().tolist() == [False, True, True, True]


def test_years_are_compared_with_guesses_in_the_same_proportions() -> None:
    rng = np.random.default_rng(3)
    year = np.array([2019, 2019, 2020, 2020, 2020, 2021])
    named = rng.choice([UNNAMED, 2018, 2019, 2020], size=(9, 6))
    found = identified_years(named, year)
    pairs = [(int(named[n, t]), int(year[t])) for n in range(9) for t in range(6) if named[n, t] != UNNAMED]
    guesses, truths = zip(*pairs, strict=True)
    chance = sum(guesses.count(y) * truths.count(y) for y in range(2018, 2022)) / len(pairs) ** 2
    assert found.right.value == pytest.approx(np.mean([g == y for g, y in pairs]))
    assert found.chance == pytest.approx(chance)
    assert found.excess.value == pytest.approx(found.right.value - chance)
    assert found.by_year[2021] == 0.0
    assert found.by_year[2019] == pytest.approx(np.mean([g == 2019 for g, y in pairs if y == 2019]))


def test_the_error_of_the_excess_is_that_of_leaving_out_a_date_at_a_time() -> None:
    rng = np.random.default_rng(4)
    year = 2000 + rng.integers(0, 4, 60)
    named = np.where(rng.random((12, 60)) < 0.3, year, 2000 + rng.integers(0, 4, (12, 60)))
    found = identified_years(named, year, by="date").excess
    left = np.array([identified_years(np.delete(named, t, 1), np.delete(year, t), by="date").excess.value for t in range(60)])
    assert found.standard_error == pytest.approx(np.sqrt(59 / 60 * ((left - left.mean()) ** 2).sum()), rel=0.03)
    assert found.low > 0


def test_always_the_same_year_is_no_knowledge() -> None:
    year = np.repeat([2020, 2021], 30)
    found = identified_years(np.full((8, 60), 2020), year)
    assert (found.right.value, found.chance, found.excess.value) == (0.5, 0.5, 0.0)
    nothing = identified_years(np.full((8, 60), UNNAMED), year)
    assert nothing.excess.reason == "no masked prompt was answered"
