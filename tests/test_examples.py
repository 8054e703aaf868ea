"""Every example of a docstring prints what it says, every public name has one, and the README's Python runs."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator

import jax
import pytest

import massjax
from tests.conftest import ROOT

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "massjax").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
"""Modules with an example; the others are not imported, for want of what they need or for time."""


@pytest.fixture(autouse=True)
def as_users_have_it() -> Iterator[None]:
    """JAX as it comes, not as strict as it may be in other tests."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def examples(thing: object, name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(thing, name) if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module: str) -> None:
    for test in examples(importlib.import_module(module), module):
        said: list[str] = []
        failed = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append).failed
        assert not failed, "".join(said)


@pytest.mark.parametrize("name", massjax.__all__)
def test_every_public_name_has_an_example_that_is_run(name: str) -> None:
    thing = getattr(massjax, name)
    module = importlib.import_module(thing.__module__)
    assert module.__name__ in MODULES
    assert getattr(module, name) is thing
    own = [test for test in examples(module, module.__name__) if test.name == f"{module.__name__}.{name}"]
    assert own, f"massjax.{name} has no example in its docstring"
    assert "Example:" in (thing.__doc__ or "")


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(ROOT)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") >= 2
