"""The rows of `reference` as a page: for a terminal, and in Markdown."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence

from massjax.config.reference import Section, Setting, look_up
from massjax.errors import MassjaxError
from massjax.terminal import escaped_text

NARROWEST, WIDEST = 30, 80
"""Columns of a page for a terminal."""
EXPLANATION = """<!-- Made by `python -m massjax.config docs/settings.md configs/schema.json`; a test says when it is stale. -->

# Every setting

`python -m massjax.optimize --help-settings` prints this page, `--help-settings market.prices` one section of it, and
`--help-settings lookback` the settings of that name. `--set SECTION.KEY=VALUE` overrides a setting of the file, as in
`--set evaluate.lookback=40`. N stands for a place in a list, counted from 0 (`--set search.1.steps=200`), and NAME for a key of your own.
`null` is nothing. Unknown keys are refused.

Editors with YAML support complete and check a configuration that begins with `# yaml-language-server: $schema=PATH`, where PATH leads
from the file to [configs/schema.json](../configs/schema.json). What a schema cannot say, such as two settings that contradict each
other, the commands refuse when they read the file. It is stricter in one thing: it takes true, false and numbers only as they are written
here, while the commands take `yes`, `off` and `"3"` for them too. A checker that reads dates as dates (PyYAML does) must make texts of
them first."""


MARKET_EXPLANATION = """<!-- Made by `python -m massjax.config docs/market_settings.md configs/market_schema.json`; a test says when it is
stale. -->

# Every setting of a simulated market

`python -m massjax.simulate --help-settings` prints this page, `--help-settings simulation.traits` one section of it, and
`--help-settings ticks` the settings of that name. `--set SECTION.KEY=VALUE` overrides a setting of the file, as in
`--set simulation.market.agents=200`. `null` is nothing. Unknown keys are refused.

Editors with YAML support complete and check a configuration that begins with `# yaml-language-server: $schema=PATH`, where PATH leads
from the file to [configs/market_schema.json](../configs/market_schema.json)."""


def print_settings(query: str, among: tuple[Section, ...] | None = None) -> None:
    """Print the settings that somebody asks about: plain unless on a terminal, and never wider than that.

    Args:
        query: as `reference.look_up` takes it.
        among: sections in which they are looked for; None takes those of a run.

    Raises:
        ConfigError: nothing is called so.
        MassjaxError: what the page goes to cannot take it, such as a full disk.
    """
    found = look_up(query, among)
    if sys.stdout is None:  # it was closed before Python began
        return
    bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    page = terminal_page(found, shutil.get_terminal_size().columns, bold)
    if not query.strip():
        page += "\n\n" + textwrap.fill(
            f"One section alone: --help-settings SECTION, of {', '.join(s.key for s in found if s.key)}.", WIDEST
        )
    try:
        print(page, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python would flush once more at its end, and fail again
        if not isinstance(error, BrokenPipeError):  # as from `| head`, which has read what it wants
            raise MassjaxError(f"the settings cannot be printed ({error.strerror})") from None


def terminal_page(sections: Sequence[Section], width: int, bold: tuple[str, str] = ("", "")) -> str:
    """Sections with their settings, for a terminal.

    Args:
        sections: as `reference.look_up` gives them.
        width: columns of the terminal; lines are no longer, `WIDEST` at most, unless a single word is.
        bold: what begins and ends the name of a setting.
    """
    width = max(NARROWEST, min(WIDEST, width))
    return "\n\n".join(_block(section, width, bold) for section in sections)


def _block(section: Section, width: int, bold: tuple[str, str]) -> str:
    """A section's heading and text, and of every setting three things: name, what it takes and its default, description."""
    on, off = bold
    lines = [f"{on}{escaped_text(section.key) or 'the whole configuration'}{off}"]
    placed = "" if section.place == section.key else f"In --set: {section.place}.KEY=VALUE."
    lines += _filled(f"{section.text} {placed}", width, 2)
    for setting in section.settings:
        lines += [
            "",
            f"  {on}{escaped_text(setting.key)}{off}",
            *_filled(_takes(setting), width, 6),
            *_filled(setting.description, width, 6),
        ]
    return "\n".join(lines)


def _filled(text: str, width: int, indent: int) -> list[str]:
    blanks = " " * indent
    return textwrap.wrap(
        " ".join(escaped_text(text, keep="\n").split()),
        width,
        initial_indent=blanks,
        subsequent_indent=blanks,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _takes(setting: Setting) -> str:
    default = setting.default if setting.default in ("required", "") else f"default {setting.default}"
    return f"[{'; '.join(filter(None, [setting.kind, default]))}]"


def markdown_page(sections: Sequence[Section], explanation: str = EXPLANATION) -> str:
    """All sections as `docs/settings.md` holds them: what they are, and a table a section."""
    contents = " · ".join(f"[{_title(section)}](#{_anchor(_title(section))})" for section in sections)
    keys = {section.key for section in sections}
    return "\n\n".join([explanation, contents, *(_tabled(section, keys) for section in sections)]) + "\n"


def _tabled(section: Section, keys: Collection[str]) -> str:
    placed = "" if section.place == section.key else f"In `--set`: `{section.place}.KEY=VALUE`."
    text = " ".join([*section.text.split(), placed]).strip()
    rows = ["| setting | takes | default | what it is |", "|---|---|---|---|"]
    for setting in section.settings:
        name = f"`{setting.key.removeprefix(f'{section.key}.')}`"
        name = f"[{name}](#{_anchor(setting.key)})" if setting.key in keys else name
        default = setting.default if setting.default in ("required", "") else f"`{setting.default}`"
        cells = (name, setting.kind, default, setting.description)
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n\n".join(filter(None, [f"## {_title(section)}", text, "\n".join(rows)]))


def _title(section: Section) -> str:
    return section.key or "The whole configuration"


def _anchor(title: str) -> str:
    return title.lower().replace(".", "").replace(" ", "-")
