"""Many processes at one log, and disks that fail: nothing is lost, and what is wrong is told."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from massjax.answers.__main__ import main
from massjax.answers.ask import ask_open
from massjax.answers.log import AnswerLog
from massjax.answers.verify import repair, verify
from massjax.errors import StoreError

from .asked import Counting, answer, fill, keys, questions

AT_ONCE = """
import random, sys
from pathlib import Path
from massjax.answers import ask
from massjax.answers.ask import ask_open
from massjax.answers.log import AnswerLog
from tests.answers.kill_asking import ASKED, Noted, sound
place, who, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if who == "reader":
    while len(AnswerLog(place / "answers")) < len(ASKED):
        sound(place)
else:
    ask.MOST_UNFLUSHED = 8
    ask.sharing_order = lambda questions: random.Random(seed).sample(list(questions), len(questions))
    ask_open(AnswerLog(place / "answers"), Noted(place / f"asked-{seed}.log"), ASKED)
"""


def test_four_writers_and_two_readers_at_once(root: Path, tmp_path: Path) -> None:
    """All four ask everything, in orders of their own: each question is answered, hardly any twice, and no reader sees anything untrue."""
    from .kill_asking import ASKED, same

    environment = {**os.environ, "PYTHONPATH": str(root)}
    roles = [("writer", seed) for seed in range(4)] + [("reader", seed) for seed in (4, 5)]
    commands = [[sys.executable, "-c", AT_ONCE, str(tmp_path / "all"), who, str(seed)] for who, seed in roles]
    (tmp_path / "all").mkdir()
    processes = [subprocess.Popen(command, env=environment, cwd=root, stderr=subprocess.PIPE) for command in commands]
    for process in processes:
        told = process.communicate(timeout=300)[1]
        assert process.returncode == 0, told.decode()
    fill(AnswerLog(tmp_path / "one" / "answers"), ASKED)
    same(tmp_path / "one", tmp_path / "all", deaths=1000)
    given = sum(len(log.read_text().split()) for log in (tmp_path / "all").glob("asked-*.log"))
    assert given < 2 * len(ASKED), "four that do not know of each other would ask four times as much"
    assert verify(tmp_path / "all" / "answers").ok


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = questions(6000)
    log = AnswerLog(small_disk / "answers")
    with pytest.raises(StoreError, match=f"^{small_disk / 'answers'}: cannot write: the disk is full: free some space"):
        fill(log, asked, batch=50)
    written = len(log.files) * 50
    assert 50 <= written < len(asked)
    again = AnswerLog(small_disk / "answers")
    assert (again.known(keys(asked))).tolist() == [i < written and answer(q).failure is None for i, q in enumerate(asked)]
    assert verify(small_disk / "answers").ok
    assert verify(small_disk / "answers").notes == ()
    fill(AnswerLog(tmp_path / "large"), questions(6000, start=6000))
    assert main(["merge", str(tmp_path / "large"), str(small_disk / "merged")]) == 2
    assert main(["export", str(tmp_path / "large"), str(small_disk / "table.parquet")]) == 2
    assert capsys.readouterr().err.count("the disk is full") == 2
    assert not (small_disk / "table.parquet").exists()
    shutil.rmtree(small_disk / "merged", ignore_errors=True)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    model = Counting()
    ask_open(log, model, asked)
    assert len(model.asked) == len(asked) - written + sum(answer(q).failure is not None for q in asked[:written])
    assert verify(small_disk / "answers").ok


def test_asking_on_a_full_disk_keeps_what_was_flushed(small_disk: Path) -> None:
    model = Counting()
    with pytest.raises(StoreError, match="the disk is full"):
        ask_open(AnswerLog(small_disk / "answers"), model, questions(40_000))
    kept = AnswerLog(small_disk / "answers")
    assert len(kept) + kept.failed >= 4096
    assert len(kept) + kept.failed >= len(model.asked) - 2 * 4096
    model = Counting()
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(StoreError, match="the disk is full"):
        ask_open(kept, model, questions(10, start=90_000))
    assert model.asked == [], "found out before anything is asked"


def test_a_read_only_disk_is_told_and_can_still_be_read(small_disk: Path) -> None:
    asked = questions(60)
    log = fill(AnswerLog(small_disk / "answers"), asked)
    victim = small_disk / "answers" / log.files[0]
    victim.write_bytes(victim.read_bytes()[:-1])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    model = Counting()
    for action in (
        lambda: fill(log, questions(3, start=900)),
        lambda: ask_open(log, model, questions(3, start=900)),
        lambda: fill(AnswerLog(small_disk / "other"), asked),
        lambda: repair(small_disk / "answers"),
    ):
        with pytest.raises(StoreError, match=rf"^{small_disk}/(answers|answers/damaged|other): cannot write: the file system is read-only"):
            action()
    assert model.asked == []
    assert len(AnswerLog(small_disk / "answers").damaged) == 1
    assert main(["verify", str(small_disk / "answers")]) == 1
    assert main(["repair", str(small_disk / "answers")]) == 2


@pytest.fixture
def protected() -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder, and what to call to lose the permission to write there: root becomes nobody, another user's folders become read-only."""
    with tempfile.TemporaryDirectory() as name:
        folder, changed = Path(name), list[Path]()
        folder.chmod(0o755)

        def lose() -> None:
            if os.geteuid() == 0:
                os.seteuid(65534)
            else:
                changed.extend(path for path in (folder, *folder.rglob("*")) if path.is_dir())
                for path in changed:
                    path.chmod(0o555)

        yield folder, lose
        if os.getuid() == 0:
            os.seteuid(0)
        for path in changed:
            path.chmod(0o755)


def test_permission_that_is_lost_mid_way_is_told_and_the_log_can_still_be_read(protected: tuple[Path, Callable[[], None]]) -> None:
    folder, lose_permission = protected
    asked = questions(60)
    log, model = fill(AnswerLog(folder / "answers"), asked), Counting()
    lose_permission()
    for action in (lambda: fill(log, questions(3, start=900)), lambda: ask_open(log, model, questions(3, start=900))):
        with pytest.raises(StoreError, match=rf"^{folder / 'answers'}: cannot write: permission denied: use a folder you can write to"):
            action()
    assert model.asked == []
    assert main(["merge", str(folder / "answers"), str(folder / "merged")]) == 2
    assert len(AnswerLog(folder / "answers")) == len(log)
    assert verify(folder / "answers").ok


def test_files_that_may_not_be_read_are_an_error_not_an_open_question(protected: tuple[Path, Callable[[], None]]) -> None:
    folder, lose_permission = protected
    log = fill(AnswerLog(folder / "answers"), questions(60))
    hidden = folder / "answers" / random.Random(0).choice(log.files)
    hidden.chmod(0)
    lose_permission()
    with pytest.raises(StoreError, match="cannot be read: Permission denied"):
        AnswerLog(folder / "answers")
