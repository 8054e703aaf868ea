"""Logs in object storage: the same promises against a real S3 server on loopback (moto's), and in obstore's memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from massjax.answers.__main__ import main
from massjax.answers.log import AnswerLog
from massjax.answers.merge import merge
from massjax.answers.places import LocalPlace, open_place
from massjax.answers.verify import repair, verify
from massjax.errors import StoreError

from .asked import Counting, fill, keys, questions

obstore = pytest.importorskip("obstore", reason="object storage needs obstore: pip install 'massjax[s3]'")
ASKED = questions(90)


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest) -> object:
    """Where a log may be made, on a server or in memory."""
    return request.getfixturevalue("url") if request.param == "s3" else obstore.store.MemoryStore()


def test_a_log_of_objects_is_as_a_local_one(place: object, tmp_path: Path) -> None:
    assert not open_place(place).exists()
    log, local = fill(AnswerLog(place), ASKED), fill(AnswerLog(tmp_path / "log"), ASKED)
    for one, other in zip(AnswerLog(place).choices(keys(ASKED), 5), local.choices(keys(ASKED), 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert verify(place).ok
    model = Counting()
    log.ask(model, questions(120))
    assert len(model.asked) == 30 + local.failed
    assert merge([place], tmp_path / "here").copied == 120
    assert merge([tmp_path / "here"], open_place(place).below("there")).copied == 120
    assert len(AnswerLog(open_place(place).below("there"))) == len(AnswerLog(place)) > 100


def test_damage_is_named_and_mended_by_asking_again(place: object) -> None:
    log = fill(AnswerLog(place), ASKED)
    name = log.files[0]
    data = bytearray(log.place.read(name) or b"")
    data[7] ^= 1
    log.place.put(name, bytes(data))
    assert (log.choices(keys(ASKED), 5)[2] == 255).sum() == 50
    assert [name for name, _ in log.damaged] == [name]
    assert [problem.file for problem in verify(place).problems] == [name]
    assert repair(place).aside == (name,)
    assert verify(place).ok
    log = AnswerLog(place)
    log.ask(Counting(), ASKED)
    assert len(AnswerLog(place)) > 80


def test_commands_and_processes_reach_it(url: str, s3: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys; from tests.answers.asked import *; from massjax.answers.log import AnswerLog\n"
        "AnswerLog(sys.argv[1]).ask(Counting(), questions(90))"
    )
    environment = {**os.environ, **s3, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", script, f"{url}/answers"]
    writers = [subprocess.Popen(command, env=environment, cwd=root) for _ in range(3)]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0]
    assert main(["info", url]) == 0
    assert main(["verify", f"{url}/answers"]) == 0
    said = capsys.readouterr().out
    assert f"{url}/answers" in said
    assert "sound" in said
    assert AnswerLog(f"{url}/answers").disagreements() == 0
    assert len(AnswerLog(Path(f"{url}/answers"))) > 80
    assert main(["info", f"{url}-absent"]) == 2


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("s3://bucket", "is a whole bucket"),
        ("s3://key:secret@bucket/answers", "credentials belong into the environment"),
        ("s3://bucket/answers?secret=hidden", "credentials belong into the environment"),
        ("memory://answers", "share nothing"),
        ("ftp://server/answers", "is no URL that obstore can open"),
        (5, "expected a path, a URL"),
    ],
)
def test_a_place_that_is_none_is_refused_without_telling_secrets(where: object, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        AnswerLog(where)
    assert "secret" not in str(caught.value).replace("secret=", "")
    assert "hidden" not in str(caught.value)


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    assert isinstance(open_place(f"file://{tmp_path}/log"), LocalPlace)
    assert str(open_place(f"file://{tmp_path}/log")) == f"{tmp_path}/log"


def test_a_bucket_that_is_not_there_or_refuses_is_told_without_the_servers_words(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = "s3://no-such-bucket/answers"
    with pytest.raises(StoreError, match=r"there is no such bucket|cannot list") as caught:
        AnswerLog(absent)
    assert "abcdef-secret" not in str(caught.value)
    with pytest.raises(StoreError, match="cannot write"):
        open_place(absent).put("x", b"1")
