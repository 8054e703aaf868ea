"""What an experiment varies: one setting of a role, of an archetype or of the prompts, and the configurations with each of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from massjax.agents.archetype import ALONE, Archetype
from massjax.agents.protocols.desk import with_inherited
from massjax.agents.protocols.graph import organisation
from massjax.agents.protocols.roles import RoleChange
from massjax.agents.settings import AgentsSettings
from massjax.config import RunConfig
from massjax.errors import ConfigError, did_you_mean
from massjax.settings import validate

OF_PROMPTS = {"mask": "mask", "order": "facts_order", "facts": "facts", "layout": "layout"}
"""What is varied of all prompts alike, and the setting of `agents` that it is."""
OF_ARCHETYPES = ("persona", "seniority", "horizon", "risk_aversion", "model", "modalities")
"""Fields of an archetype that asks by itself, without roles."""
FORM = "expected FIELD=VALUE,VALUE… or ROLE.FIELD=VALUE,VALUE…, such as seniority=junior,senior or trader.horizon=week,year"


class Varied(NamedTuple):
    """What an experiment varies.

    Attributes:
        role: whose setting it is; empty for the role that decides last, or an archetype without roles.
        field: the setting.
        values: two or more; all are compared with the first.
    """

    role: str
    field: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The setting, with the role that it is of."""
        return f"{self.role}.{self.field}" if self.role else self.field


class Variant(NamedTuple):
    """One side of a comparison.

    Attributes:
        label: the setting and its value, in words.
        config: in which the archetypes that take part have that value, under their own names.
        archetypes: names of those that take part.
    """

    label: str
    config: RunConfig
    archetypes: tuple[str, ...]


def parse_varied(given: Sequence[str]) -> Varied:
    """What the options `--vary` say: one with several values, or several with one value each, which may hold commas.

    Raises:
        ConfigError: they are of two settings, or there are fewer than two values, or two are the same.

    Example:
        >>> parse_varied(["head.seniority=junior,senior"])
        Varied(role='head', field='seniority', values=('junior', 'senior'))
        >>> parse_varied(["persona=", "persona=You hate to lose, ever."]).values
        ('', 'You hate to lose, ever.')
    """
    named = {one.partition("=")[0].strip() for one in given}
    if len(named) != 1 or not all("=" in one for one in given):
        raise ConfigError(f"--vary {' --vary '.join(given)}: {FORM}; one setting at a time")
    role, _, field = named.pop().rpartition(".")
    texts = [one.partition("=")[2] for one in given]
    values = tuple(_value(text) for text in (texts if len(texts) > 1 else _listed(texts[0])))
    if len(values) < 2:
        raise ConfigError(f"--vary {given[0]}: {FORM}; there is nothing to compare {values[0] if values else 'nothing'!r} with")
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ConfigError(f"--vary {role}.{field}: {value!r} is there twice".replace(" .", " "))
    return Varied(role, field, values)


def _listed(text: str) -> list[Any]:
    try:
        found = yaml.safe_load(text) if text.strip().startswith("[") else None
    except yaml.YAMLError:
        raise ConfigError(f"--vary: {text} is no list; values that are lists stand in one, as in [[news], [price]]") from None
    return found if isinstance(found, list) else [part.strip() for part in text.split(",")]


def _value(text: Any) -> Any:
    return {"true": True, "false": False, "null": None}.get(text, text) if isinstance(text, str) else text


def variants(config: RunConfig, archetypes: Sequence[Archetype], varied: Varied, only: Sequence[str] = ()) -> tuple[Variant, ...]:
    """A configuration for each value; everything else is as it was, so that what does not see the value is asked once.

    Args:
        config: of a run.
        archetypes: all that it asks a model for.
        varied: what is changed.
        only: names of the archetypes that take part; empty for all.

    Raises:
        ConfigError: there is no such archetype, role, setting or value.
    """
    known = {archetype.name: archetype for archetype in archetypes}
    for name in only:
        if name not in known:
            raise ConfigError(f"--archetype {name}: no archetype of that name asks a model{did_you_mean(name, known)}")
    chosen = [known[name] for name in only] or list(archetypes)
    if not chosen:
        raise ConfigError("the configuration has no archetype that asks a model, so there is nothing to vary")
    found = []
    for value in varied.values:
        label = f"{varied.name} {_told(value)}"
        agents = {"grid": None, "draw": None, "archetypes": tuple(chosen)}
        if not varied.role and varied.field in OF_PROMPTS:
            _refuse_idle_mask(config.agents, chosen, varied)
            agents[OF_PROMPTS[varied.field]] = value
        else:
            agents["archetypes"] = tuple(_changed(archetype, config.agents, varied, value) for archetype in chosen)
        settings = validate(AgentsSettings, {**config.agents.model_dump(), **_plain(agents)}, f"--vary {varied.name}={value}")
        found.append(Variant(label, config.replace(agents=settings), tuple(archetype.name for archetype in chosen)))
    return tuple(found)


def _refuse_idle_mask(agents: AgentsSettings, archetypes: Sequence[Archetype], varied: Varied) -> None:
    """Refuse to vary `agents.mask` where it counts for nothing."""
    if varied.field == "mask" and (agents.hindsight is not None or any(one.hindsight for one in archetypes)):
        raise ConfigError("--vary mask: agents.hindsight, or that of an archetype, is set, so that mask hides nothing; leave hindsight out")


def _plain(agents: dict[str, Any]) -> dict[str, Any]:
    archetypes = [archetype.model_dump(exclude_unset=True) for archetype in agents["archetypes"]]
    return {**agents, "archetypes": archetypes}


def _changed(archetype: Archetype, agents: AgentsSettings, varied: Varied, value: Any) -> Archetype:
    """An archetype with a value in the place of its own, or of one of its roles."""
    where = f"--vary {varied.name}={value}: archetype {archetype.name!r}"
    if archetype.protocol in ALONE:
        if varied.role:
            raise ConfigError(f"{where} has no roles; leave out {varied.role!r}, or name archetypes that have it: --archetype NAME")
        if varied.field not in OF_ARCHETYPES:
            raise ConfigError(f"{where} has no {varied.field!r} to vary{did_you_mean(varied.field, (*OF_ARCHETYPES, *OF_PROMPTS))}")
        return validate(Archetype, {**archetype.model_dump(exclude_unset=True), varied.field: value}, where)
    role = varied_role(archetype, agents, varied)
    if varied.field not in RoleChange.model_fields:
        raise ConfigError(f"{where}: a role has no {varied.field!r} to vary{did_you_mean(varied.field, RoleChange.model_fields)}")
    before = archetype.roles.get(role)
    change = {**({} if before is None else before.model_dump(exclude_unset=True)), varied.field: value}
    roles = {**{name: one.model_dump(exclude_unset=True) for name, one in archetype.roles.items()}, role: change}
    made = validate(Archetype, {**archetype.model_dump(exclude_unset=True), "roles": roles}, where)
    _refuse_what_stays(where, made, agents, role, varied.field)
    return made


def _refuse_what_stays(where: str, archetype: Archetype, agents: AgentsSettings, role: str, field: str) -> None:
    """Refuse null as the value of a setting that the role would then have from its protocol or its archetype."""
    change = getattr(archetype.roles[role], field)
    whole = organisation(agents.protocol(archetype.protocol), archetype.roles)
    kept = next(getattr(with_inherited(one, archetype), field) for one in whole.roles if one.name == role)
    if change is None and kept:
        raise ConfigError(
            f"{where}: without a value of its own the role {role!r} still has {kept!r}, of its protocol or archetype; "
            "give the values that are to be compared, or take it out there"
        )


def varied_role(archetype: Archetype, agents: AgentsSettings, varied: Varied) -> str:
    """The role whose setting is varied: the one named, or the one that decides.

    Raises:
        ConfigError: the protocol has no such role, or several that decide.
    """
    settings = agents.protocol(archetype.protocol)
    if settings.file is not None:
        raise ConfigError(f"--vary: archetype {archetype.name!r} has a protocol of Python, whose roles are not known")
    whole = organisation(settings, archetype.roles)
    names = [role.name for role in whole.roles]
    if varied.role:
        if varied.role not in names:
            known = f"the roles of {archetype.protocol!r} are {', '.join(names)}"
            hint = did_you_mean(varied.role, names)
            raise ConfigError(
                f"--vary {varied.name}: archetype {archetype.name!r} has no role {varied.role!r}{hint}; {known}. "
                "Name the archetypes that have it: --archetype NAME, one or more"
            )
        return varied.role
    if len(whole.decides) > 1:
        several = f"{archetype.protocol!r} has several roles that decide"
        raise ConfigError(f"--vary {varied.field}: {several}; name one, as in {whole.decides[0]}.{varied.field}=")
    return whole.decides[0]


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value if value else "(none)"
    return {True: "on", False: "off", None: "(default)"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
