"""How familiar a prompt is to a model: the mean log-probability of its least likely tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from massjax.models.probabilities import ROUNDING, SENTINEL

SHARE = 0.2
"""Share of the tokens that is looked at, as the papers have it."""


def min_k(logprobs: Sequence[float | None], share: float = SHARE) -> float:
    r"""Min-K % of a text: the mean log-probability of the least likely share k of its tokens.

    $$ \mathrm{Min\text{-}K\%}(x) = \frac{1}{|E|} \sum_{i \in E} \log p(x_i \mid x_{<i}), \qquad |E| = \max(1, \lfloor k\, n \rfloor), $$

    E being the tokens with the lowest log-probabilities (Shi et al. 2023, arXiv 2310.16789). A text that the model has been trained on
    holds few tokens that surprise it, and has a higher value. Used of a prompt as *lookahead propensity* by Gao, Jiang and Yan (arXiv
    2512.23847) with k = 20 %.

    Args:
        logprobs: of each token of the prompt given those before it, 0 or less. None, as servers give for the first token, which nothing
            goes before, is left out. Values of -9000 and less are a server's way to say minus infinity, and count as that.
        share: k, above 0 and at most 1.

    Returns:
        Natural logarithm; minus infinity where one of the least likely tokens is impossible; NaN where no token has a log-probability.

    Raises:
        ValueError: a share out of range; a log-probability that is NaN or above 0 beyond rounding.

    Example:
        Two of ten tokens are looked at:

        >>> from massjax.models.min_k import min_k
        >>> min_k([None, -0.1, -4.0, -0.2, -1.0, -2.0, -0.1, -0.3, -0.1, -0.2, -0.1])
        -3.0
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; expected a number above 0 and at most 1")
    known = np.array([value for value in logprobs if value is not None], np.float64)
    wrong = ~(known <= ROUNDING)
    if wrong.any():
        raise ValueError(f"{known[wrong][0]} is no log-probability, which is 0 or less")
    if not known.size:
        return math.nan
    count = max(1, math.floor(share * known.size + 1e-9))
    lowest = np.sort(np.where(known <= SENTINEL, -np.inf, known))[:count]
    return float(lowest.mean())
