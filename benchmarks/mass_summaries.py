"""Daily series under several seeds in numbers: means, Newey-West intervals, spread over seeds, year by year. Arrays in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Shaped
from mass_runs import Series

from massjax.statistics.intervals import newey_west
from massjax.statistics.series import summarize

ALL = "all"
"""The period of all evaluated dates."""
Row = dict[str, str | int | float | None]
READING = (
    "RankIC and IC in %, ratios (mean over standard deviation of the days, not annualised) in %. NW: half of the 95 % interval by Newey "
    "and West of the mean over seeds of each date; seeds: standard deviation over seeds, of finite agents and search together. Of a "
    "circular-shift null RankIC is the mean over the shifts and NW half of the range that holds 95 % of them. p: share of the shifts that "
    "do as well out of sample, the whole procedure repeated in each, of the first seed and over all of its dates. LightGBM and the rules "
    "beside it learn from all that is known, and are judged from the first date on which that is enough to tell anything. A less B is the "
    "difference of each date, with the same bands."
)


def periods(dates: Shaped[np.ndarray, " T"]) -> dict[str, Bool[np.ndarray, " T"]]:
    """All dates, and those of each calendar year.

    Example:
        >>> {name: int(mask.sum()) for name, mask in periods(np.array(["2022-12-30", "2023-01-03"], "datetime64[D]")).items()}
        {'all': 2, '2022': 1, '2023': 1}
    """
    years = dates.astype("datetime64[Y]").astype(str)
    return {ALL: np.ones(dates.size, bool), **{str(year): years == year for year in np.unique(years)}}


def over_seeds(daily: Float[np.ndarray, "S T"]) -> Float[np.ndarray, " T"]:
    """Mean over the seeds of each date; NaN where none has a value."""
    known = np.isfinite(daily)
    return np.where(known.any(axis=0), np.where(known, daily, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation (ddof 1) over seeds; None for fewer than two with a value."""
    known = np.array([value for value in values if np.isfinite(value)])
    return float(known.std(ddof=1)) if known.size > 1 else None


def percent(value: float | None) -> float | None:
    """In percent; None where it is not a number."""
    return None if value is None or not np.isfinite(value) else 100.0 * float(value)


def measured(daily: Float[np.ndarray, "S T"], horizon: int, name: str, ratio: str | None = None) -> Row:
    """Mean and ratio of a daily series under several seeds.

    Args:
        daily: consecutive dates; NaN is skipped.
        horizon: dates over which the forward returns behind each value run.
        name: of the mean, as a heading.
        ratio: of mean / standard deviation over the dates; None leaves it out.

    Returns:
        In percent: the mean, `NW` and `seeds` of it, the ratio and `seeds` of it; None where there are too few values.
    """
    each = [summarize(row, horizon) for row in daily]
    means, ratios = [one.mean for one in each], [one.ratio for one in each]
    interval = newey_west(over_seeds(daily), horizon)
    row: Row = {
        name: percent(_mean(means)),
        f"{name} NW": percent(interval.high - interval.mean),
        f"{name} seeds": percent(spread(means)),
    }
    return row if ratio is None else {**row, ratio: percent(_mean(ratios)), f"{ratio} seeds": percent(spread(ratios))}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


def performance_rows(series: Iterable[Series], dates: Shaped[np.ndarray, " T"]) -> list[Row]:
    """RankIC, IC and their ratios of every signal at every horizon, over all dates and by year, with the nulls of those repeated."""
    rows: list[Row] = []
    for one in series:
        for horizon, rank_ic in one.rank_ic.items():
            for period, mask in periods(dates).items():
                here = one.evaluated & mask
                if not np.isfinite(rank_ic[:, here]).any():
                    continue
                fitted = one.ranks and horizon == one.horizon and period == ALL
                rows.append(
                    {
                        **{"strategy": one.strategy, "signal": one.signal, "horizon": horizon, "period": period},
                        **{"seeds": len(rank_ic), "dates": int(np.isfinite(over_seeds(rank_ic[:, here])).sum())},
                        **measured(rank_ic[:, here], horizon, "RankIC", "RankICIR"),
                        **measured(one.ic[horizon][:, here], horizon, "IC", "ICIR"),
                        "p": one.p_value if fitted and np.isfinite(one.p_value) else None,
                    }
                )
                if fitted and one.kind == "search" and one.null.size:
                    rows.append({**rows[-1], **null_row(one)})
    return rows


def null_row(one: Series) -> Row:
    """The null of a strategy, in the place of its figures."""
    low, high = np.nanquantile(one.null, [0.025, 0.975])
    empty = dict.fromkeys(("RankIC seeds", "RankICIR", "RankICIR seeds", "IC", "IC NW", "IC seeds", "ICIR", "ICIR seeds", "p"))
    return {
        **empty,
        **{"strategy": f"Circular-shift null: {one.strategy}", "seeds": 1},
        **{"RankIC": percent(float(np.nanmean(one.null))), "RankIC NW": percent((high - low) / 2)},
    }


def control_rows(series: Iterable[Series], dates: Shaped[np.ndarray, " T"], common: Bool[np.ndarray, " T"]) -> list[Row]:
    """RankIC at the fitted horizon of what every table shows beside its subject: over the common dates, and in their last year.

    Args:
        series: the ranking signal of each control.
        dates: labels.
        common: the dates that all rows of the table are judged on.
    """
    rows: list[Row] = []
    for one in series:
        rows.append(
            {"setting": one.strategy, **period_figures(one.rank_ic[one.horizon], one.horizon, dates, common), "p": known(one.p_value)}
        )
        if one.kind == "search" and one.null.size:
            low, high = np.nanquantile(one.null, [0.025, 0.975])
            null = {"RankIC": percent(float(np.nanmean(one.null))), "RankIC NW": percent((high - low) / 2)}
            rows.append({"setting": f"Circular-shift null: {one.strategy}", "seeds": 1, **null})
    return rows


def period_figures(daily: Float[np.ndarray, "S T"], horizon: int, dates: Shaped[np.ndarray, " T"], common: Bool[np.ndarray, " T"]) -> Row:
    """RankIC over the common dates and in the last of their years."""
    last = str(dates[common][-1].astype("datetime64[Y]"))
    in_year = common & periods(dates)[last]
    return {
        "seeds": len(daily),
        "dates": int(np.isfinite(over_seeds(daily[:, common])).sum()),
        **measured(daily[:, common], horizon, "RankIC"),
        **measured(daily[:, in_year], horizon, f"RankIC {last}"),
    }


def known(value: float) -> float | None:
    """None in the place of NaN."""
    return float(value) if np.isfinite(value) else None


def by_period(rows: pl.DataFrame, horizon: int, name: str) -> pl.DataFrame:
    """One figure at one horizon as a table to read: a row a strategy and signal, a column a period.

    Args:
        rows: of `performance_rows`.
        horizon: whose rows are shown.
        name: `RankIC`, `IC`, `RankICIR` or `ICIR`.
    """
    here = rows.filter(pl.col("horizon") == horizon)
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in here.iter_rows(named=True):
        found.setdefault((row["strategy"], row["signal"]), {})[row["period"]] = figure(row, name)
    columns = sorted({period for cells in found.values() for period in cells}, key=lambda period: (period != ALL, period))
    dates = {(row["strategy"], row["signal"]): row["dates"] for row in here.filter(pl.col("period") == ALL).iter_rows(named=True)}
    rows_shown = [
        {"strategy": strategy, "signal": signal, "dates": dates.get((strategy, signal)), **{c: cells.get(c, "") for c in columns}}
        for (strategy, signal), cells in found.items()
    ]
    return pl.DataFrame(rows_shown, infer_schema_length=None)


def figure(row: Mapping[str, float | None], name: str) -> str:
    """A mean with its bands as text, `5.31 ± 2.10 ± 0.42`: by Newey and West, and over seeds; what is unknown is left out."""
    value = row.get(name)
    if value is None:
        return ""
    bands = [row.get(f"{name} NW"), row.get(f"{name} seeds")]
    return f"{value:.2f}" + "".join(f" ± {band:.2f}" for band in bands if band is not None)
