"""Whatever the Markdown files name of the project, a module, a file, a test or another page, is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "benchmarks", "cache")
    for page in (ROOT / folder).glob("*.md")
    if page.name != "CHANGELOG.md"  # which names what is no more
)
TESTS = [file for file in ROOT.rglob("tests/**/test_*.py") if "__pycache__" not in file.parts]

CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
DOTTED = re.compile(r"\bmassjax(?:\.[A-Za-z_]\w*)+")
IMPORT = re.compile(r"from (massjax[\w.]*) import (\w+(?:, \w+)*)")
FILE = re.compile(r"(?<![\w./~-])(?:\./)?(?:massjax|tests|docs|configs|benchmarks|\.ci)/[\w./-]*\w")
STANDS_FOR_ANY = re.compile(r"NAME")
PART_OF_A_TEST = re.compile(r"`(?:(tests/[\w/]+\.py)|(\w+))::(\*|\w+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#([\w-]+))?\)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_of(page: str) -> str:
    """What stands in code of either form, a line each."""
    return "\n".join(block or line for block, line in CODE.findall(text_of(page)))


def resolved(name: str) -> object:
    """A module, or an attribute of one, by its dotted name."""
    module, _, attribute = name.rpartition(".")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return getattr(resolved(module), attribute)


@cache
def names_in(file: Path) -> tuple[str, ...]:
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return tuple(node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_names_are_there(page: str) -> None:
    code = code_of(page)
    imported = {f"{module}.{name}" for module, names in IMPORT.findall(code) for name in names.split(", ")}
    for name in sorted({*DOTTED.findall(code), *imported}):
        try:
            resolved(name)
        except (ImportError, AttributeError):
            pytest.fail(f"{page} names {name}, which is not there")


@pytest.mark.parametrize("page", PAGES)
def test_files_are_there(page: str) -> None:
    named = {name for name in FILE.findall(text_of(page)) if not STANDS_FOR_ANY.search(name)}
    absent = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert not absent, f"{page} names what is not there"


@pytest.mark.parametrize("page", PAGES)
def test_tests_are_there(page: str) -> None:
    absent = []
    for path, stem, part in PART_OF_A_TEST.findall(text_of(page)):
        files = [ROOT / path] if path else [file for file in TESTS if file.stem in (f"test_{stem}", f"test_store_{stem}")]
        names = [name for file in files if file.is_file() for name in names_in(file)]
        if not any(part == "*" or part in name for name in names):
            absent.append(f"{path or stem}::{part}")
    assert not absent, f"{page} names tests that are not there"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    absent = []
    for target, heading in LINK.findall(text_of(page)):
        file = (ROOT / page).parent / target
        if not file.exists() or (heading and heading not in headings(file)):
            absent.append(f"{target}#{heading}" if heading else target)
    assert not absent, f"{page} links to what is not there"


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}
