"""Whether a run has nothing left to ask, found out by reading alone: no model is loaded and no server called.

Nothing is asked or written then, so all that matters is whether the stored scores are those of this configuration. That is compared as
far as files and settings determine it: prompts, settings, archetypes, and for a model in this process the contents of all its files. The
version of what runs the model and the device cannot be told without loading it; scores that are stored do not depend on them.
"""

from __future__ import annotations

from typing import NamedTuple

from massjax.agents.archetype import asks_a_model
from massjax.errors import MassjaxError, ModelError
from massjax.models.fake import FakeModel
from massjax.models.fingerprint import fingerprints, model_folder
from massjax.models.server import settings_identity
from massjax.models.settings import ScoringSettings
from massjax.scoring.checking import check_continues
from massjax.scoring.placing import own_units, unit_keys
from massjax.scoring.work import Work
from massjax.store import ScoreStore, exists
from massjax.store.folder import Where


class Settled(NamedTuple):
    """A store in which nothing is left to ask, and why its scores could not be compared with the model's files; empty where they were."""

    store: ScoreStore
    unread: str


def settled(work: Work, path: Where) -> Settled | None:
    """The store at `path`, if it holds an answer, or a counted reason for none, to everything that the run wants, from the same model.

    None where something is left to ask, where a difference is to be told by opening the store with the model, or where the model
    alone knows its identity (a server whose model the settings do not name).
    """
    try:
        if not exists(path):
            return None
        store = ScoreStore.open(path)
        check_continues(work, store)
        grown = (
            len(store.dates) != len(work.panel.dates)
            or set(store.stocks) != set(work.panel.stocks)
            or not {archetype.name for archetype in work.archetypes} <= set(store.archetypes)
        )
        keys = unit_keys(work, store)
        if grown or len(keys) != len(own_units(work, store)) or store.missing_units(keys, retry_failed=True):
            return None
    except MassjaxError:
        return None
    try:
        expected = {"engine": "none: rules only"} if not asks_a_model(work.archetypes) else readable_identity(work.config.scoring)
    except ModelError as error:
        return Settled(store, f"the scores could not be compared with the model's files: {error}")
    held = store.provenance.run_key
    if expected is None or any(held.get(f"engine.{name}") != value for name, value in expected.items()):
        return None
    return Settled(store, "")


def readable_identity(settings: ScoringSettings) -> dict[str, str] | None:
    """The part of a model's identity that its files and settings determine; None where that does not name the model.

    Raises:
        ModelError: the model's files are not there.
    """
    if settings.engine == "fake":
        return FakeModel(settings).identity()
    if settings.engine == "vllm":
        return {
            **fingerprints(model_folder(settings.model, settings.revision, fetch=False)),
            "tensor_parallel_size": str(settings.tensor_parallel_size),
        }
    if settings.endpoint is None or not settings.endpoint.model:
        return None
    folder = None if settings.endpoint.api == "chat" else model_folder(settings.model, settings.revision, fetch=False)
    return {**settings_identity(settings, folder), "served_model": settings.endpoint.model}
