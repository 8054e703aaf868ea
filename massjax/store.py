"""The old name of `python -m massjax.answers`: the same commands, with a word about where they are now."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what `python -m massjax.answers` does."""
    from massjax.answers.__main__ import main as answers

    print("python -m massjax.store is now python -m massjax.answers", file=sys.stderr)
    return answers(arguments)


if __name__ == "__main__":
    sys.exit(main())
