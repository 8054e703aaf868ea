"""Which models a run asks, as far as files, settings and the log tell without loading one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from massjax.answers.log import AnswerLog
from massjax.errors import ModelError
from massjax.machine import Machine
from massjax.models.dtype import resolved_dtype
from massjax.models.identity import as_recorded, identity_digest, known_identity, matching_identity, stated_identity
from massjax.models.settings import ModelSettings
from massjax.scores.inputs import Inputs


class AskedModel(NamedTuple):
    """A model that a run asks.

    Attributes:
        settings: with the numbers that it computes in resolved.
        identity: what is known of it; that of the log's answers, where it is one of these.
        digest: of that identity.
        recorded: whether the log has answers of it.
        unread: why its files could not be compared; empty where they were.
    """

    settings: ModelSettings
    identity: Mapping[str, str]
    digest: str
    recorded: bool
    unread: str = ""


def asked_models(inputs: Inputs, log: AnswerLog, machine: Machine) -> dict[str, AskedModel]:
    """The models that archetypes ask, by name.

    A model of which the log has answers under an identity that agrees with all that is known of it here is taken to be that one; its
    files need not be here then.

    Raises:
        ModelError: nothing names a model that archetypes ask.
    """
    recorded = log.models()
    identities = {digest: model.identity for digest, model in recorded.items()}
    counts = {digest: model.answers for digest, model in recorded.items()}
    return {name: _asked(settings, identities, counts, machine) for name, settings in inputs.models().items()}


def _asked(settings: ModelSettings, identities: Mapping[str, Mapping[str, str]], counts: Mapping[str, int], machine: Machine) -> AskedModel:
    unread = ""
    try:
        known = known_identity(settings)
    except ModelError as error:
        known, unread = stated_identity(settings), f"the answers could not be compared with the model's files: {error}"
        identities = {
            digest: identity for digest, identity in identities.items() if _name_of(identity.get("model", "")) == _name_of(settings.model)
        }
    found = matching_identity(known, identities, counts)
    if found is not None:
        return AskedModel(as_recorded(settings, identities[found]), identities[found], found, True, unread)
    resolved = settings.replace(dtype=resolved_dtype(settings, machine))
    identity = known if unread else known_identity(resolved)
    return AskedModel(resolved, identity, identity_digest(identity), False, unread)


def _name_of(model: str) -> str:
    """The last part of a model's name, which it keeps wherever its folder is."""
    return Path(model.partition("@")[0]).name
