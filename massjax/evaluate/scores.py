"""The score tensor of a run: what language models said, read from a store, and what rules say, computed here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from massjax.agents import PromptTemplate, facts_of
from massjax.config import Archetype, RunConfig
from massjax.errors import ConfigError
from massjax.market import Panel
from massjax.scoring.placing import check_scores
from massjax.scoring.rules import rule_scores
from massjax.scoring.work import Work
from massjax.store import ScoreStore


class GatheredScores(NamedTuple):
    """Scores of all archetypes of a run, in their order.

    Attributes:
        scores: in [0, 1]; NaN where an archetype has none, or the stock is not a member.
        store: where the language models' scores come from; None where all archetypes are rules.
    """

    scores: Float[np.ndarray, "K N T"]
    store: ScoreStore | None


def gather_scores(config: RunConfig, panel: Panel, archetypes: Sequence[Archetype]) -> GatheredScores:
    """Read the scores of LLM archetypes from `config.store`, compute those of rule archetypes from the panel.

    Raises:
        ConfigError: there are LLM archetypes but no store.
        StoreError: the store is missing or damaged, holds the scores of something else, or lacks a date, stock or archetype.
    """
    scores = np.full((len(archetypes), *panel.member.shape), np.nan, np.float32)
    rules = [k for k, archetype in enumerate(archetypes) if archetype.kind == "rule"]
    asked = [k for k, archetype in enumerate(archetypes) if archetype.kind == "llm"]
    if rules:
        scores[rules] = rule_scores(panel, [archetypes[k] for k in rules])
    store = _open(config, [archetypes[k] for k in asked]) if asked else None
    if store is not None:
        facts, template = facts_of(panel, config.agents), PromptTemplate(config.agents.template)
        check_scores(Work(config, panel, tuple(archetypes), facts, template), store)
        scores[asked] = store.scores(dates=panel.dates, archetypes=[archetypes[k].name for k in asked], stocks=panel.stocks)
    return GatheredScores(np.where(panel.member, scores, np.nan), store)


def _open(config: RunConfig, archetypes: Sequence[Archetype]) -> ScoreStore:
    if config.store is None:
        names = ", ".join(repr(archetype.name) for archetype in archetypes[:3]) + (", ..." if len(archetypes) > 3 else "")
        raise ConfigError(
            f"store: not set, but {len(archetypes)} archetypes ask a language model ({names}); name the score store with `store:` in the "
            "config or --store PATH (`python -m massjax.precompute` makes one), or use rule archetypes only"
        )
    return ScoreStore.open(Path(config.store))


def score_coverage(scores: Float[np.ndarray, "K N T"], member: np.ndarray) -> Float[np.ndarray, " K"]:
    """Share of the members, over all dates, for which each archetype has a score."""
    return np.asarray((np.isfinite(scores) & member).sum(axis=(1, 2)) / max(int(member.sum()), 1))


def store_facts(store: ScoreStore | None) -> dict[str, Any]:
    """What a report says of the store: where it is and what made it."""
    if store is None:
        return {}
    return {"path": str(store.path), "created": store.provenance.created, "massjax": store.provenance.version, **dict(store.provenance.run_key)}
