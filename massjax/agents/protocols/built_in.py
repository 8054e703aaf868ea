"""The protocols of roles that massjax has by name, and the sentences by which roles are told what to do."""

from __future__ import annotations

from typing import Any

from massjax.agents.protocols.roles import FOLLOW, ProtocolSettings, Role, role_title
from massjax.settings import validate

ANALYSIS = (
    "Write two or three sentences for the traders of the desk: what this could mean for the price of the stock if things go well, and what "
    "if they go badly. Name one scenario of each kind, and recommend nothing."
)
REASONS = "Give the reasons of your decision in one or two sentences."
OBJECTIONS = "Say in one or two sentences why."

ANALYST: dict[str, Any] = {"name": "analyst", "form": "write", "instruction": ANALYSIS, "max_tokens": 160}
TRADER: dict[str, Any] = {"name": "trader", "form": "decide", "sees": ["analyst"], "inherits": ["persona", "horizon", "risk_aversion"]}
HEAD: dict[str, Any] = {
    "name": "head",
    "title": "head trader",
    "form": "decide",
    "sees": ["analyst", "trader"],
    "follows": ["trader"],
    "seniority": "senior",
}
MEMBERS: list[dict[str, Any]] = [
    {**TRADER, "name": f"trader_{number}", "title": "trader", "risk_aversion": risk, "inherits": ["persona", "horizon"]}
    for number, risk in enumerate(("low", "moderate", "high"), start=1)
]
NAMES = [member["name"] for member in MEMBERS]

_DEFINED: dict[str, dict[str, Any]] = {
    "analyst_trader": {"roles": [ANALYST, TRADER]},
    "desk": {"roles": [ANALYST, {**TRADER, "reasons": REASONS}, HEAD]},
    "committee": {"roles": [ANALYST, *MEMBERS]},
    "committee_majority": {"roles": [ANALYST, *MEMBERS], "combine": "majority"},
    "committee_head": {
        "roles": [
            ANALYST,
            *({**member, "title": role_title(member["name"]), "reasons": REASONS} for member in MEMBERS),
            {**HEAD, "sees": ["analyst", *NAMES], "follows": NAMES},
        ]
    },
}
BUILT_IN = {name: validate(ProtocolSettings, {"name": name, **values}, f"protocol {name}") for name, values in _DEFINED.items()}
"""By name. A trader sees facts and the analysis; `roles: {trader: {facts: false}}` of an archetype leaves it the analysis alone."""


def instruction_of(role: Role, titles: dict[str, str]) -> str:
    """What a role is told to write or to decide: its own instruction, else a sentence for its form.

    Args:
        role: who is asked.
        titles: by name, what the roles are called in prompts.
    """
    if role.instruction:
        return role.instruction
    choices = role.choices_or_default
    if role.follows:
        if len(role.follows) == 1:
            ask = f"Do you follow the decision of the {titles[role.follows[0]]}, so that the desk takes that position?"
            return ask if choices == FOLLOW else f"{ask} {choices[0]} if you do, {choices[1]} if the desk takes no position."
        each = "; ".join(f"{choice} for that of the {titles[name]}" for choice, name in zip(choices, role.follows, strict=False))
        return f"Whose decision do you follow, so that the desk takes that position? {each}; {choices[-1]} if the desk takes no position."
    if role.form == "rate":
        return f"How do you expect this stock to do? Rate it from {choices[0]} (worst) to {choices[-1]} (best)."
    if len(choices) == 2:
        between = ""
    elif len(choices) == 3:
        between = f", {choices[1]} where neither is likely enough to act on"
    else:
        between = ", those between where you are less sure"
    return f"Decide on this stock: {choices[0]} if you expect it to rise, {choices[-1]} if you expect it to fall{between}."
