"""How often an interval for the mean of a daily series holds the true mean, and how wide it is.

    python benchmarks/interval_coverage.py --out benchmarks/results      # some minutes

Series of mean 0: independent days; sums over 5 and over 20 days, as overlapping forward returns make them; and an autocorrelation of 0.8
from day to day, more than overlap explains. Nominal level 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from arch.covariance.kernel import Bartlett
from jaxtyping import Float
from scipy.signal import lfilter
from scipy.stats import norm
from timing import print_table, write

from massjax.statistics.intervals import Interval, newey_west, resampled_dates, stationary_bootstrap
from massjax.statistics.series import standard_error

Bounds = tuple[float, float]
Series = Float[np.ndarray, " T"]
NORMAL = float(norm.ppf(0.975))


def overlapping(horizon: int, rng: np.random.Generator, dates: int) -> Series:
    return np.convolve(rng.normal(size=dates + horizon - 1), np.ones(horizon), "valid")


def autoregressive(coefficient: float, rng: np.random.Generator, dates: int) -> Series:
    return np.asarray(lfilter([1.0], [1.0, -coefficient], rng.normal(size=dates + 200)))[200:]


SERIES: Mapping[str, tuple[Callable[[np.random.Generator, int], Series], int]] = {
    "independent": (partial(overlapping, 1), 1),
    "5-day overlap": (partial(overlapping, 5), 5),
    "20-day overlap": (partial(overlapping, 20), 20),
    "5-day, autocorrelation 0.8": (partial(autoregressive, 0.8), 5),
}
"""How each series is made, and the horizon that its user would give."""


def bounds(interval: Interval) -> Bounds:
    return interval.low, interval.high


def plain_newey_west(daily: Series, lags: int) -> Bounds:
    """Newey and West's error with the normal quantile, as it is mostly used."""
    reach = NORMAL * np.sqrt(Bartlett(daily, bandwidth=lags, df_adjust=0).cov.long_run.item() / daily.size)
    return daily.mean() - reach, daily.mean() + reach


def automatic_newey_west(daily: Series, horizon: int) -> Bounds:
    """The same with the automatic lags of Newey and West (1994)."""
    return plain_newey_west(daily, int(Bartlett(daily).opt_bandwidth))


def plain_t(daily: Series, horizon: int) -> Bounds:
    """The error behind massjax's t-statistics, with the normal quantile."""
    reach = NORMAL * standard_error(daily, horizon)
    return daily.mean() - reach, daily.mean() + reach


def quantiles(daily: Series, horizon: int) -> Bounds:
    """Quantiles of the means that the stationary bootstrap draws, not studentised."""
    block = stationary_bootstrap(daily, horizon, draws=2).memory
    low, high = np.quantile(daily[resampled_dates(daily.size, block)].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


METHODS: Mapping[str, Callable[[Series, int], Bounds]] = {
    "newey_west": lambda daily, horizon: bounds(newey_west(daily, horizon)),
    "stationary_bootstrap": lambda daily, horizon: bounds(stationary_bootstrap(daily, horizon)),
    "Newey-West, h − 1 lags, normal": lambda daily, horizon: plain_newey_west(daily, horizon - 1),
    "Newey-West, automatic lags, normal": automatic_newey_west,
    "standard_error, normal": plain_t,
    "bootstrap quantiles": quantiles,
}

RESAMPLING = ("stationary_bootstrap", "bootstrap quantiles")
"""Methods that take a hundred times as long, and are tried on a tenth of the series."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--series", type=int, default=2000, help="series of each kind and length; the bootstrap takes a tenth (default: %(default)s)"
    )
    parser.add_argument("--dates", type=int, nargs="+", default=[60, 120, 250, 1200], help="lengths (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables, parquet and Markdown (default: none)")
    options = parser.parse_args()
    rows = []
    for name, (make, horizon) in SERIES.items():
        for dates in options.dates:
            rng = np.random.default_rng([horizon, dates])
            made = [make(rng, dates) for _ in range(options.series)]
            for method, interval in METHODS.items():
                tried = made[: options.series // 10] if method in RESAMPLING else made
                low, high = np.array([interval(daily, horizon) for daily in tried]).T
                held, width = 100 * ((low <= 0) & (high >= 0)).mean(), (high - low).mean()
                rows.append(
                    {"series": name, "dates": dates, "interval": method, "tried": len(tried), "holds the mean, %": held, "width": width}
                )
    title = f"How often intervals of 95 % hold the mean: {options.series} series"
    print_table(title, pl.DataFrame(rows))
    few, many = (100 * np.sqrt(0.95 * 0.05 / tried) for tried in (options.series // 10, options.series))
    note = f"A share of 95 % has a standard error of {many:.1f} points, of the bootstrap's {few:.1f}."
    write(options.out, "interval_coverage", title, pl.DataFrame(rows), [note])


if __name__ == "__main__":
    main()
