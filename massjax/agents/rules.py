"""Rule archetypes: scores that are a formula of features, without a language model.

They are the control that shows whether a language model adds anything to the numbers it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from massjax.agents.archetype import Archetype
from massjax.average_ranks import column_blocks, row_ranks
from massjax.errors import ConfigError, did_you_mean
from massjax.market.panel import Panel


def rule_scores(panel: Panel, archetypes: Sequence[Archetype]) -> Float32[np.ndarray, "K N T"]:
    """Scores of rule archetypes on every date of the panel.

    s[k, n, t] = sum_f |v_kf| u_f[n, t] / sum_f |v_kf|, over the features f that are known of stock n on date t, where v_kf is
    the weight that rule k gives to f, and u_f is the rank of the stock in f among the members, from 0 for the lowest to 1 for
    the highest, or from 1 to 0 where v_kf is negative. Ties share their average rank.

    Args:
        panel: the features and the members.
        archetypes: rule archetypes, in the order of the rows of the result.

    Returns:
        Scores in [0, 1], NaN off the universe and where no feature of the rule is known.

    Raises:
        ConfigError: an archetype has no rule, or its rule names a feature that the panel does not have.
    """
    scores = np.empty((len(panel.dates), len(archetypes), len(panel.stocks)), np.float32)
    for dates, part in rule_scores_by_date(panel, archetypes):
        scores[dates] = part
    return np.moveaxis(scores, 0, 2)


def rule_scores_by_date(panel: Panel, archetypes: Sequence[Archetype]) -> Iterator[tuple[slice, Float32[np.ndarray, "B K N"]]]:
    """The scores of `rule_scores` over a few successive dates at a time, so that nothing else of their size is held in memory.

    Returns:
        Positions of dates, and the scores of all archetypes on them; every date once, in order.

    Raises:
        ConfigError: an archetype has no rule, or its rule names a feature that the panel does not have.
    """
    rules = [_rule(archetype, panel) for archetype in archetypes]
    used = dict.fromkeys(name for rule in rules for name in rule)
    return ((dates, _scores_on(panel, rules, used, dates)) for dates in column_blocks(*panel.member.shape))


def rank_positions(values: Float[np.ndarray, "N T"], member: Bool[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """Average rank of each member's value on each date, from 0 (lowest) to 1 (highest); 0.5 for all if all are equal.

    Returns:
        NaN off the universe and where the value is unknown.

    Example:
        >>> import numpy as np
        >>> from massjax.agents.rules import rank_positions
        >>> rank_positions(np.array([[3.0], [7.0], [7.0], [np.nan]]), np.ones((4, 1), bool))[:, 0].tolist()
        [0.0, 0.75, 0.75, nan]
    """
    positions = np.empty(values.shape)
    for dates in column_blocks(*values.shape):
        positions[:, dates] = _positions(values[:, dates].T, member[:, dates].T).T
    return positions


def _positions(values: Float[np.ndarray, "B N"], member: Bool[np.ndarray, "B N"]) -> Float[np.ndarray, "B N"]:
    known = member & np.isfinite(values)
    others = known.sum(axis=1, keepdims=True) - 1
    ranks = row_ranks(np.where(known, values, np.nan))
    positions = np.divide(ranks - 1.0, others, out=np.full(values.shape, 0.5), where=others > 0)
    return np.where(known, positions, np.nan)


def _rule(archetype: Archetype, panel: Panel) -> Mapping[str, float]:
    if archetype.rule is None:
        raise ConfigError(f"archetype {archetype.name!r} has no rule; rule_scores takes rule archetypes only")
    for name in archetype.rule:
        if name not in panel.features:
            known = ", ".join(panel.features) or "none"
            hint = did_you_mean(name, panel.features)
            raise ConfigError(f"archetype {archetype.name!r}: its rule names an unknown feature {name!r}{hint}; the panel has {known}")
    return archetype.rule


class _Position(NamedTuple):
    """Where stocks stand in a feature, counted from the lowest and from the highest, 0 where unknown, and 1.0 where it is known."""

    up: Float[np.ndarray, "B N"]
    down: Float[np.ndarray, "B N"]
    known: Float[np.ndarray, "B N"]


def _scores_on(panel: Panel, rules: Sequence[Mapping[str, float]], used: Iterable[str], dates: slice) -> Float32[np.ndarray, "B K N"]:
    """In float64: rounding the result to float32 lets equal sums that were added up in another order be equal again."""
    member = panel.member[:, dates].T
    positions = {name: _position(panel.features[name].values[:, dates].T, member) for name in used}
    scores = np.empty((member.shape[0], len(rules), member.shape[1]), np.float32)
    total, weight, term = np.empty((3, *member.shape))
    for k, rule in enumerate(rules):
        total[:], weight[:] = 0.0, 0.0
        for name, signed in rule.items():
            position = positions[name]
            total += np.multiply(position.up if signed > 0 else position.down, abs(signed), out=term)
            weight += np.multiply(position.known, abs(signed), out=term)
        term.fill(np.nan)
        scores[:, k] = np.divide(total, weight, out=term, where=weight > 0)
    return scores


def _position(values: Float[np.ndarray, "B N"], member: Bool[np.ndarray, "B N"]) -> _Position:
    up = _positions(values, member)
    known = np.isfinite(up)
    return _Position(np.where(known, up, 0.0), np.where(known, 1.0 - up, 0.0), known.astype(float))
