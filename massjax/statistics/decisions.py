"""What organisations decide: over- and underweight decisions, how often each is taken, and how those of two organisations meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import ArrayLike, Float, Int, Int8, Num, Shaped

from massjax.errors import DataError
from massjax.labels import plain
from massjax.statistics.clusters import By, Estimate, Labels, cells_of, clustered_share

OVERWEIGHT, NEUTRAL, UNDERWEIGHT = 1, 0, -1
"""Decisions: long or bought, neither, short or sold."""
FOLLOW, NOT_FOLLOW = 1, 0
"""A head trader's answers."""
MISSING = -128
"""No decision: not asked, not answered, or no row in the table. Counts for nothing; neutral, by contrast, is a decision."""
SIDES = (OVERWEIGHT, NEUTRAL, UNDERWEIGHT)
"""The three decisions in the order in which tables show them."""

Decisions: TypeAlias = Num[ArrayLike, "*cells"]
"""+1, 0, −1 or `MISSING` by [stocks, dates], or flat; of a float array NaN is missing as well."""
Answers: TypeAlias = Shaped[ArrayLike, "*cells"]
"""1 yes, such as *Follow*, 0 no, or `MISSING`, or booleans; of a float array NaN is missing as well."""
Zeros: TypeAlias = Literal["neutral", "missing"]
"""What a number of exactly 0 counts as: neither up nor down, or not at all."""


@dataclass(frozen=True)
class Shares:
    """How often an organisation decides on what.

    Attributes:
        overweight, neutral, underweight: shares of all decisions; they sum to 1.
        missing: cells without a decision.
    """

    overweight: Estimate
    neutral: Estimate
    underweight: Estimate
    missing: int


@dataclass(frozen=True, eq=False)
class CrossTable:
    """How often each decision of one organisation meets each of another.

    Attributes:
        counts: of the first in rows, the second in columns, both in the order overweight, neutral, underweight.
        missing: cells in which either has no decision.
    """

    counts: Int[np.ndarray, "3 3"]
    missing: int

    @property
    def margins(self) -> tuple[Int[np.ndarray, " 3"], Int[np.ndarray, " 3"]]:
        """Decisions of the first and of the second, over what both decided on."""
        return self.counts.sum(axis=1), self.counts.sum(axis=0)

    @property
    def identical(self) -> float:
        """Share of identical decisions, neutral ones included; NaN where there is none."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else np.nan


def check_decisions(what: str, values: Answers, allowed: tuple[int, ...] = SIDES) -> Int8[np.ndarray, "*cells"]:
    """The decisions as int8, or an error that names the first value that is none.

    Args:
        what: whose they are, in the plural, for the message.
        values: decisions; of a float array NaN is missing.
        allowed: besides `MISSING`.

    Raises:
        DataError: a value is none of those allowed, or the array is none of numbers.
    """
    array = np.asarray(plain(what, values))
    if array.dtype == bool and allowed == (FOLLOW, NOT_FOLLOW):
        return array.astype(np.int8)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{what} have dtype {array.dtype}; expected {_choices(allowed)}")
    numbers = np.where(np.isnan(array), MISSING, array) if array.dtype.kind == "f" else array
    wrong = np.argwhere(~np.isin(numbers, (*allowed, MISSING)))
    if len(wrong):
        place, many = wrong[0].tolist(), f" ({len(wrong):,} in all)" if len(wrong) > 1 else ""
        raise DataError(f"{what}{place} is {array[tuple(place)].item()!r}{many}; expected {_choices(allowed)}")
    return numbers.astype(np.int8)


def _choices(allowed: tuple[int, ...]) -> str:
    names = "1 (follow), 0 (not follow)" if allowed == (FOLLOW, NOT_FOLLOW) else "1 (overweight), 0 (neutral), -1 (underweight)"
    return f"{names} or MISSING ({MISSING})"


def check_alike(**decisions: np.ndarray) -> None:
    """Refuse arrays of different shapes.

    Raises:
        DataError: it names both shapes.
    """
    (first, one), *others = decisions.items()
    for name, other in others:
        if one.shape != other.shape:
            raise DataError(f"{first} have the shape {one.shape} and {name} {other.shape}; give both for the same stocks and dates")


def directions(values: Float[ArrayLike, "*cells"], zeros: Zeros = "neutral") -> Int8[np.ndarray, "*cells"]:
    """The decisions that numbers stand for: bought or risen is overweight, sold or fallen underweight.

    Args:
        values: net buying of institutions, or forward returns; NaN = unknown, which is missing.
        zeros: what exactly 0 is: "neutral", a decision like others, or "missing", which leaves it out.

    Raises:
        DataError: a value is infinite, or `zeros` is neither of the two.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decisions import directions
        >>> directions(np.array([1200.0, 0.0, -5.0, np.nan])).tolist(), directions(np.array([0.0, 2.0]), zeros="missing").tolist()
        ([1, 0, -1, -128], [-128, 1])
    """
    if zeros not in ("neutral", "missing"):
        raise DataError(f"zeros is {zeros!r}; expected 'neutral' or 'missing'")
    numbers = np.asarray(plain("values", values), np.float64)
    infinite = np.argwhere(np.isinf(numbers))
    if len(infinite):
        raise DataError(f"values{infinite[0].tolist()} is infinite; expected numbers, NaN where unknown")
    known = np.isfinite(numbers) & ((numbers != 0) | (zeros == "neutral"))
    return np.where(known, np.sign(np.where(known, numbers, 0.0)), MISSING).astype(np.int8)


def decision_shares(
    decisions: Decisions,
    *,
    stocks: Labels | None = None,
    dates: Labels | None = None,
    by: By = "stock and date",
    level: float = 0.95,
) -> Shares:
    """Shares of overweight, neutral and underweight decisions (arXiv 2410.00354, Table 1).

    Args:
        decisions: [stocks, dates], or flat.
        stocks, dates: labels; needed where `decisions` are flat (`massjax.statistics.clusters.cells_of`).
        by: what decisions may have in common.
        level: of the intervals.

    Raises:
        DataError: a value is no decision, or the labels do not fit.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decisions import MISSING, decision_shares
        >>> found = decision_shares(np.array([[1, 0, 0, -1], [1, 0, 0, MISSING]]))
        >>> round(found.overweight.value, 3), found.missing
        (0.286, 1)
    """
    checked = check_decisions("decisions", decisions)
    cells, flat = cells_of(checked.shape, stocks, dates), checked.ravel()
    known = flat != MISSING
    over, neither, under = (
        clustered_share(flat == side, known, cells, by=by, level=level, nothing="no decision is known") for side in SIDES
    )
    return Shares(over, neither, under, int((~known).sum()))


def approval_rate(
    follow: Answers,
    *,
    stocks: Labels | None = None,
    dates: Labels | None = None,
    by: By = "stock and date",
    level: float = 0.95,
) -> Estimate:
    """Share of *Follow* among a head trader's answers (arXiv 2410.00354, Table 5).

    Args:
        follow: 1 follow, 0 not follow, or booleans; `MISSING` or NaN where the head trader was not asked. [stocks, dates], or flat.
        stocks, dates: labels; needed where `follow` is flat.
        by: what answers may have in common.
        level: of the interval.

    Raises:
        DataError: a value is no such answer, or the labels do not fit.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decisions import approval_rate
        >>> approval_rate(np.array([[1, 0, np.nan], [0, 0, 1]])).value
        0.4
    """
    checked = check_decisions("answers", follow, (FOLLOW, NOT_FOLLOW))
    flat = checked.ravel()
    cells = cells_of(checked.shape, stocks, dates)
    return clustered_share(flat == FOLLOW, flat != MISSING, cells, by=by, level=level, nothing="no answer of follow or not follow is known")


def cross_table(first: Decisions, second: Decisions) -> CrossTable:
    """Decisions of one organisation against those of another (arXiv 2410.00354, Table 4: week × year).

    Raises:
        DataError: a value is no decision, or the shapes differ.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decisions import cross_table
        >>> week, year = np.array([[1, 1, 0, -1]]), np.array([[1, 0, 0, 1]])
        >>> cross_table(week, year).counts.tolist()
        [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    """
    one, other = check_decisions("first", first), check_decisions("second", second)
    check_alike(first=one, second=other)
    known = (one != MISSING) & (other != MISSING)
    counts = np.zeros((3, 3), np.int64)
    np.add.at(counts, (1 - one[known], 1 - other[known]), 1)
    return CrossTable(counts, int((~known).sum()))
