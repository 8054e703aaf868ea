"""Picks of a model as a pure protocol: what each replica is shown, what its style and memory tell, and what picks come to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from massjax.agents.archetype import Archetype
from massjax.agents.facts import Fact
from massjax.agents.finite import FiniteSettings
from massjax.agents.lists import ListMarket, shown_places, watch_list
from massjax.agents.protocols.picking import picking
from massjax.agents.protocols.turns import ANSWERED, NOTHING, UNASKED, Ask, Last, Played, Replies, play
from massjax.agents.style import StyleSettings, style_of, style_schema
from massjax.models.failures import REASONS, Reason
from massjax.models.forms import Pick, Write
from massjax.models.question import Prompt

STOCKS, DATES, REPLICAS = 6, 4, 3
NAMES = tuple("ABCDEF")
ONE = Archetype(name="one", modalities=("price",))
LEVEL = Fact("price", "level", np.tile(np.arange(STOCKS, dtype=np.int32)[:, None], DATES), tuple(f"level {n}" for n in range(STOCKS)))
CPI = Fact("macro", "inflation", np.tile(np.array([0, 0, 1, 1], np.int32), (STOCKS, 1)), ("is low", "is high"))
UNSEEN = Fact("risk", "volatility", np.zeros((STOCKS, DATES), np.int32), ("calm",))
FACTS = (LEVEL, CPI, UNSEEN)
MEMBER = np.ones((STOCKS, DATES), bool)
MEMBER[5, 0] = False
RETURNS = np.arange(STOCKS * DATES, dtype=float).reshape(STOCKS, DATES) / 100
MARKET = ListMarket(NAMES, np.arange(DATES), {"random": None}, {1: RETURNS, 2: RETURNS + 1}, frozenset({"macro"}))
Answers = Callable[[Ask, Prompt], Any]


def settings(**changes: object) -> FiniteSettings:
    return FiniteSettings(**{"replicas": REPLICAS, "watchlist": 4, "picks": 2, "picked_by": "model", **changes})


def replies_of(ask: Ask, answers: Answers) -> Replies:
    """What comes back: a text or the places picked, a `Reason`, or None for what was not asked."""
    found = [answers(ask, prompt) for prompt in ask.prompts]
    codes = [UNASKED if one is None else REASONS.index(one) if isinstance(one, Reason) else ANSWERED for one in found]
    codes_of = np.array(codes, np.uint8)
    if isinstance(ask.form, Write):
        return Replies(codes_of, [one if isinstance(one, str) else None for one in found])
    assert isinstance(ask.form, Pick)
    picks = [one if isinstance(one, tuple) else (-1,) * ask.form.count for one in found]
    mass = np.where(codes_of == ANSWERED, np.float32(0.9), np.float32(np.nan))
    probability = np.full((len(found), len(ask.form.items)), np.nan, np.float32)
    return Replies(codes_of, (), probability, mass, np.array(picks, np.int16).reshape(-1, ask.form.count))


def played(answers: Answers, finite: FiniteSettings, market: ListMarket = MARKET, **changes: Any) -> Played:
    steps = picking(ONE, finite, market, changes.pop("facts", FACTS), MEMBER, "My picks: ", **changes)
    return play(steps, lambda ask: replies_of(ask, answers))


def last_of(found: Played) -> Last:
    assert found.last is not None
    return found.last


def first_two(ask: Ask, prompt: Prompt) -> Any:
    return (0, 1)


def listed(prompt: Prompt) -> list[tuple[str, str]]:
    """Letter and cell of each line of a list."""
    lines = [line.split(". ", 1) for line in prompt.user.split("\n") if line[1:3] == ". "]
    return [(letter, cell) for letter, cell in lines]


def test_each_replica_is_shown_its_list_under_letters_in_its_seeded_order() -> None:
    finite = settings()
    (ask,) = played(lambda ask, prompt: None, finite).waiting
    assert isinstance(ask.form, Pick)
    assert (ask.form.items, ask.form.order, ask.form.count, ask.form.prefill) == (tuple("ABCD"), (0, 1, 2, 3), 2, "My picks: ")
    assert len(ask.prompts) == REPLICAS * DATES
    assert ask.index is not None
    for replica in range(REPLICAS):
        watched = watch_list(MEMBER, None, MARKET, finite, "one", replica)
        places = shown_places(watched, MARKET, finite, "one", replica)
        for t in range(DATES):
            column = replica * DATES + t
            assert ((ask.index[:, column] >= 0) == watched[:, t]).all()
            (row,) = set(ask.index[watched[:, t], column].tolist())
            shown = sorted(np.flatnonzero(watched[:, t]).tolist(), key=lambda n: places[n, t])
            assert listed(ask.prompts[row]) == [("ABCD"[place], f"level {n}") for place, n in enumerate(shown)]
    user = ask.prompts[0].user
    assert user.startswith("Of each stock: level\n")
    assert user.endswith("Answer with 2 different letters, the best first, separated by commas.")
    assert "inflation" not in "".join(map("".join, ask.prompts)), "the archetype does not see the economy"
    assert "volatility" not in user
    orders = {tuple(letter_and_cell[1] for letter_and_cell in listed(prompt)) for prompt in ask.prompts}
    assert len(orders) > REPLICAS, "lists are shuffled"


def test_facts_about_the_whole_market_are_told_once_and_news_stands_below_its_stock() -> None:
    news = Fact("news", "news", np.where(np.arange(STOCKS)[:, None] == 2, 0, -1).astype(np.int32).repeat(DATES, 1), ('  "Oil is found."',))
    seer = ONE.replace(modalities=("price", "macro", "news"))
    steps = picking(seer, settings(watchlist=6), MARKET, (*FACTS, news), MEMBER, "")
    asks = play(steps, lambda ask: replies_of(ask, lambda ask, prompt: None)).waiting
    prompt = asks[-1].prompts[0]
    assert prompt.user.count("inflation") == 1
    assert prompt.user.startswith("All of the market:\n- inflation: is ")
    assert '. level 2\n  news:\n  "Oil is found."\n' in prompt.user
    assert {len(ask.form.items) for ask in asks if isinstance(ask.form, Pick)} == {5, 6}, "one form for each length of lists"


def test_the_share_of_attending_replicas_is_what_a_plain_loop_counts() -> None:
    finite = settings(replacement=True)
    random = np.random.default_rng(0)
    said = dict[Prompt, Any]()

    def answers(ask: Ask, prompt: Prompt) -> Any:
        assert isinstance(ask.form, Pick)
        if prompt not in said:
            places = tuple(random.permutation(len(ask.form.items))[: ask.form.count].tolist())
            said[prompt] = Reason.TIMED_OUT if random.random() < 0.2 else places
        return said[prompt]

    found = played(answers, finite)
    last = last_of(found)
    score = last.opinion([]).score
    assert last.apart
    picks, attending = np.zeros((2, STOCKS, DATES))
    for ask in found.asked:
        assert ask.index is not None
        for column in range(REPLICAS * DATES):
            stocks = np.flatnonzero(ask.index[:, column] >= 0).tolist()
            if not stocks:
                continue
            prompt = ask.prompts[ask.index[stocks[0], column]]
            by_place = {place: int(cell.removeprefix("level ")) for place, (_, cell) in enumerate(listed(prompt))}
            assert sorted(by_place.values()) == stocks
            if isinstance(said[prompt], Reason):
                assert (last.lost[stocks, column] == REASONS.index(Reason.TIMED_OUT)).all()
                continue
            attending[stocks, column % DATES] += 1
            for place in said[prompt]:
                picks[by_place[place], column % DATES] += 1
    assert 0 < attending.min(initial=9, where=attending > 0) < attending.max()
    shares = score.reshape(STOCKS, REPLICAS, DATES)
    known = np.isfinite(shares)
    np.testing.assert_array_equal(known.sum(axis=1), attending)
    np.testing.assert_array_equal(np.nansum(shares, axis=1), picks)
    assert ((last.lost == ANSWERED) == np.isfinite(score)).all()
    assert (last.lost == NOTHING).any()


def test_an_answer_with_little_on_the_letters_counts_as_none() -> None:
    last = last_of(played(first_two, settings(), minimum_mass=0.95))
    assert set(np.unique(last.lost).tolist()) == {REASONS.index(Reason.LOW_COVERAGE), NOTHING}
    assert np.isnan(last.opinion([]).score).all()


STYLE = {
    **{"outline": "You buy what\nfalls.", "risk_appetite": "high", "holding_period": "a month", "strategy_consistency": 0.5},
    **{"rationality": 0.25, "watch_list": "random", "others": "You sleep well."},
}


def with_style(style: Mapping[str, Any]) -> Answers:
    return lambda ask, prompt: json.dumps(style) if isinstance(ask.form, Write) else (0, 1)


def test_a_style_of_each_state_of_the_market_is_written_from_what_is_known_that_day_and_enters_the_prompts_of_its_dates() -> None:
    finite = settings(style=StyleSettings())
    (ask,) = played(lambda ask, prompt: None, finite).waiting
    assert isinstance(ask.form, Write)
    assert ask.form.schema == style_schema(["random"])
    assert ask.title == "stage style"
    assert len(ask.prompts) == 2, "the market has two states"
    assert ["- inflation: is low" in prompt.user for prompt in ask.prompts] == [True, False]
    assert ["- inflation: is high" in prompt.user for prompt in ask.prompts] == [False, True]
    assert all("- the price trend: level\n" in prompt.user for prompt in ask.prompts)
    assert ask.index is not None
    assert ask.index[0].reshape(REPLICAS, DATES).tolist() == [[0, 0, 1, 1]] * REPLICAS
    assert ask.index[5, 0] == -1

    def two_styles(ask: Ask, prompt: Prompt) -> Any:
        calm = "is low" in prompt.user
        return json.dumps({**STYLE, "risk_appetite": "high" if calm else "very low"}) if isinstance(ask.form, Write) else (0, 1)

    found = played(two_styles, finite)
    last = last_of(found)
    for column in range(REPLICAS * DATES):
        (row,) = {int(ask.index[n, column]) for ask in found.asked[1:] if ask.index is not None for n in range(STOCKS)} - {-1}
        system = found.asked[1].prompts[row].system
        assert f"Your appetite for risk is {'high' if column % DATES < 2 else 'very low'}; you hold a stock for about a month." in system
        assert "Your style: You buy what falls.\n" in system
        assert "You weigh return against risk" not in system
        assert "by 0.50 and judge rationally by 0.25" in system
        assert "Besides: You sleep well." in system
    assert last.told == {"risk_appetite": "high (50%)", "holding_period": "a month", "watch_list": "random"}


def test_styles_once_show_no_market_and_replicas_may_have_their_own() -> None:
    once = settings(style=StyleSettings(when="once", per="replica", temperature=0.7))
    asks = played(lambda ask, prompt: None, once).waiting
    assert [len(ask.prompts) for ask in asks] == [1] * REPLICAS
    assert len({ask.form for ask in asks}) == REPLICAS, "each replica draws with a seed of its own"
    assert "inflation" not in asks[0].prompts[0].user
    for replica, ask in enumerate(asks):
        assert ask.index is not None
        assert (np.flatnonzero((ask.index >= 0).any(axis=0)) // DATES == replica).all()


def test_the_style_decides_the_draw_of_lists_date_by_date() -> None:
    only = np.zeros((STOCKS, DATES))
    only[:3] = 1.0
    served = ListMarket(NAMES, np.arange(DATES), {"random": None, "industry_equal": only}, {}, frozenset({"macro"}))

    def by_market(ask: Ask, prompt: Prompt) -> Any:
        draw = "random" if "is low" in prompt.user else "industry_equal"
        return json.dumps({**STYLE, "watch_list": draw}) if isinstance(ask.form, Write) else tuple(range(min(2, len(ask.form.items))))

    found = played(by_market, settings(style=StyleSettings()), served)
    watched = np.any([ask.index >= 0 for ask in found.asked[1:] if ask.index is not None], axis=0).reshape(STOCKS, REPLICAS, DATES)
    assert watched.sum(axis=0).tolist() == [[4, 4, 3, 3]] * REPLICAS
    assert not watched[3:, :, 2:].any()
    ignoring = played(by_market, settings(style=StyleSettings(chooses_list=False)), served)
    for ask in ignoring.asked[1:]:
        assert ask.index is not None
        assert set((ask.index >= 0).sum(axis=0).tolist()) == {4}


def test_a_style_that_is_not_had_loses_its_lists_and_no_others() -> None:
    def refused(ask: Ask, prompt: Prompt) -> Any:
        if isinstance(ask.form, Write):
            return Reason.REFUSED if "is low" in prompt.user else json.dumps(STYLE)
        return (0, 1)

    last = last_of(played(refused, settings(style=StyleSettings())))
    lost = last.lost.reshape(STOCKS, REPLICAS, DATES)
    assert set(np.unique(lost[:, :, :2]).tolist()) == {REASONS.index(Reason.REFUSED), NOTHING}
    assert set(np.unique(lost[:, :, 2:]).tolist()) == {ANSWERED, NOTHING}
    unfit = last_of(played(with_style({"outline": "x"}), settings(style=StyleSettings())))
    assert set(np.unique(unfit.lost).tolist()) == {REASONS.index(Reason.UNFIT), NOTHING}


@pytest.mark.parametrize("change", [{"risk_appetite": "huge"}, {"rationality": 2}, {"watch_list": "size_equal"}, {"more": 1}])
def test_a_style_that_does_not_fit_is_none(change: dict[str, Any]) -> None:
    form = Write(300, schema=style_schema(["random"]))
    assert style_of(json.dumps(STYLE), form) is not None
    assert style_of(json.dumps({**STYLE, **change}), form) is None


def test_a_replica_is_told_of_its_own_picks_with_the_returns_known_by_the_date() -> None:
    finite = settings(reflection=(1, 2), watchlist=5)
    found = played(first_two, finite)
    last = last_of(found)
    picked = (last.opinion([]).score == 1).reshape(STOCKS, REPLICAS, DATES)
    for t in range(DATES):
        (ask,) = [ask for ask in found.asked if ask.index is not None and (ask.index[:, t] >= 0).any()]
        assert ask.index is not None
        assert {column % DATES for column in np.flatnonzero((ask.index >= 0).any(axis=0)).tolist()} == {t}, "date after date"
        for replica in range(REPLICAS):
            column = replica * DATES + t
            stocks = np.flatnonzero(ask.index[:, column] >= 0)
            prompt = ask.prompts[ask.index[stocks[0], column]]
            letters = {int(cell.removeprefix("level ")): letter for letter, cell in listed(prompt)}
            for ago, words in ((1, "On the last trading day"), (2, "2 trading days ago")):
                lines = [line for line in prompt.user.split("\n") if line.startswith(words)]
                assert len(lines) == (1 if t >= ago else 0)
                for n in np.flatnonzero(picked[:, replica, t - ago]).tolist() if t >= ago else []:
                    name = f"stock {letters[n]} of today's list" if n in letters else "a stock that is not on today's list"
                    assert f"{name} ({100 * (RETURNS[n, t] + (ago == 2)):+.1f}%)" in lines[0]
    (waiting,) = played(lambda ask, prompt: None, finite).waiting
    assert waiting.index is not None
    assert set(np.flatnonzero((waiting.index >= 0).any(axis=0)) % DATES) == {0}


def test_dates_that_are_told_of_none_of_each_other_are_asked_together() -> None:
    both = ListMarket(NAMES, np.arange(DATES), {"random": None}, {2: RETURNS}, frozenset())
    found = played(first_two, settings(reflection=(2,)), both)
    dates = list[list[int]]()
    for ask in found.asked:
        assert ask.index is not None
        dates.append(np.unique(np.flatnonzero((ask.index >= 0).any(axis=0)) % DATES).tolist())
    assert dates == [[0, 1], [2, 3]]


def test_without_a_fact_nothing_is_asked() -> None:
    nothing = Fact("price", "level", np.full((STOCKS, DATES), -1, np.int32), ())
    found = played(first_two, settings(), facts=(nothing,))
    assert [list(ask.prompts) for ask in found.asked] == [[]]
    assert (last_of(found).lost == NOTHING).all()
