"""What all tests share: where the optional reference data is, and a server of object storage."""

from __future__ import annotations

import atexit
import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # what tests compile is kept for the others of this run, not in the user's cache folder
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="massjax-tests-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import hypothesis
import jax
import pytest

from tests.shapes import check_shapes

check_shapes()  # before anything of massjax is imported

from massjax.config import RunConfig  # noqa: E402
from massjax.pipeline import run  # noqa: E402
from massjax.report.run import RunResult  # noqa: E402
from tests import small_run as small_run_settings, small_store  # noqa: E402

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_device() -> None:
    """JAX starts with one device in the process of the tests, whichever test comes first; commands would split the CPU for it."""
    jax.devices()


@pytest.fixture(scope="module", autouse=True)
def no_programs_pile_up() -> Iterator[None]:
    """What a file's tests compiled goes with them: each program maps memory some 25 times, and Linux lets a process do so 65,530 times."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of market data and reference values that lies beside a developer's checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the reference data (a folder shared/ beside the checkout, with data/ and golden/) is not here")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a file system of 400 KB of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a client of a fresh S3 server (moto's, a process of its own), which has a bucket `scores`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(_server_command(port), stdout=output, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("PUT", "/scores")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        else:
            pytest.fail(f"the S3 server did not start: {log.read_text()[-500:]}")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "a-key-of-a-test",
            "AWS_SECRET_ACCESS_KEY": "abcdef-secret-of-a-test",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait()


def _server_command(port: int) -> list[str]:
    arguments = ["-H", "127.0.0.1", "-p", str(port)]
    if importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        return [sys.executable, "-m", "moto.server", *arguments]
    if found := shutil.which("moto_server"):
        return [found, *arguments]
    pytest.skip("there is no S3 server to test against: pip install 'moto[s3,server]'")


@pytest.fixture
def url(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a store may be made in object storage; processes that are started find its server too."""
    pytest.importorskip("obstore", reason="object storage needs obstore: pip install 'massjax[s3]'")
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://scores/{uuid.uuid4().hex}/s"


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    """The settings of the small store's run as plain values, to be changed by a test."""
    return json.loads(json.dumps(small_store.SMALL)) | {"store": str(tmp_path / "store")}


@pytest.fixture
def small_config(small: dict[str, Any], tmp_path: Path) -> RunConfig:
    """The configuration of the small store's run."""
    return small_store.written(small, tmp_path)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small real language model, converted once for all tests, unless MASSJAX_SMALL_MODEL names a folder in which it is already."""
    folder = Path(os.environ.get("MASSJAX_SMALL_MODEL") or tmp_path_factory.mktemp("model") / "smollm2")
    subprocess.run([sys.executable, "-m", "massjax.models.small", str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def small_run() -> RunResult:
    """The result of the small run of rules."""
    return run(small_run_settings.small_config())
