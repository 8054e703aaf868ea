"""Rule archetypes: scores that are a formula of features, without a language model.

They are the control that shows whether a language model adds anything to the numbers it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32

from massjax.agents.archetype import Archetype
from massjax.average_ranks import average_ranks
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
    rules = [_rule(archetype, panel) for archetype in archetypes]
    used = dict.fromkeys(name for rule in rules for name in rule)
    positions = {name: rank_positions(panel.features[name].values, panel.member) for name in used}
    scores = np.full((len(rules), *panel.member.shape), np.nan, dtype=np.float32)
    for k, rule in enumerate(rules):
        scores[k] = _weighted_mean(rule, positions)
    return scores


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
    known = member & np.isfinite(values)
    ranks = average_ranks(np.where(known, values, np.nan))
    others = known.sum(axis=0) - 1
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


def _weighted_mean(rule: Mapping[str, float], positions: Mapping[str, Float[np.ndarray, "N T"]]) -> Float[np.ndarray, "N T"]:
    """In float64: rounding the result to float32 lets equal sums that were added up in another order be equal again."""
    shape = next(iter(positions.values())).shape
    total, weight = np.zeros(shape), np.zeros(shape)
    for name, signed in rule.items():
        position = positions[name] if signed > 0 else 1.0 - positions[name]
        known = np.isfinite(position)
        total += np.where(known, abs(signed) * position, 0.0)
        weight += np.where(known, abs(signed), 0.0)
    return np.divide(total, weight, out=np.full(shape, np.nan), where=weight > 0)
