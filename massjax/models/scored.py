"""From log-probabilities of choices or labels to an answer: what they add up to, what is picked, why there is none."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from massjax.models.answer import Answer, unanswered
from massjax.models.failures import Reason
from massjax.models.forms import Decide, Pick, Rate
from massjax.models.picks import taken
from massjax.models.probabilities import choice_probabilities, impossible


def scored(form: Rate | Decide | Pick, logprobs: Float[np.ndarray, " C"], random: np.random.Generator, least_mass: float = 0.0) -> Answer:
    """The answer that the log-probabilities of a form's choices, or of its labels in the order shown, make.

    Args:
        logprobs: natural, over the whole vocabulary; minus infinity where a server does not list one.
        random: what picks are drawn by.
        least_mass: below this an answer is refused, since what is not listed could have changed it.
    """
    logprobs = np.asarray(logprobs, dtype=np.float64)
    if impossible(logprobs[None, :])[0]:
        worst = ", ".join(f"{value:g}" for value in logprobs[:3])
        return unanswered(Reason.IMPOSSIBLE, f"{worst} ..., of which the probabilities add up to more than 1 or are none")
    shown, mass = (found[0] for found in choice_probabilities(logprobs[None, :]))
    if math.isnan(mass):
        return unanswered(Reason.NO_CHOICE)
    if mass < least_mass:
        words = f"{float(mass):.3g} on the choices that are listed, less than scoring.endpoint.minimum_listed_mass, {least_mass:g}"
        return unanswered(Reason.LITTLE_LISTED, words)
    if not isinstance(form, Pick):
        return Answer(probability=tuple(map(float, shown)), mass=float(mass))
    listed = int(np.isfinite(logprobs).sum())
    if listed < form.count:
        return unanswered(Reason.LITTLE_LISTED, f"{listed} of {form.count} labels to be picked are listed")
    return picked(form, tuple(map(float, shown)), float(mass), taken(logprobs, form.count, form.temperature, random))


def picked(form: Pick, probability: tuple[float, ...], mass: float, places: tuple[int, ...]) -> Answer:
    """The answer of a pick: labels' places and probabilities become those of the items that they denote."""
    of_items = [0.0] * len(form.items)
    for value, item in zip(probability, form.order, strict=True):
        of_items[item] = value
    return Answer(probability=tuple(of_items), mass=mass, picks=tuple(form.order[place] for place in places))
