"""Compiled programs are kept for the next process, kernels of numba by their name; where nothing can be kept, all goes on without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from massjax import compile_cache
from massjax.commands import optimize_parser
from massjax.compile_cache import VARIABLES, prune, use_compile_cache, user_cache
from massjax.errors import ConfigError

PROGRAM = """
import hashlib, json, sys
import jax, jax.monitoring, numpy as np
from massjax.compile_cache import use_compile_cache
from massjax.engine.devices import over_devices
import massjax as mj

jax.config.update("jax_num_cpu_devices", 2)
kept, events = use_compile_cache(), []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.rpartition("/")[2]))
rng = np.random.default_rng(0)
scores, member, returns = rng.random((3, 8, 2), np.float32), np.ones((8, 2), bool), rng.normal(size=(8, 2)).astype(np.float32)
found = []
for devices in (1, 2):
    with over_devices(devices):
        found.append(np.asarray(mj.fitness(scores, member, returns, rng.random((5, 3), np.float32))).tolist())
print(json.dumps({"kept": str(kept), "hits": events.count("cache_hits"), "misses": events.count("cache_misses"), "found": found}))
"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose environment says nothing of a cache, and whose settings are as before afterwards."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    with warnings.catch_warnings():
        yield
    for name, value in before.items():
        jax.config.update(name, value)


def run(cache: Path, **more: str) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | {"XDG_CACHE_HOME": str(cache), **more}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the user's cache folder is not named by XDG_CACHE_HOME here")
def test_a_second_process_finds_the_programs_of_the_first_and_computes_the_same(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="what is checked is that an entry names the kernel that numba compiles anew in each process")
    first, second = run(tmp_path), run(tmp_path)
    folder = tmp_path / "massjax" / "compiled"
    assert first["kept"] == second["kept"] == str(folder)
    assert first["hits"] == 0
    assert first["misses"] == second["hits"] == len(list(folder.glob("*-cache"))) > 0
    assert second["misses"] == 0
    assert first["found"] == second["found"]
    assert folder.stat().st_mode & 0o077 == 0, "nobody else may put programs there"
    for entry in folder.glob("*-cache"):
        entry.write_bytes(entry.read_bytes()[:100])
    assert run(tmp_path)["found"] == first["found"], "half an entry is compiled anew"


@pytest.mark.usefixtures("settings")
def test_a_folder_of_ones_own_and_none(tmp_path: Path) -> None:
    assert use_compile_cache(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "a" / "b")
    assert (jax.config.jax_enable_compilation_cache, jax.config.jax_persistent_cache_min_compile_time_secs) == (True, 0.0)
    assert list((tmp_path / "a" / "b").iterdir()) == []
    assert use_compile_cache("off") is None
    assert jax.config.jax_enable_compilation_cache is False
    assert optimize_parser().parse_args(["--compile-cache", "off"]).compile_cache == "off"


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_environment_says_of_jax_alone_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    assert use_compile_cache() is None
    assert jax.config.jax_compilation_cache_dir == before


@pytest.mark.usefixtures("settings")
def test_a_folder_that_cannot_be_made_is_done_without_unless_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.setattr(compile_cache, "user_cache", lambda: file / "massjax")
    assert use_compile_cache() is None
    monkeypatch.setattr(compile_cache, "user_cache", lambda: None)
    assert use_compile_cache() is None
    assert jax.config.jax_compilation_cache_dir == before
    with pytest.raises(ConfigError, match=r"--compile-cache .*file.*: Not a directory; name a folder"):
        use_compile_cache(str(file / "x"))


@pytest.mark.usefixtures("settings")
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_programs_of_another_user_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        use_compile_cache(str(tmp_path))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other folders there")
def test_the_users_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "massjax" / "compiled"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "massjax" / "compiled"


def test_the_oldest_entries_go_first(tmp_path: Path) -> None:
    for age, name in enumerate(("new-cache", "old-cache", "older-cache", "other")):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    prune(tmp_path, 30)
    assert len(list(tmp_path.iterdir())) == 4
    prune(tmp_path, 15)
    assert {file.name for file in tmp_path.iterdir()} == {"new-cache", "other"}
