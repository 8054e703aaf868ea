"""The scores that fit a run: a tensor that was made from the same things, or what the answers in the log come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import numpy as np

from massjax.agents.archetype import ALONE
from massjax.agents.protocols.turns import NO_DECISION
from massjax.answers.log import AnswerLog
from massjax.errors import ModelError, StoreError
from massjax.machine import this_machine
from massjax.models.fingerprint import model_folder
from massjax.models.forms import Rate
from massjax.models.identity import NOT_COUNTED, stated_identity
from massjax.models.model_files import changed_files
from massjax.models.question import Prompt, question_keys
from massjax.row_words import counted, first_few
from massjax.scores import tensor
from massjax.scores.asked_models import asked_models
from massjax.scores.build import Resolver
from massjax.scores.inputs import Inputs
from massjax.scores.made_from import MadeFrom, difference
from massjax.scores.opinions import opinions
from massjax.scores.places import Place, inside, names_in
from massjax.scores.scores import Scores, tensors_in
from massjax.scores.status import Status
from massjax.scores.templates import ChosenLayout, acceptable_templates, choose_template

ANSWERS = "answers"
"""The folder of a store that its log is in."""


def answer_log(store: Place) -> AnswerLog:
    """The log of questions and answers of a store."""
    return AnswerLog(inside(store, ANSWERS))


def resolver_of(inputs: Inputs, log: AnswerLog, models: Mapping[str, str], store: Place | None = None) -> tuple[Resolver, ChosenLayout]:
    """What runs the archetypes' protocols, with the template that its prompts are rendered with, and why that one.

    Args:
        models: digests, by name.
        store: whose tensor tells the template of prompts that cannot be found in the log, because texts of stages come before.
    """
    scoring = inputs.config.scoring
    digests = {models[inputs.model_named(archetype.model)] for archetype in inputs.asking if archetype.protocol in ALONE}
    form = Rate(scoring.choices, scoring.prefill)

    def answered(prompts: Sequence[Prompt]) -> int:
        return sum(int(log.known(question_keys(digest, form, prompts)).sum()) for digest in digests) if prompts else 0

    template, order = choose_template(inputs, answered, partial(_held_template, store))
    return Resolver(inputs, template, log, models), order


def resolver_of_store(inputs: Inputs, store: Place) -> Resolver:
    """What runs the archetypes' protocols against the log of a store, under the models that answered there."""
    log = answer_log(store)
    models = {name: asked.digest for name, asked in asked_models(inputs, log, this_machine()).items()}
    return resolver_of(inputs, log, models, store)[0]


def _held_template(store: Place | None) -> str | None:
    """Hash of the template of the store's latest tensor; None without one that can be read."""
    try:
        places = [] if store is None else tensors_in(store)
        made = Scores.open(places[-1]).made_from if places else None
    except StoreError:
        return None
    return None if made is None else str(made.settings.get("prompt_template", ""))


def fitting_scores(inputs: Inputs, store: Place) -> Scores:
    """Scores that were made from what a run wants, opened, or built from the answers that are there.

    Args:
        inputs: what the run wants.
        store: the folder of log and tensors.

    Raises:
        StoreError: there are none: what differs, and which answers are missing, are named.
    """
    refuse_earlier(store)
    first = None
    for place in reversed(tensors_in(store)):
        found = Scores.open(place)
        assert found.made_from is not None
        why = misfit(inputs, found.made_from) or _other_files(inputs, found.made_from, found.written)
        if why is None:
            return found
        first = first or why
    if not names_in(inside(store, ANSWERS)) and first is None:
        raise StoreError(f"{store}: holds no scores; run python -m massjax.precompute with this config to ask for them")
    return scores_of_log(inputs, store, first)


def misfit(inputs: Inputs, held: MadeFrom) -> str | None:
    """Why scores that were made from something are not those that a run wants; None where they are."""
    template = held.settings.get("prompt_template", "")
    acceptable = acceptable_templates(inputs)
    why = difference(held, inputs.made_from(template if template in acceptable else acceptable[0]))
    return why or _other_model(inputs, held)


def _other_model(inputs: Inputs, held: MadeFrom) -> str | None:
    """In what the settings of a model differ from those that it answered under; its files are not read."""
    for name, settings in inputs.models().items():
        answered = held.models.get(name, {})
        for field, value in stated_identity(settings).items():
            if field not in NOT_COUNTED and answered.get(field, value) != value:
                return f"the model of {name or 'scoring'}: its {field} was {answered[field]!r}, this run has {value!r}"
    return None


def _other_files(inputs: Inputs, held: MadeFrom, written: datetime) -> str | None:
    """Which files of a model have changed since its answers were written down, as far as its folder is here."""
    for name, settings in inputs.models().items():
        recorded = held.models.get(name, {}).get("file_digests")
        if not recorded or not settings.model:
            continue
        try:
            folder = model_folder(settings.model, settings.revision, fetch=False)
            changed = changed_files(folder, recorded, written.timestamp(), weights=settings.engine == "vllm")
        except ModelError:
            continue
        if changed:
            return f"the model of {name or 'scoring'}: other files than those that answered: {first_few(changed, 3)}"
    return None


def refuse_earlier(store: Place) -> None:
    """Refuse a store in the form that massjax had before answers had a log.

    Raises:
        StoreError: it is one.
    """
    if "ledger" in names_in(store):
        raise StoreError(
            f"{store}: is a score store of an earlier massjax, which kept scores without their questions; name another folder as `store:` "
            "(or --store) and run python -m massjax.precompute with this config"
        )


def scores_of_log(inputs: Inputs, store: Place, why: str | None) -> Scores:
    """The scores that the answers of a log come to, built in memory.

    Where precompute was stopped before it wrote a tensor, what is answered by then has scores.

    Args:
        why: in what the tensor that is there differs; None where there is none.

    Raises:
        StoreError: the log lacks an answer that the run needs.
    """
    resolver = resolver_of_store(inputs, store)
    panel, scoring, asking = inputs.panel, inputs.config.scoring, inputs.asking
    shape = (len(panel.dates), len(asking), len(panel.stocks))
    decides = any(chosen.decides for chosen in inputs.protocols.values())
    decision = np.full(shape, NO_DECISION, np.int8) if decides else None
    cells = tensor.Cells(np.empty(shape, np.float32), np.empty(shape, np.float16), np.empty(shape, np.uint8), None, decision)
    styles = dict[str, Mapping[str, str]]()
    for k, archetype in enumerate(asking):
        turn = resolver.turn(archetype)
        asks = turn.asks
        if asks is None:
            raise StoreError(_said(store, why, resolver.lacking(archetype, turn)))
        found = opinions(asks, resolver.log, scoring.minimum_coverage)
        unasked = found.status == Status.NOT_ASKED
        if unasked.any() and (why is not None or not (found.status == Status.SCORED).any()):
            t, n = np.argwhere(unasked.T)[0]
            about = f"about stock {panel.stocks[n]} on {panel.dates[t]}"
            count = len(turn.questions)
            are = f"{counted(count, 'question')} of archetype {archetype.name!r} {'is' if count == 1 else 'are'}"
            raise _lacking(store, why, f"{are} not answered, the first {about}")
        for values, part in ((cells.score, found.score), (cells.mass, found.mass), (cells.status, found.status)):
            values[:, k] = part.T
        if decision is not None and found.decision is not None:
            decision[:, k] = found.decision.T
        if asks.told:
            styles[archetype.name] = asks.told
    made_from = inputs.made_from(resolver.template.sha256, styles=styles)
    names = tuple(archetype.name for archetype in asking)
    return Scores(names, tuple(panel.stocks), panel.dates, str(store), None, cells, made_from)


def _lacking(store: Place, why: str | None, what: str) -> StoreError:
    return StoreError(_said(store, why, f"{what}; run python -m massjax.precompute with this config to ask for what is missing"))


def _said(store: Place, why: str | None, what: str) -> str:
    return f"{store}: {'' if why is None else f'the scores there are not those of this run ({why}), and '}{what}"
