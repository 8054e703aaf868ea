"""Whether masks hold: the model is shown masked facts and asked which company, and which year, they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from massjax.agents.facts import UNKNOWN, Fact
from massjax.agents.prompts import ROLE, PromptTemplate
from massjax.agents.protocols.opinion import UNDECIDED, likeliest
from massjax.answers.log import ANSWERED
from massjax.hindsight.questions import Questions, numbered, why_none
from massjax.hindsight.sampling import drawn_blocks
from massjax.hindsight.settings import MeasureSettings
from massjax.hindsight.subject import Subject
from massjax.models.forms import Decide
from massjax.models.picks import LABELS
from massjax.models.question import Prompt
from massjax.scores.leaks import Leak, Lines, leaks
from massjax.statistics.identification import UNNAMED, Identification, YearIdentification, identification, identified_years

COMPANY = "The facts are about one of these companies:\n{options}\nWhich company is it? If you are not sure, say the likeliest."
YEAR = "The facts are of a day in one of these years:\n{options}\nWhich year is it? If you are not sure, say the likeliest."
PREFILL = "I choose: "
NEIGHBOURS = 2
"""Years asked about on either side of a panel of a single year."""


@dataclass(frozen=True)
class Auditor:
    """Who is shown masked facts: nobody with a view, so that archetypes with the same facts are one question."""

    modalities: tuple[str, ...]
    name: str = "audit"

    def shown(self) -> dict[str, object]:
        """What a template is given."""
        none = dict.fromkeys(("persona", "seniority", "horizon", "risk_aversion"))
        return {"role": {"title": "analyst", "name": self.name, "form": "decide", **none}}


@dataclass(frozen=True, eq=False)
class Audit:
    """What is asked from the masked facts of some modalities.

    Attributes:
        name: of the archetype, or the modality.
        alone: whether it is a modality by itself.
        modalities: that are shown.
        company, year: the questions; several forms where dates have unlike numbers of candidates.
        order: of the candidates of each company question: rows of stocks by label, [N, T, most]; −1 beyond them.
        years: of the labels of each year question, likewise.
        shown: the masked facts of each cell, as text; all different.
        facts: which of them is about each cell; −1 where none is.
    """

    name: str
    alone: bool
    modalities: tuple[str, ...]
    company: tuple[Questions, ...]
    year: tuple[Questions, ...]
    order: Int[np.ndarray, "N T M"]
    years: Int[np.ndarray, "N T Y"]
    shown: tuple[Prompt, ...]
    facts: Int[np.ndarray, "N T"]


@dataclass(frozen=True, eq=False)
class Audited:
    """What masked facts give away.

    Attributes:
        name, alone: whose facts they are, as `Audit` has them.
        cells: stocks and dates that were asked about.
        companies: how often the company is named, against chance.
        years: the same of the year.
        found: stocks that are named beyond chance, with the share.
        names, times: the plain scan for names and tickers, and for years and dates, of `scanned` prompts.
        why_none: why questions have no answer, counted; empty where all have one.
    """

    name: str
    alone: bool
    cells: int
    companies: Identification
    years: YearIdentification
    found: tuple[tuple[str, float], ...]
    names: Leak
    times: Leak
    scanned: int
    why_none: str


def audits(subject: Subject, settings: MeasureSettings) -> list[Audit]:
    """What is asked of each archetype's facts, and of each modality alone where that is wanted.

    The stocks of a sampled date, up to `settings.candidates` of them, are each asked about with all of them as candidates, under labels in
    an order of its own, so that guesses without knowledge are right as often as `massjax.statistics.identification` says.
    """
    inputs = subject.inputs
    wanted = [(archetype.name, False, subject.seen(archetype), inputs.model_named(archetype.model)) for archetype in inputs.asking]
    if settings.by_modality:
        alone = dict.fromkeys((modality, model) for _, _, seen, model in wanted for modality in seen)
        several = len({model for _, model in alone}) > 1
        wanted += [(f"{one} ({model or 'scoring'})" if several else one, True, (one,), model) for one, model in alone]
    return [_audit(subject, settings, *one) for one in wanted]


def _audit(subject: Subject, settings: MeasureSettings, name: str, alone: bool, modalities: tuple[str, ...], model: str) -> Audit:
    panel, seed = subject.panel, subject.inputs.config.seed
    chosen = drawn_blocks(subject.known(modalities), settings.cells, settings.candidates, seed, panel.day_numbers)
    facts, template = [fact for fact in subject.masked_facts if fact.modality in modalities], PromptTemplate(ROLE)
    years, prefill = asked_years(panel.dates), PREFILL if subject.inputs.config.scoring.prefill else ""
    order = np.full((*chosen.shape, settings.candidates), -1, np.int64)
    of_years = np.full((*chosen.shape, len(years)), -1, np.int64)
    viewer, labels = Auditor(modalities), LABELS
    by_count = dict[int, list[tuple[int, int, Prompt]]]()
    of_year, shown = list[tuple[int, int, Prompt]](), list[tuple[int, int, Prompt]]()
    for t in np.flatnonzero(chosen.any(axis=0)).tolist():
        block = np.flatnonzero(chosen[:, t])
        for n in block.tolist():
            lines = _lines(facts, n, t)
            company = block[shuffled(len(block), seed, "company", panel.stocks[n], str(panel.dates[t]))]
            year = np.array(years)[shuffled(len(years), seed, "year", panel.stocks[n], str(panel.dates[t]))]
            order[n, t, : len(block)], of_years[n, t] = company, year
            options = [f"{labels[place]}: {_named(subject, row)}" for place, row in enumerate(company.tolist())]
            asked = template.render(viewer, lines, labels[: len(block)], COMPANY.format(options="\n".join(options)))
            by_count.setdefault(len(block), []).append((n, t, asked))
            options = [f"{labels[place]}: {one}" for place, one in enumerate(year.tolist())]
            of_year.append((n, t, template.render(viewer, lines, labels[: len(years)], YEAR.format(options="\n".join(options)))))
            shown.append((n, t, template.render(viewer, lines, ())))
    company_asked = tuple(
        Questions("audit", model, Decide(tuple(labels[:count]), prefill), *numbered(asked, chosen.shape))
        for count, asked in by_count.items()
    )
    year_form = Decide(tuple(labels[: len(years)]), prefill)
    year_asked = (Questions("audit", model, year_form, *numbered(of_year, chosen.shape)),) if of_year else ()
    distinct, facts_of_cells = numbered(shown, chosen.shape)
    return Audit(name, alone, modalities, company_asked, year_asked, order, of_years, tuple(distinct), facts_of_cells)


def asked_years(dates: np.ndarray) -> list[int]:
    """The years of a panel, the last of them where there are more than labels; with neighbours on both sides of a single one."""
    years = sorted({day.item().year for day in dates})
    if len(years) == 1:
        years = list(range(years[0] - NEIGHBOURS, years[0] + NEIGHBOURS + 1))
    return years[-len(LABELS) :]


def shuffled(count: int, seed: int, *about: str) -> Int[np.ndarray, " C"]:
    """An order of so many, by a hash of what it is about."""
    text = "\0".join((str(seed), *about)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")).permutation(count)


def _lines(facts: Sequence[Fact], n: int, t: int) -> list[tuple[Fact, str]]:
    return [(fact, fact.texts[fact.codes[n, t]]) for fact in facts if fact.codes[n, t] != UNKNOWN]


def _named(subject: Subject, row: int) -> str:
    stock = subject.panel.stocks[row]
    return f"{subject.panel.names[stock]} ({stock})" if stock in subject.panel.names else stock


def audited(subject: Subject, audit: Audit) -> Audited:
    """What the answers to an audit come to; a guess is the likeliest label, none where several are."""
    panel = subject.panel
    named, no_company = _guesses(subject, audit.company, audit.order)
    years, no_year = _guesses(subject, audit.year, audit.years)
    companies = identification(named, trials=first_shown(audit.facts))
    found = np.flatnonzero(np.nan_to_num(companies.p_by_stock, nan=1.0) <= 0.05)
    lines = Lines()
    lines.add(audit.name, audit.shown)
    names, times = leaks(subject.inputs, lines)
    return Audited(
        audit.name,
        audit.alone,
        int(sum((some.index >= 0).sum() for some in audit.company)),
        companies,
        identified_years(years, np.array([day.year for day in subject.days])),
        tuple((panel.stocks[row], float(companies.by_stock[row])) for row in found),
        names,
        times,
        len(audit.shown),
        "; ".join(f"{what}: {why}" for what, why in (("company", no_company), ("year", no_year)) if why),
    )


def first_shown(facts: Int[np.ndarray, "N T"]) -> Bool[np.ndarray, "N T"]:
    """Where something is shown of a stock for the first time: a model that sees the same again says the same again.

    Args:
        facts: what is shown; −1 where nothing is.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.audit import first_shown
        >>> first_shown(np.array([[5, 5, -1, 7], [5, 7, 5, 7]])).tolist()
        [[True, False, False, True], [True, True, False, False]]
    """
    found = np.zeros(facts.shape, bool)
    for row, of_stock in zip(found, facts, strict=True):
        row[np.unique(of_stock, return_index=True)[1]] = True
    return found & (facts >= 0)


def _guesses(subject: Subject, asked: Sequence[Questions], meant: Int[np.ndarray, "N T M"]) -> tuple[Int[np.ndarray, "N T"], str]:
    """What is meant by the likeliest label of each cell, and why there is no answer."""
    found, why = np.full(meant.shape[:2], UNNAMED, np.int64), list[str]()
    for some in asked:
        assert isinstance(some.form, Decide)
        probability, _, codes = subject.log.choices(some.keys(subject.models), len(some.form.choices))
        why += [told] if (told := why_none(codes)) else []
        best = likeliest(np.where((codes == ANSWERED)[:, None], probability, np.nan))
        label = np.where(some.index >= 0, np.append(best, UNDECIDED)[some.index], UNDECIDED)
        named = np.take_along_axis(meant, np.maximum(label, 0)[..., None], axis=2)[..., 0]
        found = np.where(label >= 0, named, found)
    return found, "; ".join(why)
