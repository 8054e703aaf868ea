"""A daily series year by year: one year misleads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from jaxtyping import Float

from massjax.statistics.series import SeriesSummary, summarize


def by_year(daily: Float[np.ndarray, " T"], dates: Sequence[date], horizon: int) -> dict[int, SeriesSummary]:
    """Mean, ICIR, hit rate and standard error of a daily series in each calendar year.

    Each year is judged by its own days alone (`massjax.statistics.series.summarize`), so that the standard errors of years with more
    noise are larger. Forward returns at the end of a year reach into the next.

    Args:
        daily: one value per consecutive trading day, NaN = skipped.
        dates: the day of each value, in order.
        horizon: dates over which the forward return behind each value runs.

    Returns:
        Years in order, those included that hold no value (of NaN, with `dates` 0).

    Raises:
        ValueError: there are not as many dates as values.

    Example:
        >>> from datetime import date
        >>> import numpy as np
        >>> from massjax.statistics.by_year import by_year
        >>> days = [date(2022, 12, 29), date(2022, 12, 30), date(2023, 1, 3)]
        >>> {year: found.mean for year, found in by_year(np.array([0.25, 0.75, -0.5]), days, horizon=1).items()}
        {2022: 0.5, 2023: -0.5}
    """
    if len(dates) != daily.size:
        raise ValueError(f"{daily.size} values but {len(dates)} dates")
    years = np.array([day.year for day in dates])
    return {int(year): summarize(daily[years == year], horizon) for year in np.unique(years)}
