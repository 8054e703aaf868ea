"""A protocol's roles as a graph: who is asked after whom, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from massjax.agents.protocols.roles import ProtocolSettings, Role, RoleChange, changed
from massjax.errors import did_you_mean

REASONS_OF = "_reasons"
"""End of the name of the role that writes the reasons of a deciding one."""


@dataclass(frozen=True)
class Organisation:
    """A protocol of roles, checked.

    Attributes:
        name: of the protocol.
        rounds: roles that can be asked at once, in the order of asking; those that write the reasons of others among them.
        decides: roles whose opinions make the score.
        combine: how several of them become one.
    """

    name: str
    rounds: tuple[tuple[Role, ...], ...]
    decides: tuple[str, ...]
    combine: Literal["mean", "majority"]

    @property
    def roles(self) -> tuple[Role, ...]:
        """In the order of asking."""
        return tuple(role for some in self.rounds for role in some)

    @property
    def votes(self) -> tuple[Role, ...]:
        """The roles whose answers the score is computed from: those that decide, and whom these follow; whom one follows comes first."""
        by_name, wanted = {role.name: role for role in self.roles}, list(self.decides)
        for name in wanted:
            wanted += [other for other in by_name[name].follows if other not in wanted]
        return tuple(role for role in self.roles if role.name in wanted)


def organisation(protocol: ProtocolSettings, changes: Mapping[str, RoleChange] | None = None) -> Organisation:
    """A protocol's roles in the order of asking, as an archetype has them.

    Args:
        protocol: with all of its roles (`merged`).
        changes: by role, what an archetype has otherwise.

    Raises:
        ValueError: naming the protocol and the role at fault.
    """
    where = f"protocol {protocol.name!r}"
    for name in changes or {}:
        known = [role.name for role in protocol.roles]
        if name not in known:
            raise ValueError(f"{where} has no role {name!r}{did_you_mean(name, known)}; its roles are {', '.join(known)}")
    roles = _with_reasons(where, [changed(role, (changes or {}).get(role.name)) for role in protocol.roles])
    rounds = _rounds(where, roles)
    decides = _deciding(where, protocol.decides, roles)
    _refuse_useless(where, roles, decides)
    return Organisation(protocol.name, rounds, decides, protocol.combine or "mean")


def told_roles(protocol: ProtocolSettings, changes: Mapping[str, RoleChange] | None = None) -> tuple[str, ...]:
    """Who is asked in a protocol as an archetype has it, in words, in the order of asking; roles that write reasons are left out.

    >>> from massjax.agents.protocols.built_in import BUILT_IN
    >>> told_roles(BUILT_IN["desk"], {"trader": RoleChange(horizon="week")})
    ('analyst', 'trader (horizon week)', 'senior head trader (follows trader)')
    """
    if protocol.file is not None:
        return (f"whoever {protocol.file.name} asks",)
    roles = organisation(protocol, changes).roles
    return tuple(_told(role) for role in roles if not role.name.endswith(REASONS_OF))


def _told(role: Role) -> str:
    facts = {"horizon": role.horizon, "risk aversion": role.risk_aversion, "model": role.model, "follows": ", ".join(role.follows)}
    words = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    title = role.title_or_name() if role.seniority is None else f"{role.seniority} {role.title_or_name()}"
    return f"{title} ({words})" if words else title


def merged(protocol: ProtocolSettings, known: Mapping[str, ProtocolSettings]) -> ProtocolSettings:
    """A protocol with the roles and settings of the one that it is `like`.

    Raises:
        ValueError: there is none of that name, or they go round in a circle.
    """
    path, given = [protocol.name], _given(protocol)
    roles, base = list(protocol.roles), protocol
    while base.like:
        if base.like not in known:
            raise ValueError(f"protocol {protocol.name!r} is like {base.like!r}, which is none{did_you_mean(base.like, known)}")
        if base.like in path:
            raise ValueError(f"protocol {protocol.name!r} is like itself: {' → '.join([*path, base.like])}")
        base = known[base.like]
        path.append(base.name)
        if base.file is not None:
            raise ValueError(f"protocol {protocol.name!r} is like {base.name!r}, a file of Python, which has no roles to start from")
        given = {**_given(base), **given}
        own, there = {role.name: role for role in roles}, {role.name for role in base.roles}
        roles = [own.get(role.name, role) for role in base.roles] + [role for role in roles if role.name not in there]
    return protocol if len(path) == 1 else protocol.replace(**given, roles=tuple(roles), like="")


def _given(protocol: ProtocolSettings) -> dict[str, Any]:
    """What a protocol sets, of what it would have from the one that it is like."""
    return {name: value for name in ("decides", "combine", "unit", "aggregate") if (value := getattr(protocol, name))}


def _with_reasons(where: str, roles: Sequence[Role]) -> list[Role]:
    """The roles, and after each that gives reasons one that writes them, which whoever sees the former sees too."""
    giving = {role.name for role in roles if role.reasons}
    found = []
    for role in roles:
        sees = tuple(name for seen in role.sees for name in ((seen, seen + REASONS_OF) if seen in giving else (seen,)))
        found.append(role.model_copy(update={"sees": sees}))
        if role.reasons:
            own = {"name": role.name + REASONS_OF, "form": "write", "sees": (*sees, role.name), "follows": (), "choices": ()}
            told = {"prefill": None, "reasons": None, "calibrate": False, "instruction": role.reasons, "title": role.title_or_name()}
            found.append(role.model_copy(update={**own, **told}))
    names = [role.name for role in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where}: two roles are named {name!r}; give one of them another name")
    for role in roles:
        if role.name.endswith(REASONS_OF):
            raise ValueError(f"{where}: {role.name!r} ends like the roles that write the `reasons` of others; give it another name")
    return found


def _rounds(where: str, roles: Sequence[Role]) -> tuple[tuple[Role, ...], ...]:
    """Roles that see nobody, then those that see these alone, and so on."""
    names = [role.name for role in roles]
    writing = {role.name for role in roles if role.form == "write"}
    for role in roles:
        for what, given in (("sees", role.sees), ("follows", role.follows)):
            _refuse_twice(f"{where}: role {role.name!r} {what}", given)
        for name in (*role.sees, *role.follows):
            if name not in names:
                what = "sees" if name in role.sees else "follows"
                raise ValueError(f"{where}: role {role.name!r} {what} {name!r}, which is no role of it{did_you_mean(name, names)}")
        for name in role.follows:
            if name in writing:
                raise ValueError(
                    f"{where}: role {role.name!r} follows {name!r}, who writes and decides nothing; follow a role that decides"
                )
            if name not in role.sees:
                raise ValueError(f"{where}: role {role.name!r} follows {name!r} without seeing what it decided; add it to `sees`")
    rounds, done, left = list[tuple[Role, ...]](), set[str](), list(roles)
    while left:
        ready = tuple(role for role in left if done.issuperset(role.sees))
        if not ready:
            raise ValueError(f"{where}: its roles see one another in a circle: {_circle(left)}; nobody could be asked first")
        rounds.append(ready)
        done.update(role.name for role in ready)
        left = [role for role in left if role.name not in done]
    return tuple(rounds)


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name!r} twice; name it once")


def _circle(left: Sequence[Role]) -> str:
    """A circle among roles none of which can be asked first."""
    waits = {role.name: next(name for name in role.sees if name in {other.name for other in left}) for role in left}
    path = [left[0].name]
    while path[-1] not in path[:-1]:
        path.append(waits[path[-1]])
    return " sees ".join(path[path.index(path[-1]) :])


def _deciding(where: str, given: Sequence[str], roles: Sequence[Role]) -> tuple[str, ...]:
    by_name, seen = {role.name: role for role in roles}, {name for role in roles for name in role.sees}
    if not given:
        given = [role.name for role in roles if role.form != "write" and (role.name not in seen or seen_for_reasons(role, roles))]
        if not given:
            raise ValueError(f"{where}: nobody decides: give a role that nobody else sees the form decide or rate, or name it in `decides`")
    _refuse_twice(f"{where}: decides names", given)
    for name in given:
        if name not in by_name:
            raise ValueError(f"{where}: decides names {name!r}, which is no role of it{did_you_mean(name, by_name)}")
        if by_name[name].form == "write":
            raise ValueError(f"{where}: decides names {name!r}, who writes and decides nothing")
    return tuple(given)


def seen_for_reasons(role: Role, roles: Sequence[Role]) -> bool:
    """Whether a role is seen by nobody but the one that writes its reasons."""
    return all(other.name == role.name + REASONS_OF for other in roles if role.name in other.sees)


def _refuse_useless(where: str, roles: Sequence[Role], decides: Sequence[str]) -> None:
    """Refuse a role whose answer nothing depends on; reasons may be read by people alone."""
    by_name, needed = {role.name: role for role in roles}, list(decides)
    for name in needed:
        needed += [other for other in by_name[name].sees if other not in needed]
    for role in roles:
        if role.name not in needed and not role.name.endswith(REASONS_OF):
            raise ValueError(f"{where}: role {role.name!r} is asked for nothing: no role that decides sees it, nor anybody whom one sees")
