"""The passes of a run: first the texts of all stages, in batches of their own, then the scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from massjax.agents.protocols.staged import Wanted
from massjax.answers.cost import Tally
from massjax.models.language_model import LanguageModel
from massjax.progress import Tell
from massjax.scoring.asking import ask_missing
from massjax.scoring.placing import archetype_of, own_units
from massjax.scoring.stage_texts import stored_texts, write_texts
from massjax.scoring.work import Work
from massjax.store import ScoreStore, Unit

WRITING = "writing the texts before the scores"
ASKING = "asking prompts"


def run_passes(
    work: Work,
    store: ScoreStore,
    model: LanguageModel,
    *,
    units: Collection[Unit] | None = None,
    progress: Tell | None = None,
    claim: bool = True,
) -> Tally:
    """Write the texts that the units' archetypes lack, then ask for their scores.

    Args:
        units: only these, where given.
        progress: called with what is done, how much of it, and of how much: texts, then prompts.
        claim: see `ask_missing`.

    Raises:
        ModelError: the model cannot answer, or a text could not be had; what was answered is stored.
    """
    names = {archetype_of(work, store, unit).name for unit in (own_units(work, store) if units is None else units)}
    staged = [a for a in work.archetypes if a.stages and a.name in names]
    count, seconds = 0, 0.0
    if staged:

        def missing(texts: Mapping[str, str]) -> list[Wanted]:
            return [wanted for archetype in staged for wanted in work.missing_texts(archetype, texts)]

        texts, count, seconds = write_texts(model, store.root, stored_texts(store.root), missing, _of(WRITING, progress))
        work = replace(work, texts=texts)
    tally = ask_missing(work, store, model, _of(ASKING, progress), units=units, claim=claim)
    tally.texts, tally.text_seconds = count, round(seconds, 3)
    return tally


def _of(what: str, progress: Tell | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)
