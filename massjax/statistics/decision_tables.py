"""Tables of what organisations decide, as polars frames: the shares, chance level and identity stand beside every consistency.

Organisations are named by the keys of a mapping, such as `{"single": ..., "desk": ...}`; the order is kept. Shares are in percent,
differences in points, "low" and "high" the ends of 95 % intervals (or of `level`); a number that is undefined is null, with the reason
in the column `note`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, Unpack

import polars as pl
from jaxtyping import ArrayLike, Shaped

from massjax.statistics.agreement import Agreement, Consistency, consistency, market_consistency, share_weighted
from massjax.statistics.clusters import By, Estimate, Labels
from massjax.statistics.decisions import Zeros, approval_rate, cross_table, decision_shares
from massjax.statistics.paired import PairedComparison, compare_pairs

Given: TypeAlias = Shaped[ArrayLike, "..."]
"""Decisions, answers or returns by [stocks, dates], or flat."""
NAMES = ("overweight", "neutral", "underweight")


class How(TypedDict, total=False):
    """Of which stocks and dates decisions are, and what they may have in common; as `massjax.statistics.decisions` takes it."""

    stocks: Labels | None
    dates: Labels | None
    by: By
    level: float


def shares_table(decisions: Mapping[str, Given], **how: Unpack[How]) -> pl.DataFrame:
    """Shares of overweight, neutral and underweight decisions of each organisation (Table 1 of arXiv 2410.00354).

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import shares_table
        >>> table = shares_table({"single": np.array([[1, 0], [0, -1]]), "desk": np.array([[0, 0], [0, -1]])})
        >>> table.select("organisation", "overweight, %", "neutral, %", "underweight, %").rows()
        [('single', 25.0, 50.0, 25.0), ('desk', 0.0, 75.0, 25.0)]
    """
    rows = []
    for name, given in decisions.items():
        found = decision_shares(given, **how)
        row: dict[str, Any] = {"organisation": name}
        for side, share in zip(NAMES, (found.overweight, found.neutral, found.underweight), strict=True):
            row |= _percent(f"{side}, %", f"{side} ", share)
        rows.append(row | {"decisions": found.overweight.count, "missing": found.missing, "note": found.overweight.reason})
    return _frame(rows)


def consistency_table(decisions: Mapping[str, Given], reference: Given, **how: Unpack[How]) -> pl.DataFrame:
    """Consistency of each organisation with a reference, overall and by side (Tables 2, 3 and 6 of arXiv 2410.00354).

    Columns: the share of the side in all active decisions; the consistency with its interval; chance, what decisions independent of
    the reference would have; the excess over chance with its interval; and, of the overall rows, the share-weighted mean of the sides,
    which must be the overall consistency.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import consistency_table
        >>> institutions = np.array([[1, -1, 1], [1, -1, 0]])
        >>> table = consistency_table({"single": np.array([[1, -1, 0], [-1, -1, 1]])}, institutions)
        >>> table.select("side", "share, %", "consistency, %", "chance, %", "share-weighted, %").rows()
        [('overall', 100.0, 60.0, 40.0, 60.0), ('overweight', 40.0, 50.0, 50.0, None), ('underweight', 60.0, 66.667, 33.333, None)]
    """
    return _frame(
        [row for name, given in decisions.items() for row in _sides({"organisation": name}, consistency(given, reference, **how))]
    )


def market_table(
    decisions: Mapping[str, Given],
    forward_returns: Mapping[int, Given],
    zeros: Zeros = "neutral",
    **how: Unpack[How],
) -> pl.DataFrame:
    """Over- and underweight decisions that were followed by a rise, or fall, by horizon (Table 7 of arXiv 2410.00354).

    Args:
        decisions: by organisation; institutions may be one.
        forward_returns: by horizon.
        zeros: what a return of exactly 0 counts as.
        how: labels and clustering.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import market_table
        >>> table = market_table({"desk": np.array([[1, -1], [1, 0]])}, {1: np.array([[0.01, -0.02], [-0.01, 0.02]])})
        >>> table.select("horizon", "side", "consistency, %", "chance, %").rows()[1]
        (1, 'overweight', 50.0, 50.0)
    """
    return _frame(
        [
            row
            for name, given in decisions.items()
            for horizon, returns in forward_returns.items()
            for row in _sides({"organisation": name, "horizon": horizon}, market_consistency(given, returns, horizon, zeros=zeros, **how))
        ]
    )


def approval_table(follow: Mapping[str, Given], **how: Unpack[How]) -> pl.DataFrame:
    """Share of *Follow* of each head trader (Table 5 of arXiv 2410.00354).

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import approval_table
        >>> approval_table({"junior": np.array([[1, 0], [0, 0]])})["approval, %"].to_list()
        [25.0]
    """
    rows = []
    for name, given in follow.items():
        found = approval_rate(given, **how)
        rows.append({"head trader": name} | _percent("approval, %", "", found) | {"answers": found.count, "note": found.reason})
    return _frame(rows)


def cross_frame(first: tuple[str, Given], second: tuple[str, Given]) -> pl.DataFrame:
    """Decisions of one organisation (rows) against those of another (columns), with margins (Table 4 of arXiv 2410.00354).

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import cross_frame
        >>> cross_frame(("week", np.array([1, 1, 0])), ("year", np.array([1, 0, 0]))).rows()[0]
        ('week overweight', 1, 1, 0, 2)
    """
    counts = cross_table(first[1], second[1]).counts
    names = (*NAMES, "all")
    rows = [*counts.tolist(), counts.sum(axis=0).tolist()]
    return pl.DataFrame(
        [
            {f"{first[0]} \\ {second[0]}": f"{first[0]} {side}"}
            | {f"{second[0]} {other}": value for other, value in zip(names, [*row, sum(row)], strict=True)}
            for side, row in zip(names, rows, strict=True)
        ]
    )


def paired_table(pairs: Mapping[str, tuple[Given, Given]], **how: Unpack[How]) -> pl.DataFrame:
    """Paired comparisons of two variants of one question, such as a junior and a senior head trader (`compare_pairs`).

    Args:
        pairs: by name, such as `{"junior → senior": (junior, senior)}`.
        how: labels and clustering.

    Example:
        >>> import numpy as np
        >>> from massjax.statistics.decision_tables import paired_table
        >>> luck = np.random.default_rng(0).random((10, 40))
        >>> table = paired_table({"junior → senior": (luck < 0.2, luck < 0.4)})
        >>> table.select("first only", "second only").rows()
        [(0, 62)]
    """
    return _frame([{"comparison": name} | _compared(compare_pairs(*both, **how)) for name, both in pairs.items()])


def as_markdown(table: pl.DataFrame) -> str:
    """A frame as a table in Markdown: two decimals, four for p-values, nothing where there is no number.

    Example:
        >>> import polars as pl
        >>> from massjax.statistics.decision_tables import as_markdown
        >>> print(as_markdown(pl.DataFrame({"organisation": ["desk"], "overweight, %": [11.812], "missing": [None]})))
        | organisation | overweight, % | missing |
        |---|---:|---:|
        | desk | 11.81 |  |
    """
    heads = ["| " + " | ".join(table.columns) + " |", "|" + "".join("---|" if kind == pl.String else "---:|" for kind in table.dtypes)]
    rows = ["| " + " | ".join(_cell(name, value) for name, value in row.items()) + " |" for row in table.iter_rows(named=True)]
    return "\n".join((*heads, *rows))


def _cell(column: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if column.startswith("p") else f"{value:.2f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _sides(row: dict[str, Any], found: Consistency) -> list[dict[str, Any]]:
    sides = [side for side in (found.overweight, found.underweight) if side.found.count]
    weighted = share_weighted([side.share for side in sides], [side.found.value for side in sides])
    return [
        row | _side("overall", found.overall, found) | {"share-weighted, %": 100 * weighted, "note": found.overall.excess.reason},
        *(
            row | _side(name, side, found) | {"share-weighted, %": None, "note": side.excess.reason}
            for name, side in (("overweight", found.overweight), ("underweight", found.underweight))
        ),
    ]


def _side(name: str, side: Agreement, found: Consistency) -> dict[str, Any]:
    return (
        {"side": name, "share, %": 100 * side.share}
        | _percent("consistency, %", "", side.found)
        | {"chance, %": 100 * side.chance}
        | _percent("excess, points", "excess ", side.excess)
        | {"decisions": side.found.count, "compared": found.compared, "missing": found.missing}
    )


def _compared(found: PairedComparison) -> dict[str, Any]:
    return (
        {"pairs": found.pairs, "both": found.both, "first only": found.first_only, "second only": found.second_only}
        | {"neither": found.neither, "first, %": 100 * found.first.value, "second, %": 100 * found.second.value}
        | _percent("difference, points", "difference ", found.difference)
        | {"odds ratio": found.odds_ratio.value, "odds low": found.odds_ratio.low, "odds high": found.odds_ratio.high}
        | {
            "p": found.p_value,
            "p, pairs independent": found.p_exact,
            "p, mid-p": found.p_mid,
            "missing": found.missing,
            "note": found.reason,
        }
    )


def _percent(name: str, prefix: str, found: Estimate) -> dict[str, float]:
    return {name: 100 * found.value, f"{prefix}low": 100 * found.low, f"{prefix}high": 100 * found.high}


def _frame(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame: NaN as null, and numbers of percent to three decimals."""
    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    frame = pl.DataFrame(plain, infer_schema_length=None)
    return frame.with_columns(pl.col(name).cast(pl.Float64) for name, kind in frame.schema.items() if kind == pl.Null)


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else value if name.startswith("p") else round(value, 3)
