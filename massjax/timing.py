"""When a search may look and when what it finds applies: where look-back, gap, delay, horizon and execution lag are added up.

For a search on date t with `lookback` 5, `gap` 4 and `delay` 1 (MASS, arXiv 2505.10278: five-day returns, filled at the close):

```
date       t-9  t-8  t-7  t-6  t-5  t-4 ... t-1    t      t+1
           [------ look-back -----]  [-- gap -]    search  weights apply
```

The five-day return of date t-5 runs until the close of t: it is the last one that is known when the search is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Int, Shaped
from pydantic import BeforeValidator, Field

from massjax.errors import ConfigError, LeakageError
from massjax.lookalikes import check_flag, check_whole

Lookback: TypeAlias = int | Literal["auto"]
"""Dates of a look-back window, or `auto`: all dates whose returns are known."""


def _whole_or_auto(value: Any) -> Any:
    """A look-back as a setting gives it; one message where it is neither."""
    if value == "auto" or value is None or (isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError("expected an integer of at least 1, or auto for all dates that are known")


LookbackSetting = Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_whole_or_auto)]
"""A look-back as a field of settings."""

FEWEST_DATES, FEWEST_HORIZONS = 30, 12
"""Dates, and times the horizon in dates, below which overlapping returns tell nothing; see `telling_dates`."""


_DELAY_ADVICE = (
    "Set delay >= 1, or an execution lag of 1, or leakage_ablation: true to see what cheating would give, as MASS's leakage ablation does"
)


def telling_dates(horizon: int) -> int:
    """The fewest dates from which a t-statistic may be called beyond chance.

    Two things are asked for. Thirty dates, from which the mean of independent values is usually taken as normal, as |t| ≥ 2 takes
    it. And a dozen stretches of the horizon that do not overlap: under those the standard error of overlapping returns is so
    uncertain that no skill at all passes for |t| ≥ 2 more than twice as often as the 5 % it should (measured with `standard_error`
    on no-skill series, horizons of 1 to 20: 12 to 16 % with six stretches, 10 % with twelve, 7 % with twenty).

    Args:
        horizon: rows over which the forward return behind each value runs.

    Example:
        >>> telling_dates(1), telling_dates(5), telling_dates(20)
        (30, 60, 240)
    """
    return max(FEWEST_DATES, FEWEST_HORIZONS * horizon)


@dataclass(frozen=True)
class Timing:
    """Look-back, gap, delay, horizon and execution lag of a walk through time, all in rows of the panel (trading days of daily data).

    A search on date t uses the dates `[t - gap - lookback, t - gap)` and nothing later; its weights apply from t + `delay` on. A return
    of date u is known at the close of u + execution_lag + horizon, so every return of the look-back is known at t if
    `gap >= horizon + execution_lag - 1`. And what is known only at the close of t cannot be traded on at that close: with an execution lag
    of 0 a `delay` of 0 leaks too. MASS's code has it as its leakage ablation (`data_leakage`). Both are refused but for
    `leakage_ablation`.

    Attributes:
        lookback: dates of the window, or `auto` for all dates that are known; the first search then has `telling_dates(horizon)` of them.
        gap: dates between the last of the window and the date of the search; None takes the smallest that does not leak.
        delay: dates from a search to the first date on which its weights apply.
        horizon: dates over which the forward returns run; None where it is not told, and then no leak is looked for.
        execution_lag: dates from a decision to its fill; 0 = at the close of the date of the decision.
        leakage_ablation: let a gap or a delay pass that sees the future; `leaks` says whether one does.

    Raises:
        LeakageError: a gap or a delay that sees the future.
        ConfigError: a number out of range, or neither a gap nor a horizon.

    Example:
        >>> import massjax as mj
        >>> timing = mj.Timing(lookback=60, horizon=5, execution_lag=1)
        >>> timing.gap, timing.delay, timing.first_search, timing.first_applied, timing.window(80)
        (5, 1, 65, 66, slice(15, 75, None))
        >>> mj.Timing(lookback=60, horizon=5, execution_lag=1, gap=4)
        Traceback (most recent call last):
        massjax.errors.LeakageError: gap=4 sees the future: a search would use the 5-date forward return of the last date of its ...
    """

    lookback: Lookback = "auto"
    gap: int | None = None
    delay: int = 1
    horizon: int | None = None
    execution_lag: int = 1
    leakage_ablation: bool = False

    def __post_init__(self) -> None:
        if self.lookback != "auto":
            _check_lookback(self.lookback)
        check_whole("delay", self.delay, 0)
        check_whole("execution_lag", self.execution_lag, 0)
        check_flag("leakage_ablation", self.leakage_ablation)
        if self.horizon is not None:
            check_whole("horizon", self.horizon, 1)
        if self.gap is None:
            if self.horizon is None:
                raise ConfigError("gap and horizon are both not given; give the dates that a forward return runs over, or the gap itself")
            object.__setattr__(self, "gap", self.smallest_gap)
        check_whole("gap", self.gap, 0)
        if self.gap_leaks and not self.leakage_ablation:
            raise LeakageError(
                f"gap={self.gap} sees the future: a search would use the {self.horizon}-date forward return of the last date of its "
                f"look-back, {self._kept} dates before it, which is known only {self.smallest_gap - self._kept} dates after the search. "
                f"{self._advice}"
            )
        if self.applied_too_soon and not self.leakage_ablation:
            raise LeakageError(
                "delay=0 sees the future: with an execution lag of 0 the weights found on a date would be traded on at its close, at which "
                f"the last return of their look-back is only just known. {_DELAY_ADVICE}"
            )

    @property
    def smallest_gap(self) -> int:
        """The smallest gap with which every return of the look-back is known at the close of the date of the search.

        The last look-back date is t − gap − 1; a decision on it is filled `execution_lag` days later and its return is known `horizon`
        days after that, so t − gap − 1 + execution_lag + horizon ≤ t.
        """
        return 0 if self.horizon is None else max(0, self.horizon + self.execution_lag - 1)

    @property
    def leaks(self) -> bool:
        """Whether a search sees returns that are not yet known on its date, or its weights apply before they could be traded on."""
        return self.gap_leaks or self.applied_too_soon

    @property
    def gap_leaks(self) -> bool:
        """Whether a search sees returns that are not yet known on its date."""
        return self._kept < self.smallest_gap

    @property
    def applied_too_soon(self) -> bool:
        """Whether weights are traded on at the very close that makes the last return behind them known: MASS's leakage ablation."""
        return self.horizon is not None and self.delay + self.execution_lag == 0

    @property
    def least(self) -> int:
        """Dates in the window of the first search: the look-back, or with `auto` the fewest from which anything can be told."""
        return telling_dates(self.horizon or 1) if self.lookback == "auto" else self.lookback

    @property
    def first_search(self) -> int:
        """Index of the first date with a full look-back behind it."""
        return self.least + self._kept

    @property
    def first_applied(self) -> int:
        """Index of the first date on which weights apply that a search has found."""
        return self.first_search + self.delay

    def window(self, date: int) -> slice:
        """The dates that a search on the date of that index may use."""
        end = max(date - self._kept, 0)
        return slice(0 if self.lookback == "auto" else max(end - self.lookback, 0), end)

    def windows_of_applied(self, dates: int) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"], Bool[np.ndarray, " T"]]:
        """Start and end (exclusive) of the window that found the weights applied on each date, and whether there is one."""
        end = np.maximum(np.arange(dates) - self.delay - self._kept, 0)
        start = np.zeros_like(end) if self.lookback == "auto" else np.maximum(end - self.lookback, 0)
        return start, end, np.arange(dates) >= self.first_applied

    def check_fits(self, dates: Shaped[np.ndarray, " T"] | Sequence[object]) -> None:
        """Refuse too few dates, and name the date whose return would be seen too early.

        Args:
            dates: labels of the dates, for messages.

        Raises:
            ConfigError: there is no date for a search, or none on which its weights would apply.
        """
        told = f"there are {len(dates)} dates ({dates[0] if len(dates) else 'none'} to {dates[-1] if len(dates) else 'none'})"
        if self.first_search >= len(dates):
            raise ConfigError(
                f"lookback={self.lookback} and gap={self.gap} need {self.first_search} dates before the first search; {told}. "
                "Give more dates or a shorter look-back"
            )
        if self.first_applied >= len(dates):
            raise ConfigError(
                f"delay={self.delay}: the weights of the first search, on {dates[self.first_search]}, would apply only after the last of "
                f"the {len(dates)} dates ({dates[-1]}); take a delay of {len(dates) - self.first_search - 1} at most, or give more dates"
            )

    def without_leak(self, dates: Shaped[np.ndarray, " T"] | Sequence[object]) -> Timing:
        """This timing, if it does not see the future; else an error that names the first date that leaks.

        Args:
            dates: labels of the dates.

        Raises:
            LeakageError: naming the date of the search, the date whose return it would use, and when that is known.
        """
        if self.gap_leaks:
            search = min(self.first_search, len(dates) - 1)
            used, known = search - self._kept - 1, search - self._kept - 1 + (self.horizon or 0) + self.execution_lag
            known_on = f"the close of {dates[known]}" if known < len(dates) else "a date after the last one"
            raise LeakageError(
                f"gap={self.gap} sees the future: the search on {dates[search]} would use the {self.horizon}-date forward return of "
                f"{dates[used]}, which is known only at {known_on}. {self._advice}"
            )
        if self.applied_too_soon:
            first = dates[min(self.first_applied, len(dates) - 1)]
            raise LeakageError(
                f"delay=0 sees the future: weights found on {first} would be traded on at its close (execution lag 0), at which the last "
                f"return of their look-back is only just known. {_DELAY_ADVICE}"
            )
        return self

    @property
    def _kept(self) -> int:
        return self.gap or 0

    @property
    def _advice(self) -> str:
        return (
            f"Set gap >= {self.smallest_gap} (horizon {self.horizon} + execution lag {self.execution_lag} - 1), "
            "or leakage_ablation: true to see what cheating would give"
        )


def _check_lookback(lookback: object) -> None:
    if isinstance(lookback, str):
        raise ConfigError(f"lookback={lookback!r}: expected a whole number >= 1, or 'auto' for all dates that are known")
    check_whole("lookback", lookback, 1)
