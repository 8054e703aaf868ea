from __future__ import annotations

import io
import sys
import unicodedata

import pytest
from hypothesis import given, strategies as st

from massjax.terminal import HIDDEN, PIPED_WIDTH, escaped_text, markup_text, printable_everywhere, result_console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("abc\u202ecba", r"abc\u202ecba"),
        ("\u2066AAPL\u2069", r"\u2066AAPL\u2069"),
        ("line\nbreak\r\ttab", r"line\nbreak\r\ttab"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("next\u2028line\x85", r"next\u2028line\x85"),
        ("undecodable \udc80 name", r"undecodable \udc80 name"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("nul\0", r"nul\x00"),
        ("贵州茅台 · Müller & Söhne 🚀 100\N{NO-BREAK SPACE}% −1", "贵州茅台 · Müller & Söhne 🚀 100\N{NO-BREAK SPACE}% −1"),
        (r"C:\runs\x1b", r"C:\runs\x1b"),
        (7, "7"),
    ],
)
def test_what_steers_a_terminal_is_shown_and_not_done(text: object, shown: str) -> None:
    assert escaped_text(text) == shown


def test_line_breaks_stay_where_a_message_has_several_lines() -> None:
    assert escaped_text("first\n  second\x1b", keep="\n") == "first\n  second\\x1b"


@given(st.text())
def test_nothing_hidden_is_left_and_nothing_visible_is_touched(text: str) -> None:
    shown = escaped_text(text)
    assert not HIDDEN & {unicodedata.category(c) for c in shown}
    assert escaped_text(shown) == shown
    visible = [c for c in text if unicodedata.category(c) not in HIDDEN]
    assert len(shown) >= len(text)
    if len(visible) == len(text):
        assert shown == text


def test_a_character_that_the_output_has_not_ends_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", None)
    printable_everywhere()
    print("5 …", flush=True)
    assert written.getvalue() == b"5 \\u2026\n"


def test_text_within_markup_is_no_style_and_steers_nothing() -> None:
    assert markup_text("[red]x\x1b[2J[/]") == r"\[red]x\x1b[2J\[/]"
    assert markup_text("a\nb", keep="\n") == "a\nb"


def test_what_is_piped_is_wide_enough_for_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert result_console().width == PIPED_WIDTH


def test_a_result_goes_nowhere_where_stdout_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    result_console().print("5")
