"""`python -m massjax.config docs/settings.md configs/schema.json`: write what is made from the settings' descriptions anew."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from massjax.config.json_schema import json_schema, market_json_schema
from massjax.config.printed import MARKET_EXPLANATION, markdown_page
from massjax.config.reference import market_sections, sections
from massjax.terminal import escaped_text

MARKET = "market"
"""A file whose name begins so is about the settings of a simulated market."""


def main(arguments: list[str] | None = None) -> int:
    """Write a page of Markdown into every `.md` file named, a JSON Schema into every `.json` file.

    They are of the settings of a simulated market where the name begins with `market`, else of a run.

    Returns:
        0; 2 for another file, or one that cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m massjax.config", description="Write the reference of all settings, made from them.")
    parser.add_argument("file", nargs="+", type=Path, help="FILE.md for the reference page, FILE.json for the JSON Schema")
    files = parser.parse_args(arguments).file
    for file in files:
        if file.suffix not in (".md", ".json"):
            parser.error(f"{file}: expected a file that ends in .md or .json")
    for file in files:
        try:
            file.write_text(_text(file), encoding="utf-8")
        except OSError as error:
            print(f"error: {escaped_text(file)}: cannot be written ({error.strerror})", file=sys.stderr)
            return 2
    return 0


def reference_page() -> str:
    """The text of `docs/settings.md`."""
    return markdown_page(sections())


def schema_text() -> str:
    """The text of `configs/schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def market_page() -> str:
    """The text of `docs/market_settings.md`."""
    return markdown_page(market_sections(), MARKET_EXPLANATION)


def market_schema_text() -> str:
    """The text of `configs/market_schema.json`."""
    return json.dumps(market_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _text(file: Path) -> str:
    page, schema = (market_page, market_schema_text) if file.name.startswith(MARKET) else (reference_page, schema_text)
    return page() if file.suffix == ".md" else schema()


if __name__ == "__main__":
    sys.exit(main())
