"""Search again on every date with what is known on that date, apply what was found afterwards, and say how it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from massjax.engine.inputs import (
    MISSING,
    Missing,
    OwnSignal,
    SignalName,
    check_alpha,
    check_choice,
    check_inputs,
    check_key,
    in_float32,
)
from massjax.engine.own_signal import check_signal
from massjax.errors import ConfigError, DataError
from massjax.evaluate.found import find_weights, on_host
from massjax.evaluate.judge import judge_weights
from massjax.evaluate.learned_alpha import LEARNED, applied, learned_alphas
from massjax.evaluate.named_signals import signal_name
from massjax.labels import check_labels
from massjax.lookalikes import check_flag
from massjax.search.base import Method, check_method
from massjax.timing import Lookback, Timing


class WalkForward(NamedTuple):
    """Weights and signals as they applied on each date, and how the signals did: T dates, N stocks, K archetypes, P chains of a search.

    `massjax.walk_forward` makes it. Row t of everything belongs to the date of the decision; correlations are in [-1, 1].

    Attributes:
        weights: agent distribution applied on each date, found `delay` dates before; equal where there was too little history, or
            no rank correlation in the window.
        mean, disagreement, combined: the signals of those weights in the unit of the scores, higher is better: the weighted mean, minus
            the weighted standard deviation, and alpha times the one plus 1 - alpha times the other.
        fitness: exact in-sample fitness of those weights on their look-back window, a mean RankIC whatever the search maximises; NaN
            where they are equal for want of one.
        rank_ic: Spearman's correlation of the signal with the forward return of the date; NaN where undefined or unknown.
        ic: Pearson's correlation of the signal with the forward return of the date; NaN where undefined or unknown.
        chain_fitness: in-sample fitness of the best of each chain, aligned with `fitness`: what a test of overfitting needs. An
            estimator has no chains: P = 0.
        searched: True where the weights come from a search.
        own: values of a signal of one's own; None where a signal of massjax ranks the stocks.
        learned_alpha: the share that applied on each date with `alpha="learned"`, else None.
        leaks: True where `leakage_ablation` let the search see returns that were not yet known, or its weights apply too soon.

    Example:
        Thirty dates on which the first of two archetypes knows the returns. The first search needs 10 dates and a gap of 5, and its
        weights apply a date later; until then weights are equal:

        >>> import jax, numpy as np, massjax as mj
        >>> returns = np.random.default_rng(0).normal(0, 0.02, size=(6, 30))
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> walk = mj.walk_forward(
        ...     np.stack([ranks, 1 - ranks**2]), np.ones((6, 30), bool), returns, mj.DifferentialEvolution(chains=8, steps=5),
        ...     lookback=10, gap=5, signal="mean", key=jax.random.key(0),
        ... )
        >>> walk
        WalkForward(2 archetypes × 30 dates, 14 searched, mean RankIC 1.0000 on 14)
        >>> int(walk.searched.argmax()), walk.weights[0].tolist(), bool(walk.weights[-1, 0] > 0.5)
        (16, [0.5, 0.5], True)
        >>> walk.weights.shape, walk.mean.shape, walk.chain_fitness.shape
        ((30, 2), (6, 30), (30, 8))
    """

    weights: Float[np.ndarray, "T K"]
    mean: Float[np.ndarray, "N T"]
    disagreement: Float[np.ndarray, "N T"]
    combined: Float[np.ndarray, "N T"]
    fitness: Float[np.ndarray, " T"]
    rank_ic: Float[np.ndarray, " T"]
    ic: Float[np.ndarray, " T"]
    chain_fitness: Float[np.ndarray, "T P"]
    searched: Bool[np.ndarray, " T"]
    leaks: bool
    own: Float[np.ndarray, "N T"] | None = None
    learned_alpha: Float[np.ndarray, " T"] | None = None

    def __repr__(self) -> str:
        (dates, archetypes), known = self.weights.shape, self.rank_ic[self.searched & np.isfinite(self.rank_ic)]
        found = f", mean RankIC {known.mean():.4f} on {known.size}" if known.size else ""
        leaks = ", leaks" if self.leaks else ""
        return f"WalkForward({archetypes} archetypes × {dates} dates, {int(self.searched.sum())} searched{found}{leaks})"


@in_float32
def walk_forward(
    scores: Float[ArrayLike, "K N T"],
    member: Bool[ArrayLike, "N T"],
    forward_returns: Float[ArrayLike, "N T"],
    settings: Method,
    timing: Timing | None = None,
    *,
    lookback: Lookback | None = None,
    gap: int | None = None,
    delay: int = 1,
    key: Key[Array, ""],
    alpha: float | Literal["learned"] = 0.5,
    signal: SignalName | Callable[..., Any] = "combined",
    fit_signal: SignalName | Callable[..., Any] | None = None,
    missing: Missing = "renormalize",
    warm_start: bool = False,
    horizon: int | None = None,
    execution_lag: int | None = None,
    leakage_ablation: bool = False,
    dates: Sequence[object] | np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Search on each date over a window of the past and apply the weights from `delay` dates on.

    The search on date t uses the dates `[t - gap - lookback, t - gap)` and nothing later, and its weights apply on t + `delay` (MASS,
    arXiv 2505.10278: `lookback=5, gap=4, delay=1` for five-day returns filled at the close). With `lookback=5, gap=4, delay=1`:

    ```
    date       t-9  t-8  t-7  t-6  t-5  t-4 ... t-1    t      t+1
               [------ look-back -----]  [-- gap -]    search  weights apply
    ```

    The forward returns of the look-back are all known at the close of t if `gap >= horizon + execution_lag - 1`; pass `horizon` to have
    that checked. Everything is computed in float32.

    Args:
        scores: [archetypes K, stocks N, dates T]; NaN where an archetype has none.
        member: True where the stock is in the universe.
        forward_returns: return from the first price one can trade at after each date; NaN where unknown.
        settings: the search of each date, for example `Annealing(chains=1024, steps=200)`.
        timing: look-back, gap, delay, horizon and execution lag at once, in place of those below.
        lookback: dates in the look-back window, or `auto` for all that are known; a look-back of the settings themselves goes before it,
            and before that of `timing`.
        gap: dates between the last of the window and the date of the search.
        delay: dates from a search to the first date its weights apply on; 0 with a fill at the close of the same date is MASS's leakage
            ablation.
        key: a `jax.random.key`; each date draws from its own.
        alpha: share of the mean in the combined signal, in [0, 1]; or `learned`: on each date the one of 0, 0.1, ..., 1 with which equal
            weights had the best mean RankIC over the look-back.
        signal: which of `combined`, `mean` and `disagreement` ranks the stocks, or a function of your own (docs/own_search.md).
        fit_signal: which of them the search maximises; None = the one that ranks the stocks.
        missing: `renormalize` leaves missing scores out; `zero` takes them as 0.
        warm_start: start the first chain of each search from the weights last found before; the others start equal.
        horizon: dates over which the forward returns run.
        execution_lag: dates from a decision to its fill, 0 = at the close of the date of the decision (the default); needs `horizon`.
        leakage_ablation: let a gap pass that is too short for `horizon`, or a delay of 0 without an execution lag; the result is marked
            with `leaks`.
        dates: labels of the T dates, for messages.
        progress: called as `progress(done, total)` with numbers of dates.

    Returns:
        A `WalkForward` of numpy arrays.

    Raises:
        LeakageError: a gap too short for the horizon, or a delay of 0 without an execution lag; the message names a date that would leak.
        ConfigError: a negative gap or delay, a look-back below 1, dates too few for them, an execution lag without a horizon, or an
            unknown name.
        DataError: arrays that do not fit together, or infinite values.

    Example:
        Five-day returns of a purchase on the day after the decision: a gap of 5 dates is needed, and 4 would see the future.

        >>> import jax, numpy as np, massjax as mj
        >>> dates = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")
        >>> returns, member = np.random.default_rng(0).normal(0, 0.02, size=(6, 30)), np.ones((6, 30), bool)
        >>> ranks = returns.argsort(axis=0).argsort(axis=0) / 5
        >>> scores, settings = np.stack([ranks, 1 - ranks**2]), mj.DifferentialEvolution(chains=8, steps=5)
        >>> timing = {"lookback": 10, "horizon": 5, "execution_lag": 1, "dates": dates, "signal": "mean", "key": jax.random.key(0)}
        >>> walk = mj.walk_forward(scores, member, returns, settings, gap=5, **timing)
        >>> print(dates[walk.searched][0], walk.rank_ic[walk.searched][0].round(3))
        2024-01-17 1.0
        >>> mj.walk_forward(scores, member, returns, settings, gap=4, **timing)
        Traceback (most recent call last):
        massjax.errors.LeakageError: gap=4 sees the future: the search on 2024-01-15 would use the 5-date forward return of 2024-01-10, ...
    """
    check_choice("missing", missing, MISSING)
    if isinstance(alpha, str):
        check_choice("alpha", alpha, (LEARNED,))
    check_labels(dates=dates, scores=scores, member=member, forward_returns=forward_returns)
    inputs = check_inputs(scores, member, forward_returns)
    signal = check_signal("signal", signal, inputs[0].shape[0])
    fit_signal = signal if fit_signal is None else check_signal("fit_signal", fit_signal, inputs[0].shape[0])
    labels = np.arange(inputs[0].shape[2]) if dates is None else np.asarray(dates)
    if len(labels) != inputs[0].shape[2]:
        raise DataError(f"dates hold {len(labels)} labels, the scores {inputs[0].shape[2]} dates; expected one label a date")
    check_method(settings)
    key, warm_start = check_key(key), check_flag("warm_start", warm_start)
    if timing is None:
        own = lookback if settings.lookback is None else settings.lookback
        timing = _timing(own, gap, delay, horizon, execution_lag, check_flag("leakage_ablation", leakage_ablation), labels)
    elif (lookback, gap, horizon, execution_lag) != (None, None, None, None) or leakage_ablation or delay not in (1, timing.delay):
        raise ConfigError(
            "timing is given, and so is lookback, gap, delay, horizon, execution_lag or leakage_ablation; give the timing alone"
        )
    elif settings.lookback is not None:
        timing = replace(timing, lookback=settings.lookback)
    timing.check_fits(labels)
    known_scores, members, returns = on_host(inputs)
    share: Any = learned_alphas(known_scores, members, returns, timing, missing) if isinstance(alpha, str) else check_alpha(alpha)
    found = find_weights(
        (known_scores, members, returns),
        settings,
        timing,
        key=key,
        alpha=share,
        signal=fit_signal,
        missing=missing,
        warm_start=warm_start,
        progress=progress,
    )
    in_use = applied(share, timing) if share.ndim else float(share)
    own_signal = signal if isinstance(signal, OwnSignal) else None
    judged = judge_weights(known_scores, members, {1: returns}, found.weights, alpha=in_use, missing=missing, own=own_signal)
    return WalkForward(
        weights=found.weights,
        mean=judged.signals["mean"],
        disagreement=judged.signals["disagreement"],
        combined=judged.signals["combined"],
        fitness=found.fitness,
        rank_ic=judged.rank_ic[signal_name(signal)][1].astype(np.float32),
        ic=judged.ic[signal_name(signal)][1].astype(np.float32),
        chain_fitness=found.chain_fitness,
        searched=found.searched,
        leaks=timing.leaks,
        learned_alpha=in_use if isinstance(in_use, np.ndarray) else None,
        own=None if own_signal is None else judged.signals[own_signal.name],
    )


def _timing(
    lookback: Lookback | None,
    gap: int | None,
    delay: int,
    horizon: int | None,
    execution_lag: int | None,
    leakage_ablation: bool,
    labels: np.ndarray,
) -> Timing:
    """The timing of single arguments, of which an execution lag is 0 unless it is given."""
    if lookback is None or (gap is None and horizon is None):
        raise ConfigError(
            "lookback and gap are not given; give both, as lookback=60, gap=5, or a timing such as massjax.Timing(lookback=60, horizon=5)"
        )
    if horizon is None and execution_lag is not None:
        raise ConfigError(f"execution_lag={execution_lag} without a horizon checks nothing; give horizon, the dates a return runs over")
    lag = 0 if execution_lag is None else execution_lag
    allowed = Timing(lookback=lookback, gap=gap, delay=delay, horizon=horizon, execution_lag=lag, leakage_ablation=True)
    allowed.check_fits(labels)
    return replace(allowed if leakage_ablation else allowed.without_leak(labels), leakage_ablation=leakage_ablation)
