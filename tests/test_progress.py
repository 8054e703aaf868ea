"""What a command says while it works: lines by a clock that the test turns, flags, and the bar on a terminal."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from massjax import progress
from massjax.answers.__main__ import main as answers
from massjax.flags import Loudness
from massjax.optimize import main as optimize
from massjax.precompute import main as precompute
from massjax.progress import Lines, Speaker, StageProgress, correcting, duration, speaking
from massjax.version import massjax_version
from tests.test_precompute import config_file


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spoken(verbose: bool = False) -> tuple[Clock, list[str], Lines]:
    clock, written = Clock(), list[str]()
    return clock, written, Lines(written.append, clock, verbose=verbose)


def test_a_line_a_stage_and_one_every_half_minute() -> None:
    clock, written, lines = spoken()
    lines.tell("reading", 0, 0)
    clock.now += 5
    lines.tell("asking prompts", 0, 1200)
    for _ in range(8):
        clock.now += 10
        lines.beat()
    assert written == [
        "reading",
        "asking prompts (1,200)",
        "asking prompts: 0 of 1,200 in 30 s",
        "asking prompts: 0 of 1,200 in 60 s",
    ], "a call that says nothing is not silent"
    clock.now += 10
    lines.tell("asking prompts", 200, 1200)
    clock.now += 20
    lines.tell("asking prompts", 400, 1200)
    clock.now += 10
    lines.beat()
    assert written[4:] == [
        "asking prompts: 200 of 1,200 in 1 min 30 s, 2.2 a second, about 7 min 30 s left",
        "asking prompts: 400 of 1,200 in 2 min 0 s, 10 a second, about 70 s left",
    ], "what came before the first answers (loading the model) is not held against the rest"


def test_verbose_says_how_long_each_stage_took() -> None:
    clock, written, lines = spoken(verbose=True)
    lines.tell("reading", 0, 0)
    clock.now += 7
    lines.tell("searching", 0, 0)
    clock.now += 200
    lines.close()
    assert written == ["reading", "reading: done in 7 s", "searching", "searching: done in 3 min 20 s"]


def test_a_name_cannot_steer_the_terminal() -> None:
    _, written, lines = spoken()
    lines.tell("searching: \x1b[2J\rx\n\u202ey", 0, 0)
    assert written == ["searching: \\x1b[2J\\rx\\n\\u202ey"]


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.1, 100.0)), min_size=1, max_size=20))
def test_the_time_left_follows_the_speed_after_the_first_part(parts: list[tuple[int, float]]) -> None:
    total = sum(done for done, _ in parts)
    stage, now, done = StageProgress("x", 0.0), 0.0, 0
    for more, seconds in parts:
        now, done = now + seconds, done + more
        stage = stage.advanced(done, total, now)
    (first, begun), *rest = parts
    trusted = first >= 16 or first * 20 >= total
    expected = sum(d for d, _ in rest) / sum(s for _, s in rest) if rest else first / begun
    assert stage.rate() == (pytest.approx(expected) if rest or trusted else None)
    assert "left" not in stage.line(now), "nothing is left of what is done"


def test_the_first_batch_corrects_what_was_assumed() -> None:
    clock, written, lines = spoken()
    tell = correcting(Speaker(lines.tell, lines.say, lines.say), "asking prompts", clock)
    tell("asking prompts", 0, 5000)
    for done in (2, 1026, 2050):
        clock.now += 12
        tell("asking prompts", done, 5000)
    assert written == [
        "asking prompts (5,000)",
        "asking prompts: 1,026 of 5,000 in 24 s, 85 a second, about 47 s left",
    ], "before half a minute has passed, and once"
    _, written, lines = spoken()
    tell = correcting(Speaker(lines.tell, lines.say, lines.say), "asking prompts", clock)
    for done in (0, 20, 40):
        clock.now += 1
        tell("asking prompts", done, 40)
    assert written == ["asking prompts (40)"], "what is soon over needs no word"


def test_a_stage_that_begins_anew_has_a_speed_of_its_own() -> None:
    clock, written, lines = spoken()
    tell = correcting(Speaker(lines.tell, lines.say, lines.say), "asking", clock)
    for done, total in ((0, 10), (5, 10), (10, 10), (0, 4), (2, 4), (4, 4)):
        clock.now += 1
        tell("asking", done, total)
    clock.now += 60
    lines.beat()
    assert written == ["asking (10)", "asking: 4 of 4 in 62 s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "1 min 30 s"),
        (599, "9 min 59 s"),
        (600, "10 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (200_000, "2.3 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_half_a_minute_passes_by_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BEAT", 0.01)
    lines = Lines(lambda line: print(line, file=sys.stderr), interval=0.05)
    with progress._beating(lines.beat):
        lines.tell("a long call", 0, 0)
        told = ""
        while "s so far" not in told:
            time.sleep(0.05)
            told += capsys.readouterr().err
    assert re.search(r"a long call: \d+ s so far", told)


def test_quiet_says_nothing_and_verbose_says_when(capsys: pytest.CaptureFixture[str]) -> None:
    for loudness in Loudness:
        with speaking(loudness) as speaker:
            speaker.tell("reading", 0, 0)
            speaker.say("a remark")
            speaker.detail("a detail")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["reading", "a remark"]
    assert [line[9:] for line in lines[2:]] == ["reading", "a remark", "a detail", "reading: done in 0 s"]
    assert all(time.strptime(line[:8], "%H:%M:%S") for line in lines[2:])


def test_a_terminal_has_its_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with speaking(Loudness.NORMAL) as speaker:
        speaker.tell("asking [prompts]", 3, 7)
        time.sleep(0.3)
    assert "asking [prompts]" in terminal.getvalue()
    assert "3/7" in terminal.getvalue()
    assert "\x1b" in terminal.getvalue()


@pytest.mark.parametrize("gone", ["closed", "dumb", "broken"])
def test_where_a_bar_cannot_be_drawn_there_are_lines_or_nothing(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: gone == "dumb"  # type: ignore[method-assign]
    if gone == "broken":
        stream.close()
        stream.isatty = lambda: False  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", None if gone == "closed" else stream)
    monkeypatch.setenv("TERM", "dumb")
    with speaking(Loudness.NORMAL) as speaker:
        speaker.tell("reading", 0, 0)
    if gone == "dumb":
        assert stream.getvalue() == "reading\n"


@pytest.mark.parametrize("command", [optimize, precompute, answers])
def test_every_command_has_a_version(command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"massjax {massjax_version()}\n"


@pytest.mark.parametrize("command", [optimize, precompute])
def test_quiet_and_verbose_exclude_each_other(command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(["--quiet", "--verbose"])
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_precompute_tells_of_prompts_and_quiet_leaves_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(config_file(tmp_path))
    assert precompute(["--config", config]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["reading the market data", "writing the prompts (2)"]
    assert [line for line in told if re.match(r"asking \(\d+\)$", line)]
    assert told[-1].startswith("writing the score tensor")
    assert precompute(["--config", config, "--store", str(tmp_path / "other"), "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "warning: scoring.engine is 'fake'" in printed.out, "what warns of the result belongs to it"
    assert "questions asked" in printed.out
