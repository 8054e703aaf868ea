"""Archetypes whose scores are read from two answers, one with facts and one without, so that what is remembered is taken out of them.

Both answers are in the log: another way of reading them asks nothing. Shares and strengths of a date come of all dates before it, so that
scores are always read over the whole panel, whichever dates were asked about together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Shaped, UInt8, UInt64

from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.hindsight import Hindsight, HindsightSettings
from massjax.agents.prompts import BLANK as BLANK_TEMPLATE, PromptTemplate
from massjax.agents.protocols.blank import BLANK, blank_ask
from massjax.agents.protocols.choosing import Chosen
from massjax.agents.protocols.single import expected_choice
from massjax.agents.protocols.turns import Ask, Last, Opinion, Part, Steps, Vote
from massjax.errors import ConfigError
from massjax.market import Panel
from massjax.models.forms import Rate
from massjax.models.probabilities import calibrated
from massjax.scores.contrast import FEWEST_DATES as FEWEST_FOR_CONTRAST, alphas, contrast
from massjax.scores.hindsight import HindsightView, ViewCode
from massjax.scores.residual import FEWEST_DATES as FEWEST_FOR_RESIDUAL, STRONG, residual


class PastReturns(NamedTuple):
    """Forward returns by which memory is told from skill, each used once it has ended.

    Attributes:
        values: NaN = not known.
        horizon: dates over which they run.
        execution_lag: dates before they begin.
    """

    values: Float[np.ndarray, "N T"]
    horizon: int
    execution_lag: int

    def hashes(self, member: Bool[np.ndarray, "N T"]) -> UInt64[np.ndarray, " T"]:
        """On each date a hash of those of members that end on it, so that a panel that grows changes none."""
        ended, known_after = np.full(self.values.shape[::-1], np.nan), self.horizon + self.execution_lag
        ended[known_after:] = np.where(member, self.values, np.nan).T[: max(len(ended) - known_after, 0)]
        rows = np.ascontiguousarray(np.nan_to_num(np.round(ended, 9), nan=-2.0), "<f8")
        return np.array([int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in rows], np.uint64)


def past_returns_of(panel: Panel, settings: HindsightSettings, horizon: int, execution_lag: int) -> PastReturns | None:
    """The forward returns that `residual` has; None where the market data has none at all.

    Args:
        panel: the market data.
        settings: whose `horizon` is taken.
        horizon: in place of one that is not set.
        execution_lag: dates from a decision to its fill.

    Raises:
        ConfigError: the market data has others, and not this one.
    """
    wanted = settings.horizon or horizon
    if not panel.forward_returns:
        return None
    if wanted not in panel.forward_returns:
        which = "agents.hindsight.horizon" if settings.horizon else "evaluate.horizon, which agents.hindsight.horizon takes"
        raise ConfigError(
            f"{which}: {wanted}: the market data has no forward return over it; there are {sorted(panel.forward_returns)}: add it to "
            "market.horizons, or set agents.hindsight.horizon to one of these"
        )
    return PastReturns(panel.forward_returns[wanted], wanted, execution_lag)


@dataclass(frozen=True, eq=False)
class Memory:
    """What the scores of a run are read with where memory is taken out of them.

    Attributes:
        panel: the market data.
        settings: of the agents.
        numbers: whether prompts show values, and no words for quantiles.
        returns: None where there are none, or no archetype has `residual`.
    """

    panel: Panel
    settings: HindsightSettings
    numbers: bool
    returns: PastReturns | None
    _blank: dict[tuple[str | None, Rate, date | None, bool], tuple[bytes, Ask]] = field(default_factory=dict)
    _alpha: dict[tuple[str | None, Rate], tuple[bytes, Float32[np.ndarray, "N T"]]] = field(default_factory=dict)

    def protocol(self, chosen: Chosen, archetype: Archetype, how: Hindsight, cutoff: date | None) -> Chosen:
        """The protocol `single` with the blank question beside its own, and scores that are read from both answers.

        Args:
            chosen: the protocol `single` of the archetype.
            archetype: whose it is.
            how: `contrast` or `residual`.
            cutoff: when the knowledge of its model ends: no blank question is asked about later dates, whose scores are kept as answered.
                None = it may remember all.
        """
        form = chosen.parts[-1].form
        assert isinstance(form, Rate)

        def start(facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], template: PromptTemplate) -> Steps:
            last: Last = yield from chosen.start(facts, member, template)
            blank = self._blank_ask(facts, member, archetype.model, form, cutoff)
            remembered = remembered_dates(dates_of(facts), cutoff)
            asked = last.votes[0].ask
            assert asked.index is not None
            by_prior = how == "contrast" and asked.prior is not None
            votes = (
                Vote(blank, choices_and_expected, (asked.index >= 0) & remembered),
                Vote(asked, choices_and_expected, prior_too=by_prior),
            )
            choices = len(form.choices)

            def opinion(values: Sequence[Float[np.ndarray, "N T V"]]) -> Opinion:
                without, with_facts, prior = values[0], values[1][..., : choices + 1], values[1][..., choices + 1 :]
                if member is not self.panel.member:  # of some dates alone no score is read, only what is asked
                    raise AssertionError("scores without memory are read over the whole panel")
                about = (archetype.model, form)
                found, strengths = self._view(how, with_facts, without, facts, archetype, remembered, about, prior if by_prior else None)
                kept = found.code == ViewCode.AS_ANSWERED
                score = np.where(kept, with_facts[..., -1], found.score).astype(np.float32)
                return Opinion(score, done=found.code, strengths=strengths)

            return replace(last, votes=votes, opinion=opinion)

        return chosen._replace(parts=(Part(BLANK, archetype.model, form), *chosen.parts), start=start, blank=True)

    def _blank_ask(self, facts: Sequence[Fact], member: Bool[np.ndarray, "N T"], model: str | None, form: Rate, cutoff: date | None) -> Ask:
        """The blank question; that about the whole panel, and the last about a part of it, are kept for all archetypes of its model."""
        dates = dates_of(facts)
        wanted, whole = member & remembered_dates(dates, cutoff), member is self.panel.member
        key = (model, form, cutoff, whole)
        about = b"" if whole else hashlib.blake2b(dates.tobytes() + wanted.tobytes(), digest_size=16).digest()
        if key not in self._blank or self._blank[key][0] != about:
            self._blank[key] = about, blank_ask(facts, wanted, self.settings, form, model)
        return self._blank[key][1]

    def _view(
        self,
        how: Hindsight,
        with_facts: Float[np.ndarray, "N T V"],
        without: Float[np.ndarray, "N T V"],
        facts: Sequence[Fact],
        archetype: Archetype,
        remembered: Bool[np.ndarray, " T"],
        shared: tuple[str | None, Rate],
        prior: Float[np.ndarray, "N T C"] | None,
    ) -> tuple[HindsightView, dict[str, float]]:
        """Scores from the probabilities of all choices and the expected one, with facts and without; and how much was taken off.

        What calibrates answers with facts calibrates the blank ones, too: a leaning to some choice that both have would else be taken off
        again, the more the larger α is.
        """
        if how == "contrast":
            probability, blank = with_facts[..., :-1], without[..., :-1]
            alpha = self._alphas(blank, shared)
            blank = blank if prior is None else calibrated(blank, prior, np.float32)
            tilted = contrast(probability, blank, remembered=remembered, alpha=alpha)
            answered = np.where(tilted.alpha == 0, with_facts[..., -1], tilted.view.score)
            return tilted.view._replace(score=answered), _on_average(tilted.view, {"α": tilted.alpha})
        values, horizon, lag = self.returns or (None, 1, 0)
        found = residual(
            with_facts[..., -1],
            without[..., -1],
            self.panel.member,
            shown_numbers(facts, archetype.modalities, self.panel, numbers=self.numbers),
            past_returns=values,
            horizon=horizon,
            execution_lag=lag,
            remembered=remembered,
            fewest_dates=self.settings.fewest_dates or FEWEST_FOR_RESIDUAL,
        )
        told = np.where(found.shares.first_stage >= STRONG, 1.0, 0.0)
        return found.view, _on_average(found.view, {"β": found.shares.memory, "γ": found.shares.opinion, "F ≥ 10": told})

    def _alphas(self, blank: Float[np.ndarray, "N T C"], shared: tuple[str | None, Rate]) -> Float32[np.ndarray, "N T"]:
        """α, worked out once for all archetypes of a model while its blank answers are the same."""
        digest = hashlib.blake2b(np.ascontiguousarray(blank).tobytes(), digest_size=16).digest()
        if shared not in self._alpha or self._alpha[shared][0] != digest:
            settings, usable = self.settings, np.isfinite(blank).all(axis=2)
            fewest = settings.fewest_dates or FEWEST_FOR_CONTRAST
            self._alpha[shared] = digest, alphas(blank, usable, scale=settings.scale, cap=settings.cap, fewest_dates=fewest)
        return self._alpha[shared][1]

    def document(self, hows: Sequence[Hindsight], cutoffs: Sequence[date | None]) -> dict[str, Any]:
        """The settings that decide what scores come to, in plain values.

        Args:
            hows: of the archetypes whose scores are read so.
            cutoffs: of their models.
        """
        settings = self.settings
        found: dict[str, Any] = {
            "instruction": settings.instruction,
            "template": PromptTemplate(BLANK_TEMPLATE).sha256,
            "first_date": str(self.panel.dates[0]),
            "knowledge_cutoff": sorted({str(cutoff) for cutoff in cutoffs}),
        }
        if "contrast" in hows:
            fewest = settings.fewest_dates or FEWEST_FOR_CONTRAST
            found["contrast"] = {"scale": settings.scale, "cap": settings.cap, "fewest_dates": fewest}
        if "residual" in hows:
            _, horizon, lag = self.returns or (None, None, None)
            fewest = settings.fewest_dates or FEWEST_FOR_RESIDUAL
            found["residual"] = {"fewest_dates": fewest, "horizon": horizon, "execution_lag": lag}
        return found


def _on_average(view: HindsightView, strengths: Mapping[str, Float[np.ndarray, "*N T"]]) -> dict[str, float]:
    """Mean strengths over the stocks and dates out of whose scores memory was taken; none where there are none."""
    viewed = view.code == ViewCode.VIEWED
    if not viewed.any():
        return {}
    return {symbol: float(np.broadcast_to(values, viewed.shape)[viewed].mean()) for symbol, values in strengths.items()}


def choices_and_expected(probability: Float[np.ndarray, "Q C"]) -> Float[np.ndarray, "Q V"]:
    """The probability of every choice, and last the expected choice as a score, which is then the very same as without a view."""
    return np.concatenate([probability, expected_choice(probability)], axis=1)


def dates_of(facts: Sequence[Fact]) -> Shaped[np.ndarray, " T"]:
    """The dates that facts are about, as the one about identity has them."""
    shown = next(fact for fact in facts if not fact.modality and fact.label == "date")
    return np.array(shown.texts, "datetime64[D]")[shown.codes[0]]


def remembered_dates(dates: Shaped[np.ndarray, " T"], cutoff: date | None) -> Bool[np.ndarray, " T"]:
    """Dates up to the one at which a model's knowledge ends; all where that is not known."""
    return np.ones(len(dates), bool) if cutoff is None else dates <= np.datetime64(cutoff)


def shown_numbers(facts: Sequence[Fact], modalities: Collection[str], panel: Panel, *, numbers: bool) -> Float64[np.ndarray, "F N T"]:
    """What prompts of some modalities show of each stock, as numbers that rank stocks as the prompts do; NaN where nothing is shown.

    Words stand for quantiles, whose numbers are taken; texts are no numbers, and what is told of the whole market ranks no stock.

    Args:
        facts: that prompts show.
        modalities: that are shown.
        panel: the market data.
        numbers: whether prompts show values, and no words.
    """
    of_stocks = {(feature.modality, feature.label) for feature in panel.features.values()}
    seen = [fact for fact in facts if fact.modality in modalities and (fact.modality, fact.label) in of_stocks]
    return np.stack([_numbers_of(fact, numbers) for fact in seen]) if seen else np.empty((0, *panel.member.shape))


def _numbers_of(fact: Fact, numbers: bool) -> Float64[np.ndarray, "N T"]:
    if numbers:
        return np.array([*(float(text.rstrip("%")) for text in fact.texts), np.nan])[fact.codes]
    return np.where(fact.codes == UNKNOWN, np.nan, fact.codes)


def what_was_done(
    done: UInt8[np.ndarray, "N T"], code: UInt8[np.ndarray, "N T"], blank_code: UInt8[np.ndarray, "N T"], low: int, nothing: int
) -> dict[str, int]:
    """How many stocks and dates each thing was done about, in words, the most frequent first.

    Args:
        done: values of `ViewCode`, where answers with too little mass are taken for none.
        code, blank_code: of the answers with facts, and without.
        low: the code of an answer with too little mass.
        nothing: the code where nothing is asked, which is not counted.
    """
    done = np.where((done == ViewCode.NO_ANSWER) & (code == low), np.uint8(ViewCode.LOW_MASS), done)
    done = np.where((done == ViewCode.NO_BLANK_ANSWER) & (blank_code == low), np.uint8(ViewCode.LOW_BLANK_MASS), done)
    return HindsightView(np.empty(done.shape, np.float32), done.astype(np.uint8)).counts(code != nothing)
