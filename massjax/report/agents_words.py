"""Finitely many agents in words: how many there are, what they watch and pick, and by whose example."""

from __future__ import annotations

from massjax.report.run import RunResult
from massjax.row_words import counted

DRAWS = {
    "random": "all members alike",
    "industry_equal": "all industries alike",
    "industry_basis": "some industries preferred",
    "size_equal": "all of five size classes alike",
}
"""With what chance stocks are drawn, by `agents.finite.draw`."""


def agents_in_words(result: RunResult) -> str:
    """What the replicas of a run watch and pick, in a sentence without its full stop; empty where scores are as they are."""
    told = result.agents
    if not told:
        return ""
    kinds = counted(len(result.archetypes), "archetype")
    again, rhythm = "with" if told["replacement"] else "without", "anew on each date" if told["daily"] else "once and for all"
    basis = f" ({', '.join(told['industries'])})" if told["industries"] else ""
    picked = "the best by their score" if told["temperature"] == 0 else f"by chance, at temperature {told['temperature']:g}"
    if told["picked_by"] == "model":
        mixed = any(not facts.archetype.asks for facts in result.archetypes)
        picked = f"what the model says in one answer{', or without a model ' + picked if mixed else ''}"
    chosen = " or as its style says" if told["style"] and told["style"]["chooses_list"] else ""
    distinct = "" if told["distinct"] is None else f" ({told['distinct']:.1f} distinct on average)"
    attending = "" if told["attending"] is None else f"{told['attending']:.1f} attend on average; "
    preset = ""
    if told["preset"]:
        changed = f" but for {', '.join(told['changed'])}" if told["changed"] else ""
        preset = f"; preset {told['preset']}{changed}"
    return (
        f"{kinds} × {counted(told['replicas'], 'replica')}; each draws {told['watchlist']:,} members to watch, "
        f"{DRAWS[told['draw']]}{basis}{chosen}, {again} replacement, {rhythm}{distinct}, "
        f"and picks {told['picks']:,}, {picked}{preset}; "
        f"seed {told['seed']}. A score is the share of the attending replicas that picked the stock ({attending}"
        f"{told['unseen']:.1%} of members no replica watched)"
    )
