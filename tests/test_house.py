"""The house: imports run down, in two wings that never touch, without a circle of files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter

from tests.conftest import ROOT

GROUND = {
    *("average_ranks", "errors", "flags", "labels", "lookalikes", "machine", "mapped"),
    *("progress", "row_words", "settings", "stopping", "terminal", "timing", "user_files", "version"),
}
"""What every room stands on; of these only one another is imported."""
ASKING = {
    "market": set(),
    "models": set(),
    "agents": {"market", "models"},
    "answers": {"models"},
    "scores": {"market", "models", "agents", "answers", "config"},
}
SEARCHING = {
    "statistics": set(),
    "engine": {"statistics"},
    "search": {"statistics", "engine"},
    "portfolio": {"statistics"},
    "evaluate": {"statistics", "engine", "search", "portfolio"},
    "simulator": set(),
}
ABOVE = {
    "config": {f"{room}.settings" for room in (*ASKING, *SEARCHING)} | {"agents.archetype", "search.registry"},
    "report": {*SEARCHING, "config", "market.panel", "agents.archetype"},
    "experiments": {*ASKING, "config", "pipeline", "commands", "statistics"},
    "hindsight": {*ASKING, "config", "commands", "statistics"},
    "simulations": {"simulator", "statistics", "engine", "config", "report", "commands", "checkpoints", "compile_cache", "policy_files"},
    "calibrate": {"simulator", "engine", "statistics", "market", "config", "policy_files"},
}
"""The configuration is composed of the settings of the rooms; a report sees one wing, and of the other the nouns that it tells of; an
experiment asks, and compares what came back; a simulation lets the simulator's agents learn, judges their markets by statistics, and
has them told of by `report.market`, the part of the report that knows markets and no searches; a calibration compares simulated markets
with the panel of a real one."""
KNOW_BOTH_WINGS = {"massjax", "pipeline"}
"""The public names, and the one module in which the wings meet."""


@cache
def imports() -> dict[str, frozenset[str]]:
    """The modules of massjax, by names without that of the package, and which others each imports, wherever in the file."""
    files = {name(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "massjax").rglob("*.py")}
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in files.items()}
    return {module: frozenset(imported(tree, frozenset(files)) - {module}) for module, tree in trees.items()}


def name(parts: tuple[str, ...]) -> str:
    return ".".join(part for part in parts[1:] if part != "__init__") or "massjax"


def imported(tree: ast.Module, modules: frozenset[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "massjax":
            inside = node.module.partition(".")[2]
            paths = {alias.name: f"{inside}.{alias.name}".lstrip(".") for alias in node.names}
            found |= {path if path in modules else inside or "massjax" for path in paths.values()}
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[2] or "massjax" for alias in node.names if alias.name.partition(".")[0] == "massjax"}
    return found


def room(module: str) -> str:
    """The room of a module; what `python -m massjax.ROOM` runs is a command, which stands above the rooms."""
    return "commands" if module.endswith(".__main__") else module.partition(".")[0]


def arrows() -> Iterator[tuple[str, str]]:
    """Imports from one room into another."""
    yield from ((module, other) for module, others in imports().items() for other in others if room(module) != room(other))


def test_a_room_imports_only_rooms_below_it_in_its_own_wing() -> None:
    below = ASKING | SEARCHING | ABOVE | {ground: set() for ground in GROUND}
    forbidden = {
        (module, other)
        for module, other in arrows()
        if room(module) in below and room(other) not in GROUND and not {room(other), other} & below[room(module)]
    }
    assert forbidden == set()


def test_the_wings_meet_in_one_module() -> None:
    seen: dict[str, set[str]] = {}
    for module, other in arrows():
        if room(module) not in ABOVE and room(other) in ASKING | SEARCHING:
            seen.setdefault(module, set()).add("asking" if room(other) in ASKING else "searching")
    assert {module for module, wings in seen.items() if len(wings) == 2} == KNOW_BOTH_WINGS


def test_no_circle_of_files() -> None:
    TopologicalSorter(imports()).prepare()


def test_every_module_has_its_place() -> None:
    thin = {
        "massjax",
        "checkpoints",
        "pipeline",
        "commands",
        "compile_cache",
        "experiment",
        "optimize",
        "panel_of_config",
        "policy_files",
        "precompute",
        "simulate",
        "store",
        "testing",
    }
    assert {room(module) for module in imports()} <= GROUND | thin | {*ASKING, *SEARCHING, *ABOVE}
