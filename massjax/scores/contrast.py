"""Contrast of an answer with the same model's answer without facts: what only memory says is taken off its log-probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from massjax.scores.hindsight import SMALLEST_PROBABILITY, HindsightView, ViewCode, codes_of

SCALE, CAP = 3.0, 4.0
"""α of a blank answer as far from the average as the 95th percentile, and the largest α, as in FinCAD."""
FEWEST_DATES = 20
"""Past dates with blank answers under which there is no α."""
QUANTILE = 0.95


class Contrast(NamedTuple):
    """Scores by contrast.

    Attributes:
        view: scores, and what was done.
        alpha: NaN where there is none.
    """

    view: HindsightView
    alpha: Float32[np.ndarray, "N T"]


def contrasted(
    probability: Float[np.ndarray, "*B C"], blank: Float[np.ndarray, "*B C"], alpha: Float[np.ndarray, "*B"]
) -> Float32[np.ndarray, "*B C"]:
    r"""Choice probabilities by contrast: softmax over the choices of (1 + α) log p − α log p_blank.

    These are the logits of FinCAD (Li, Wang and Ma, arXiv 2605.24564), (1 + α) · with facts − α · memory prompt, at the one token that
    decides; a constant in either falls out of the softmax, so log-probabilities serve. It is computed in float32, with choices of
    probability 0 taken as 2⁻²⁴, which is what the smallest stored number is: the largest exponent is then (1 + α) · 16.6, so that nothing
    overflows, and α = 0 gives the answer itself but for that floor.

    Args:
        probability: of each choice with facts, renormalised over the choices.
        blank: of each choice without facts.
        alpha: 0 or more.

    Returns:
        They add up to 1; NaN where an input is.

    Example:
        The model leans to the third choice as much without facts as with them:

        >>> import numpy as np
        >>> from massjax.scores.contrast import contrasted
        >>> contrasted(np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.3, 0.5]), np.array(1.0)).astype(float).round(2).tolist()
        [0.2, 0.3, 0.5]
        >>> contrasted(np.array([0.3, 0.3, 0.4]), np.array([0.2, 0.3, 0.5]), np.array(1.0)).astype(float).round(2).tolist()
        [0.42, 0.28, 0.3]
    """
    with_facts, without = (np.log(np.maximum(p.astype(np.float32), np.float32(SMALLEST_PROBABILITY))) for p in (probability, blank))
    strength = alpha.astype(np.float32)[..., None]
    tilted = (1 + strength) * with_facts - strength * without
    weights = np.exp(tilted - tilted.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def alphas(
    blank: Float[np.ndarray, "N T C"],
    usable: Bool[np.ndarray, "N T"],
    *,
    scale: float = SCALE,
    cap: float = CAP,
    fewest_dates: int = FEWEST_DATES,
) -> Float32[np.ndarray, "N T"]:
    r"""How far to contrast each stock and date: by how unlike the model's average blank answer its blank answer is.

    $$ \alpha_{nt} = \min\Big(\mathrm{cap},\ \mathrm{scale} \cdot \frac{d_{nt}}{q_t}\Big), \qquad
       d_{nt} = \tfrac{1}{2} \sum_c |p^{\mathrm{blank}}_{ntc} - \bar p_{tc}|, $$

    with $\bar p_t$ the mean of all blank answers on dates before t, of all stocks, and q_t the 95th percentile of all d before t. A model
    that remembers nothing of a stock and date says what it says of any. FinCAD (arXiv 2605.24564) takes the gap between "up" and "down"
    of a completion probe over its 95th percentile over the whole sample; here both the average and the percentile are of past dates, so
    that α of a date is what it would have been had the history ended there.

    Args:
        blank: choice probabilities of the answers without facts.
        usable: where they count.
        scale, cap: as in the formula.
        fewest_dates: dates with usable blank answers that must lie before; two at least, of which the second has a distance.

    Returns:
        NaN where `usable` is not, or too few dates lie before. 0 where past blank answers were all alike and this one is too, and `cap`
        where only this one is not; 0 everywhere of a scale of 0.

    Example:
        >>> import numpy as np
        >>> from massjax.scores.contrast import alphas
        >>> up = np.full((4, 30), 0.5)
        >>> up[:, ::2] += np.array([[0.1], [-0.1], [0.05], [-0.05]])
        >>> alphas(np.stack([1 - up, up], axis=2), np.ones((4, 30), bool))[:, [19, 28, 29]].round(1).tolist()
        [[nan, 3.0, 0.0], [nan, 3.0, 0.0], [nan, 1.5, 0.0], [nan, 1.5, 0.0]]
    """
    stocks, dates, choices = blank.shape
    found = np.full((stocks, dates), np.nan)
    total, count, seen = np.zeros(choices), 0, 0
    past = np.empty(0)
    for t in range(dates):
        here = usable[:, t]
        if not here.any():
            continue
        answers = blank[here, t].astype(np.float64)
        if count:
            distance = 0.5 * np.abs(answers - total / count).sum(axis=1)
            if seen >= fewest_dates and past.size:
                found[here, t] = _over(distance, past, scale, cap)
            past = np.sort(np.concatenate([past, distance]), kind="stable")
        total, count, seen = total + answers.sum(axis=0), count + len(answers), seen + 1
    return found.astype(np.float32)


def contrast(
    probability: Float[np.ndarray, "N T C"],
    blank: Float[np.ndarray, "N T C"],
    *,
    mass: Float[np.ndarray, "N T"] | None = None,
    blank_mass: Float[np.ndarray, "N T"] | None = None,
    minimum_mass: float = 0.0,
    remembered: Bool[np.ndarray, " T"] | None = None,
    scale: float = SCALE,
    cap: float = CAP,
    fewest_dates: int = FEWEST_DATES,
    alpha: Float32[np.ndarray, "N T"] | None = None,
) -> Contrast:
    """Scores of an archetype by contrast with its model's blank answers: the expected choice under `contrasted`, α of `alphas`.

    Where c is the share of the memory in a blank answer that is left in one with facts, contrast takes it off exactly where
    α / (1 + α) = c: too much where less is left, too little where more is. `massjax.scores.residual` estimates c instead.

    Args:
        probability: of each choice, worst first, with facts; NaN = no answer.
        blank: the same without facts.
        mass, blank_mass: probability on the choices of either; None where low mass has been made NaN before.
        minimum_mass: the least of it that an answer counts with.
        remembered: dates of which the model may know what followed; others are kept as answered. None = all.
        scale, cap, fewest_dates: of `alphas`.
        alpha: what `alphas` gave for these blank answers, where archetypes share them; None works it out.

    Example:
        >>> import numpy as np
        >>> from massjax.scores.contrast import contrast
        >>> up = np.random.default_rng(0).uniform(0.3, 0.7, (5, 30))
        >>> answers = np.stack([1 - up, up], axis=2)
        >>> found = contrast(answers, np.full((5, 30, 2), 0.5), remembered=np.arange(30) < 25)
        >>> found.view.counts(np.ones((5, 30), bool))["kept as answered: the date lies after the model's cut-off"]
        25
    """
    code = codes_of(np.isfinite(probability).all(axis=2), np.isfinite(blank).all(axis=2), mass, blank_mass, minimum_mass)
    if alpha is None:
        blank_usable = np.isfinite(blank).all(axis=2) & (True if blank_mass is None else blank_mass >= minimum_mass)
        alpha = alphas(blank, blank_usable, scale=scale, cap=cap, fewest_dates=fewest_dates)
    code = np.where((code == ViewCode.VIEWED) & np.isnan(alpha), np.uint8(ViewCode.NO_PAST), code)
    code, alpha = _kept_after(code, alpha, remembered, mass, minimum_mass, probability)
    shown = (code == ViewCode.VIEWED) | (code == ViewCode.AS_ANSWERED)
    tilted = contrasted(probability, np.where(shown[..., None] & np.isfinite(blank), blank, 1.0), np.where(shown, alpha, 0.0))
    ladder = np.linspace(0.0, 1.0, probability.shape[2], dtype=np.float32)
    score = np.where(shown, np.clip((tilted * ladder).sum(axis=2), 0.0, 1.0), np.float32(np.nan)).astype(np.float32)
    return Contrast(HindsightView(score, code), np.where(shown, alpha, np.float32(np.nan)).astype(np.float32))


def _kept_after(
    code: UInt8[np.ndarray, "N T"],
    alpha: Float32[np.ndarray, "N T"],
    remembered: Bool[np.ndarray, " T"] | None,
    mass: Float[np.ndarray, "N T"] | None,
    minimum_mass: float,
    probability: Float[np.ndarray, "N T C"],
) -> tuple[UInt8[np.ndarray, "N T"], Float32[np.ndarray, "N T"]]:
    """Codes and α where the dates that the model cannot remember need no blank answer."""
    if remembered is None:
        return code, alpha
    answered = np.isfinite(probability).all(axis=2)
    without = codes_of(answered, np.ones(answered.shape, bool), mass, None, minimum_mass)
    without = np.where(without == ViewCode.VIEWED, np.uint8(ViewCode.AS_ANSWERED), without)
    return np.where(remembered, code, without), np.where(remembered, alpha, np.float32(0.0)).astype(np.float32)


def _over(distance: Float[np.ndarray, " M"], past: Float[np.ndarray, " D"], scale: float, cap: float) -> Float[np.ndarray, " M"]:
    """α of distances, given the sorted distances of the past."""
    place = QUANTILE * (past.size - 1)
    low = int(place)
    quantile = past[low] + (place - low) * (past[min(low + 1, past.size - 1)] - past[low])
    if quantile <= 0:
        return np.where(distance > 0, cap if scale > 0 else 0.0, 0.0)
    return np.minimum(scale * distance / quantile, cap)
