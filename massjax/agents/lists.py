"""Watch lists of the replicas that a language model picks for, and the order in which each list is shown: seeded, without JAX.

Every number is a hash of the seed, the archetype's name, the replica, the date and the stock, so that it depends on no other date, stock,
replica or archetype of the run, and a panel that grows changes no list of the dates before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from massjax.agents.finite import Draw, FiniteSettings
from massjax.agents.watchlists import draw_weights
from massjax.errors import ConfigError, DataError
from massjax.market import Panel

Purpose = Literal["list", "repeat", "order"]
"""What a random number is for: which stocks are drawn, whether a further draw repeats one, in which order a list is shown."""
DRAWS: tuple[Draw, ...] = ("random", "industry_equal", "industry_basis", "size_equal")


@dataclass(frozen=True, eq=False)
class ListMarket:
    """What watch lists are drawn from, and what replicas may be told of their earlier picks.

    Attributes:
        stocks: N names.
        days: whole number that tells each date from the others, [T].
        weights: by draw, the chance of each stock up to a factor of the date; None where all members have the same. Draws that the market
            data cannot serve are not there.
        returns: by a number of dates, the return of what was decided on so many dates before, as known at the close of each date.
        macro: modalities of facts about the whole market.
    """

    stocks: tuple[str, ...]
    days: Int[np.ndarray, " T"]
    weights: Mapping[Draw, Float[np.ndarray, "N T"] | None]
    returns: Mapping[int, Float[np.ndarray, "N T"]]
    macro: frozenset[str] = frozenset()

    def digest(self) -> str:
        """Hash of what questions depend on beside facts: chances of lists, and returns that are told."""
        total = hashlib.blake2b(digest_size=16)
        for name, values in (*self.weights.items(), *self.returns.items()):
            total.update(f"{name}\0".encode())
            if values is not None:
                total.update(np.nan_to_num(np.round(values, 9), nan=-2.0).astype("<f8").tobytes())
        return total.hexdigest()


def list_market(panel: Panel, settings: FiniteSettings, execution_lag: int) -> ListMarket:
    """What the lists of a run are drawn from.

    Args:
        panel: the market data.
        settings: of the replicas; with styles that choose the draw, every draw that the market data can serve is worked out.
        execution_lag: dates from a decision to its fill.

    Raises:
        ConfigError, DataError: the market data cannot serve `settings.draw`, or has no return for `settings.reflection`.
    """
    weights: dict[Draw, Float[np.ndarray, "N T"] | None] = {settings.draw: draw_weights(panel, settings)}
    if settings.style is not None and settings.style.chooses_list:
        for draw in DRAWS:
            if draw in weights or (draw == "industry_basis" and not settings.industries):
                continue
            try:
                weights[draw] = draw_weights(panel, settings.model_copy(update={"draw": draw}))
            except (ConfigError, DataError):
                continue
    _check_returns(panel, settings.reflection, execution_lag)
    returns = {ago: known_returns(panel, ago, execution_lag) for ago in settings.reflection}
    in_order = {draw: weights[draw] for draw in DRAWS if draw in weights}
    return ListMarket(panel.stocks, panel.day_numbers, in_order, returns, frozenset(fact.modality for fact in panel.market_facts.values()))


def _check_returns(panel: Panel, reflection: Sequence[int], execution_lag: int) -> None:
    """Refuse numbers of dates over which the market data never knows a return although there has been a fill."""
    ready = sorted(panel.forward_returns)
    for ago in reflection:
        if panel.prices is None and ago > execution_lag and not any(horizon + execution_lag <= ago for horizon in ready):
            raise ConfigError(
                f"agents.finite.reflection: {ago}: the market data has no prices, and no ready-made return has ended {ago} dates after a "
                f"decision (market.horizons: {ready}, market.execution_lag: {execution_lag}); add a horizon of at most "
                f"{ago - execution_lag} to market.horizons, give prices, or leave {ago} out"
            )


def known_returns(panel: Panel, ago: int, execution_lag: int) -> Float[np.ndarray, "N T"]:
    """Return from its fill to the close of each date of what was decided `ago` dates before; NaN where it is not known by that close.

    A decision of date s is filled at the close of s + lag, so that with ago ≤ lag nothing is known yet. Without prices the longest
    ready-made forward return that has ended by then is taken: that over h dates of the decision date, h + lag ≤ ago.

    Example:
        >>> import numpy as np, massjax as mj
        >>> dates = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")
        >>> panel = mj.Panel(dates, ("A",), np.ones((1, 4), bool), prices=np.array([[100.0, 110.0, 121.0, 242.0]]))
        >>> known_returns(panel, 2, 1).round(3).tolist()
        [[nan, nan, 0.1, 1.0]]
    """
    found = np.full(panel.member.shape, np.nan)
    dates = panel.member.shape[1]
    if ago <= execution_lag or ago >= dates:
        return found
    if panel.prices is not None:
        held = ago - execution_lag
        found[:, ago:] = panel.prices[:, ago:] / panel.prices[:, execution_lag : dates - held] - 1.0
        return found
    ended = [horizon for horizon in panel.forward_returns if horizon + execution_lag <= ago]
    if ended:
        found[:, ago:] = panel.forward_returns[max(ended)][:, : dates - ago]
    return found


def watch_list(
    eligible: Bool[np.ndarray, "N T"],
    weights: Float[np.ndarray, "N T"] | None,
    market: ListMarket,
    settings: FiniteSettings,
    archetype: str,
    replica: int,
) -> Bool[np.ndarray, "N T"]:
    """Which stocks one replica watches on each date.

    Stocks are drawn one after another with chances in proportion to their weights: in the order of E / weight, E being exponential, which
    is the law of a draw without replacement. With replacement, a further draw repeats a stock that is watched already with the chance that
    the weights of those have of all, so that lists are shorter; as `massjax.engine.finite.replicas.draw_replicas` has it.

    Args:
        eligible: True for members that the archetype can be asked about.
        weights: chance of each stock up to a factor of the date; None weighs all alike; 0 is never drawn.
        market: names and dates.
        settings: length of lists, replacement, whether they are drawn anew on each date, seed.
        archetype: its name.
        replica: its number.
    """
    chance = eligible.astype(np.float64) if weights is None else np.where(eligible, weights, 0.0)
    total = chance.sum(axis=0)
    chance = chance / np.where(total > 0, total, 1.0)
    drawable = chance > 0
    days = market.days if settings.daily else np.zeros_like(market.days)
    uniforms = random_numbers(settings.seed, archetype, replica, "list", market.stocks, days)
    race = np.where(drawable, -np.log(uniforms) / np.where(drawable, chance, 1.0), np.inf)
    order = np.argsort(race, axis=0, kind="stable")
    there = drawable.sum(axis=0)
    length = np.minimum(settings.watchlist, there)
    if settings.replacement:
        watched_chance = np.cumsum(np.take_along_axis(chance, order, axis=0), axis=0)
        length = np.minimum(1, there)
        repeats = random_numbers(settings.seed, archetype, replica, "repeat", [str(n) for n in range(1, settings.watchlist)], days)
        for number in repeats:
            repeated = np.take_along_axis(watched_chance, np.maximum(length - 1, 0)[None], axis=0)[0]
            length = np.minimum(length + (number >= repeated), there)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(len(order))[:, None], axis=0)
    return place < length


def shown_places(
    watched: Bool[np.ndarray, "N T"], market: ListMarket, settings: FiniteSettings, archetype: str, replica: int
) -> Int[np.ndarray, "N T"]:
    """The place from 0 of each watched stock in the list as it is shown, shuffled anew on each date; -1 for the others."""
    keys = random_numbers(settings.seed, archetype, replica, "order", market.stocks, market.days)
    order = np.argsort(np.where(watched, keys, np.inf), axis=0, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(len(order))[:, None], axis=0)
    return np.where(watched, place, -1).astype(np.int32)


def random_numbers(
    seed: int, archetype: str, replica: int, purpose: Purpose, names: Sequence[str], days: Int[np.ndarray, " T"]
) -> Float[np.ndarray, "M T"]:
    """Uniform numbers in (0, 1), one for each of M names and each day, by a hash of everything given."""
    start = np.uint64(_hash(f"{seed}\0{archetype}\0{replica}\0{purpose}"))
    of_name = np.array([_hash(name) for name in names], np.uint64).reshape(-1, 1)
    of_day = _mixed(days.astype(np.uint64)[None, :] ^ start)
    return (_mixed(of_name ^ of_day) >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def _mixed(words: UInt64[np.ndarray, "A B"]) -> UInt64[np.ndarray, "A B"]:
    """Each word by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), in which every bit depends on every other."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
