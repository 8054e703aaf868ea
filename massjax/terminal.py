"""Foreign text made safe to show: labels, file names and what a server said cannot steer a terminal or reorder a line."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories without a shape of their own: control, format (bidirectional and zero-width), surrogate, private, unassigned,
and the line and paragraph separators."""


def escaped_text(text: object, *, keep: str = "") -> str:
    r"""Text in which every character that is not seen, or acts on what is seen, is written as Python would escape it.

    For whatever is printed or put into a page and comes from outside: a label of an archetype or a stock, a path, a message of a
    server. An escape sequence could clear the screen, retitle the window or hide a line; a bidirectional control could show a
    name backwards. Letters of all scripts, combining marks, emoji and spaces of any width stay as they are.

    Args:
        text: anything with a `str`.
        keep: characters to leave alone all the same, such as `"\n"` in a message of several lines.

    Returns:
        One line, unless `keep` has a line break.

    Example:
        >>> escaped_text("momentum\x1b[2J")
        'momentum\\x1b[2J'
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(c if c in keep or unicodedata.category(c) not in HIDDEN else _escape(c) for c in plain)


def markup_text(text: object, *, keep: str = "") -> str:
    r"""One line of plain text for a place where rich reads markup: escapes what steers a terminal, and square brackets are no style.

    Args:
        text: anything with a `str`.
        keep: characters to leave alone all the same.

    Example:
        >>> markup_text("[red]momentum")
        '\\[red]momentum'
    """
    from rich.markup import escape

    return escape(escaped_text(text, keep=keep))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


PIPED_WIDTH = 200
"""Columns of what goes to a file or another command, so that no table drops a heading or a digit."""


def result_console() -> Console:
    """Where a command prints its result: as wide as the terminal, else `PIPED_WIDTH`; nowhere, where stdout is closed."""
    from rich.console import Console

    return Console() if sys.stdout is not None and sys.stdout.isatty() else Console(width=PIPED_WIDTH)


def printable_everywhere() -> None:
    """From now on a character that the terminal's or file's encoding has not (`LC_ALL=C`) is printed escaped, and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
