"""The roster of a run: its archetypes in order, those that are listed, generated as a grid and drawn at random."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from massjax.agents.archetype import Archetype
from massjax.agents.facts import told_of
from massjax.agents.settings import AgentsSettings, Draw, Grid, check_protocol
from massjax.errors import ConfigError, did_you_mean
from massjax.market import Panel
from massjax.settings import validate


def resolve_archetypes(settings: AgentsSettings, panel: Panel) -> tuple[Archetype, ...]:
    """All archetypes of a run, in the order of the score tensor's rows.

    Raises:
        ConfigError: two archetypes share a name, or one refers to a modality or feature that the panel has not.
    """
    archetypes = [*settings.archetypes]
    if settings.grid is not None:
        archetypes += _checked("agents.grid", grid(settings.grid), settings)
    if settings.draw is not None:
        archetypes += _checked("agents.draw", draw(settings.draw), settings)
    _refuse_duplicates(archetypes)
    modalities = tuple(dict.fromkeys([*panel.modalities(), *(fact.modality for fact in panel.market_facts.values())]))
    for archetype in archetypes:
        _refuse_unknown(archetype.name, "modality", archetype.modalities, modalities, panel)
        for role in archetype.roles.values():
            _refuse_unknown(archetype.name, "modality", role.modalities or (), modalities, panel)
        _refuse_unknown(archetype.name, "feature", tuple(archetype.rule or ()), tuple(panel.features), panel)
    return tuple(archetypes)


def _checked(source: str, archetypes: list[Archetype], settings: AgentsSettings) -> list[Archetype]:
    for archetype in archetypes:
        try:
            check_protocol(archetype, settings)
        except ValueError as error:
            raise ConfigError(f"{source}: {error}") from None
    return archetypes


def grid(settings: Grid) -> list[Archetype]:
    """Every combination of the given values, `replicas` of each."""
    combinations = product(
        product(*settings.vary.values()), settings.modalities, settings.risk_aversion, settings.horizon, range(settings.replicas)
    )
    return [
        _generated("agents.grid", settings.stages, *values, varied=dict(zip(settings.vary, varied, strict=True)))
        for varied, *values in combinations
    ]


def draw(settings: Draw) -> list[Archetype]:
    """Distinct archetypes that each see one to `most_modalities` modalities (MASS, arXiv 2505.10278, §3), preferences uniform or left out.

    Raises:
        ConfigError: there are fewer distinct archetypes than `count`.
    """
    rng = np.random.default_rng(settings.seed)
    most = min(settings.most_modalities, len(settings.modalities))
    found: dict[tuple[tuple[str, ...], str, str], None] = {}
    for _ in range(200 * settings.count):
        size = int(rng.integers(1, most + 1))
        chosen = sorted(rng.choice(len(settings.modalities), size=size, replace=False))
        seen = tuple(settings.modalities[i] for i in chosen)
        if settings.preferences:
            found[(seen, str(rng.choice(["low", "moderate", "high"])), str(rng.choice(["days", "weeks", "months"])))] = None
        else:
            found[(seen, "moderate", "weeks")] = None
        if len(found) == settings.count:
            break
    if len(found) < settings.count:
        raise ConfigError(
            f"agents.draw: only {len(found)} distinct archetypes can be drawn from these modalities, not {settings.count}; lower count"
        )
    return [_generated("agents.draw", settings.stages, *values, replica) for values in found for replica in range(settings.replicas)]


def _generated(
    source: str,
    stages: tuple[str, ...],
    modalities: tuple[str, ...],
    risk_aversion: str,
    horizon: str,
    replica: int,
    varied: Mapping[str, Any] | None = None,
) -> Archetype:
    view = re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(modalities)) or "nothing"
    further = [_word(key, value) for key, value in (varied or {}).items()]
    name = ".".join([view, f"{risk_aversion}-risk-aversion", horizon, *further, *([f"r{replica}"] if replica else [])])
    values: dict[str, object] = {
        "name": name,
        "modalities": modalities,
        "risk_aversion": risk_aversion,
        "horizon": horizon,
        "replica": replica,
    }
    if stages:
        values |= {"protocol": "staged", "stages": stages}
    roles: dict[str, dict[str, Any]] = {}
    for key, value in (varied or {}).items():
        role, dot, setting = key.partition(".")
        if dot:
            roles.setdefault(role, {})[setting] = value
        else:
            values[key] = value
    return validate(Archetype, {**values, **({"roles": roles} if roles else {})}, source)


def _word(key: str, value: Any) -> str:
    """A varied value as a part of a name."""
    text = str(value) if key == "protocol" else f"{key.replace('.', '-')}-{value}"
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:40]


def _refuse_duplicates(archetypes: list[Archetype]) -> None:
    seen: set[str] = set()
    for archetype in archetypes:
        if archetype.name in seen:
            raise ConfigError(f"agents: two archetypes are named {archetype.name!r}; names must be unique")
        seen.add(archetype.name)


def _refuse_unknown(archetype: str, what: str, given: tuple[str, ...], known: tuple[str, ...], panel: Panel) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(
                f"archetype {archetype!r}: the market data has no {what} {name!r}{did_you_mean(name, known)}; "
                f"it has: {', '.join(known) or 'none'}{told_of(name, panel)}"
            )
