"""An editable install is found from everywhere, also from the folder that holds the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="77", reason="building the project needs setuptools")

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
USE = """
import os, site, sys
sys.path[:] = [place for place in sys.path if not place or not os.path.isfile(os.path.join(place, "massjax", "__init__.py"))]
site.addsitedir({site!r})
import massjax
print(massjax.__file__, massjax.load_panel.__name__)
"""
"""Uses the installation in `site`, and none that the tests themselves run from."""


@pytest.fixture
def clone(tmp_path: Path, root: Path) -> Path:
    """What an installation needs of the project, in a folder of the package's name, as `git clone` makes it."""
    folder = tmp_path / "clones" / "massjax"
    shutil.copytree(root / "massjax", folder / "massjax", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, folder)
    return folder


def build(clone: Path, kind: str, into: Path) -> zipfile.ZipFile:
    """The wheel that pip would make of the clone: `build_wheel`, or `build_editable`."""
    into.mkdir()
    made = subprocess.run([sys.executable, "-c", BUILD, kind, str(into)], cwd=clone, capture_output=True, text=True, check=True)
    return zipfile.ZipFile(into / made.stdout.split()[-1])


def test_it_is_found_from_the_folder_that_holds_the_clone(clone: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with build(clone, "build_editable", tmp_path / "wheels") as wheel:
        wheel.extractall(site)
    assert [path.name for path in site.glob("*finder*")] == [], "a finder comes after the namespace package that any folder is"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for folder in (clone.parent, clone, tmp_path):
        command = [sys.executable, "-c", USE.format(site=str(site))]
        found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        assert found.stdout.split() == [str(clone / "massjax" / "__init__.py"), "load_panel"]


def test_a_wheel_carries_templates_a_policy_the_mark_of_its_types_and_the_licence(clone: Path, tmp_path: Path) -> None:
    with build(clone, "build_wheel", tmp_path / "wheels") as wheel:
        names = set(wheel.namelist())
    package = clone / "massjax"
    policies = [package / "simulations" / "policies" / name for name in ("living.npz", "living.json")]
    needed = [*package.rglob("*.py"), *package.rglob("*.j2"), *policies, package / "py.typed"]
    assert len([file for file in needed if file.suffix == ".j2"]) >= 2
    assert {file.relative_to(clone).as_posix() for file in needed} <= names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert not [name for name in names if not name.startswith(("massjax/", "massjax-"))]
