"""Nothing in massjax reads or writes pickles, which run whatever code is in them."""

from __future__ import annotations

import ast
from pathlib import Path

FORBIDDEN = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def test_no_module_uses_pickle(root: Path) -> None:
    sources = sorted((root / "massjax").rglob("*.py"))
    assert len(sources) > 50
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN, source
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False, source
