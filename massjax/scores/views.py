"""What the questions of an archetype are about: every stock on every date, for all or for each replica, or every text by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int, Int8, UInt8

from massjax.agents.facts import Fact
from massjax.agents.items import Items
from massjax.agents.protocols.turns import NO_DECISION, NOTHING as NOTHING


class Found(NamedTuple):
    """What answers come to, at each place of a view or at each stock and date.

    Attributes:
        score: in [0, 1]; NaN where there is none.
        mass: the least raw probability on the choices of any answer that counts; NaN where not all are there.
        code: 0 where there is a score; why there is none, as `massjax.agents.protocols.turns.Replies` has it; or `NOTHING`.
        decision: 1, 0 or -1, or `NO_DECISION`; None of a protocol that does not decide.
    """

    score: Float32[np.ndarray, "N T"]
    mass: Float16[np.ndarray, "N T"]
    code: UInt8[np.ndarray, "N T"]
    decision: Int8[np.ndarray, "N T"] | None


@dataclass(frozen=True, eq=False)
class View:
    """Every stock on every date.

    Attributes:
        facts: known at the close of each date.
        member: True where the stock is in the universe.
    """

    facts: tuple[Fact, ...]
    member: Bool[np.ndarray, "N T"]

    def about(self, place: tuple[int, int]) -> tuple[int, int, str]:
        """Stock and date of a place, and words for what else it is about."""
        return (*place, "")

    def places(self, stock: int, date: int) -> list[tuple[int, int]]:
        """The places that a stock's score on a date comes from."""
        return [(stock, date)]

    def at_cells(self, found: Found) -> Found:
        """What is found, at each stock and date."""
        return found

    def situations(self, numbers: Int[np.ndarray, "A B"]) -> Int[np.ndarray, "N T"]:
        """A number for each stock and date, the same where the same was asked; -1 where nothing was.

        Args:
            numbers: of each place of the view, likewise.
        """
        return numbers


@dataclass(frozen=True, eq=False)
class ReplicaView(View):
    """Every stock on every date as each of R replicas sees it: a place is a stock and r T + t. What is found is the mean of the replicas.

    Lists of stocks are picked from whole, and earlier picks may be told: so facts and members are those of all stocks and dates, whichever
    are asked for.

    Attributes:
        replicas: R of them.
        dates: those that scores are wanted of; None = all.
    """

    replicas: int
    dates: slice | None

    def about(self, place: tuple[int, int]) -> tuple[int, int, str]:
        """Stock and date of a place, and the replica in words, the first being replica 1."""
        return place[0], place[1] % self.member.shape[1], f", replica {place[1] // self.member.shape[1] + 1}"

    def places(self, stock: int, date: int) -> list[tuple[int, int]]:
        """Those of all replicas; `date` counts from the first of `dates`."""
        start = 0 if self.dates is None else self.dates.start
        return [(stock, replica * self.member.shape[1] + start + date) for replica in range(self.replicas)]

    def at_cells(self, found: Found) -> Found:
        """The mean of the replicas that have a score of a stock and date: of those watching it the share that picked it."""
        wanted = self.dates or slice(None)
        score, mass, code = (values.reshape(len(values), self.replicas, -1)[:, :, wanted] for values in found[:3])
        good = code == 0
        count = good.sum(axis=1)
        mean = np.where(good, score, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
        why = np.where(code == NOTHING, 0, code).max(axis=1)
        least = np.where(good, mass, np.inf).min(axis=1)
        return Found(
            np.where(count > 0, mean, np.nan).astype(np.float32),
            np.where(count > 0, least, np.nan).astype(np.float16),
            np.where(count > 0, 0, np.where((code == NOTHING).all(axis=1), NOTHING, why)).astype(np.uint8),
            None,
        )

    def situations(self, numbers: Int[np.ndarray, "A B"]) -> Int[np.ndarray, "N T"]:
        """A number for each stock and date, the same where all replicas were asked the same; -1 where none was asked."""
        rows = np.moveaxis(numbers.reshape(len(numbers), self.replicas, -1), 1, 2)
        found = np.unique(rows.reshape(-1, self.replicas), axis=0, return_inverse=True)[1].reshape(rows.shape[:2])
        return np.where((rows >= 0).any(axis=2), found, -1)


@dataclass(frozen=True, eq=False)
class ItemView(View):
    """Every text by itself, [M, 1]; what is found about it counts on the dates that show it.

    Attributes:
        items: the texts.
        shape: stocks and dates.
        how: what the texts that a stock has on a date come to.
    """

    items: Items
    shape: tuple[int, int]
    how: Literal["latest", "mean", "strongest"]

    def about(self, place: tuple[int, int]) -> tuple[int, int, str]:
        """Stock and first date of a text, and its number."""
        return int(self.items.stock[place[0]]), int(self.items.known[place[0]]), f", text {place[0] + 1}"

    def places(self, stock: int, date: int) -> list[tuple[int, int]]:
        """The texts that a stock has on a date, in the order of publication."""
        pairs = (self.items.stock[self.items.item] == stock) & (self.items.column == date)
        return [(int(item), 0) for item in np.sort(self.items.item[pairs])]

    def at_cells(self, found: Found) -> Found:
        """What the texts that a stock has on a date come to, at each stock and date."""
        return at_dates(found, self.items, self.shape, self.how)

    def situations(self, numbers: Int[np.ndarray, "A B"]) -> Int[np.ndarray, "N T"]:
        """A number for each stock and date, the same where the same was asked about all of its texts; -1 where nothing was."""
        of_text, cell = numbers[self.items.item, 0], self.items.stock[self.items.item] * self.shape[1] + self.items.column
        asked = of_text >= 0
        marks = np.random.default_rng(0).integers(2**63, size=int(numbers.max(initial=0)) + 1, dtype=np.uint64)
        sums = np.zeros(self.shape[0] * self.shape[1], np.uint64)
        np.add.at(sums, cell[asked], marks[of_text[asked]])
        there = np.zeros(sums.shape, bool)
        there[cell[asked]] = True
        found = np.unique(sums, return_inverse=True)[1].reshape(-1)
        return np.where(there, found, -1).reshape(self.shape)


def at_dates(found: Found, items: Items, shape: tuple[int, int], how: Literal["latest", "mean", "strongest"]) -> Found:
    """What is found about texts, at each stock and date that shows some of them.

    Of the texts that anything was asked about, `latest` takes the one published last; `mean` and `strongest` have no score where one of
    the texts has none. The mean decides for a side where it outnumbers the other by more than half of the texts.

    Args:
        found: about each of M texts, [M, 1].
        items: which dates show them.
        shape: stocks and dates.
        how: to put them together.
    """
    asked = found.code[items.item, 0] != NOTHING
    item, cell = items.item[asked], (items.stock[items.item] * shape[1] + items.column)[asked]
    order = np.lexsort((item, cell))
    item, cell = item[order], cell[order]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    counts = np.diff(np.append(starts, len(cell)))
    ends = starts + counts
    score, mass, code = (values[item, 0] for values in found[:3])
    decision = None if found.decision is None else found.decision[item, 0]
    chosen = ends - 1
    if how == "strongest":
        strength = np.where(np.isnan(score), -1.0, abs(score - np.float32(0.5)))
        chosen = np.lexsort((item, strength, cell))[ends - 1]
    one_score, one_mass, one_code, one_decision = score[chosen], mass[chosen], code[chosen], None if decision is None else decision[chosen]
    if how != "latest" and len(starts):
        one_code, one_mass = np.maximum.reduceat(code, starts), np.minimum.reduceat(mass, starts)
        if how == "mean":
            one_score = (np.add.reduceat(score.astype(np.float64), starts) / counts).astype(np.float32)
            if decision is not None:
                net = np.add.reduceat(np.where(decision == NO_DECISION, 0, decision).astype(np.int64), starts)
                one_decision = np.where(2 * abs(net) > counts, np.sign(net), 0)
        one_score = np.where(one_code == 0, one_score, np.float32(np.nan))
        one_decision = None if one_decision is None else np.where(one_code == 0, one_decision, NO_DECISION)
    where = cell[starts]
    return Found(
        _spread(one_score, where, shape, np.nan, np.float32),
        _spread(one_mass, where, shape, np.nan, np.float16),
        _spread(one_code, where, shape, NOTHING, np.uint8),
        None if one_decision is None else _spread(one_decision, where, shape, NO_DECISION, np.int8),
    )


def _spread(values: np.ndarray, where: Int[np.ndarray, " C"], shape: tuple[int, int], fill: float, kind: type[np.generic]) -> np.ndarray:
    whole = np.full(shape, fill, kind)
    whole.reshape(-1)[where] = values
    return whole
