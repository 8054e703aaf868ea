"""How many distinct prompts a full run has, against one for every archetype, stock and date. Needs no model.

    python benchmarks/deduplication.py --data ../shared/data

Sixteen archetypes are drawn as in MASS, each seeing one to three of the data's modalities. Facts are words (quantiles among the members
of the date) or numbers; names and dates are masked, as by default. Prompts are counted as precompute makes them: one for every distinct
combination of the facts that an archetype sees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from massjax.agents import Fact, facts_of, resolve_archetypes
from massjax.agents.archetype import Archetype
from massjax.agents.facts import UNKNOWN
from massjax.agents.settings import AgentsSettings
from massjax.market import Panel, load_panel
from massjax.market.settings import MarketSettings
from massjax.settings import validate

MASS_FEATURES = [f"price_value_feature_{i}" for i in range(6)]
PRICE_FEATURES = ["return_1w", "momentum_3m", "high_52w", "volatility_60d", "beta_6m", "relative_3m"]


def asked(archetype: Archetype, facts: Sequence[Fact], member: np.ndarray) -> tuple[int, int]:
    """Cells with something to ask, and the distinct prompts among them."""
    seen = [fact for fact in facts if fact.modality in archetype.modalities]
    codes = np.stack([fact.codes for fact in seen], axis=-1)
    askable = member & (codes != UNKNOWN).any(axis=-1)
    return int(askable.sum()), len(np.unique(codes[askable], axis=0))


def mass(data: Path) -> Panel:
    return load_panel(validate(MarketSettings, {"source": "mass", "folder": data / "mass_sse50", "execution_lag": 0}, "benchmark"))


def stocknet(data: Path, posts: bool) -> Panel:
    folder = data / "stocknet"
    settings: dict[str, Any] = {
        "source": "tables",
        "prices": {"path": folder / "prices.parquet", "close": "adj_close"},
        "stocks": {"path": folder / "stocks.parquet", "name": "company", "sector": "sector"},
        "start": "2014-01-02" if posts else "2012-09-04",
        "end": "2015-12-31" if posts else "2017-09-01",
    }
    if posts:
        settings["texts"] = [{"path": folder / "posts.parquet", "timestamp": "created_at", "text": "text"}]
    return load_panel(validate(MarketSettings, settings, "benchmark"))


def archetypes(panel: Panel, features: Sequence[str], texts: bool) -> tuple[AgentsSettings, tuple[Archetype, ...]]:
    modalities = tuple(dict.fromkeys(panel.features[name].modality for name in features)) + (("news",) if texts else ())
    if len(modalities) == 1:
        listed = [{"name": f"a{i}", "modalities": modalities, "persona": f"Kind {i}."} for i in range(16)]
        settings = validate(AgentsSettings, {"archetypes": listed, "features": tuple(features)}, "benchmark")
    else:
        drawn = {"count": 16, "modalities": modalities, "most_modalities": 3}
        settings = validate(AgentsSettings, {"draw": drawn, "features": tuple(features)}, "benchmark")
    return settings, resolve_archetypes(settings, panel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with mass_sse50/ and stocknet/")
    options = parser.parse_args()
    runs: list[tuple[str, Panel, list[str], bool]] = []
    whole = mass(options.data)
    runs.append(("mass_sse50, 3 features", whole, MASS_FEATURES[:3], False))
    runs.append(("mass_sse50, 6 features", whole, MASS_FEATURES, False))
    panel = stocknet(options.data, posts=False)
    runs.append(("stocknet, 6 features", panel, PRICE_FEATURES, False))
    runs.append(("stocknet, all features", panel, list(panel.features), False))
    posts = stocknet(options.data, posts=True)
    runs.append(("stocknet 2014-15, 6 features and posts", posts, PRICE_FEATURES, True))

    table = Table(title="Distinct prompts of a full run, 16 archetypes")
    for column in ("data", "facts", "stocks", "dates", "scores", "distinct prompts", "share asked", "scores a prompt", "counted in"):
        table.add_column(column, justify="left" if column in ("data", "facts") else "right")
    for name, panel, features, texts in runs:
        settings, kinds = archetypes(panel, features, texts)
        for style in ("words", "numbers"):
            began = time.perf_counter()
            facts = facts_of(panel, settings.replace(facts=style))
            counts = [asked(kind, facts, panel.member) for kind in kinds]
            cells, distinct = (sum(column) for column in zip(*counts, strict=True))
            table.add_row(
                name, style, str(len(panel.stocks)), f"{len(panel.dates):,}", f"{cells:,}", f"{distinct:,}", f"{distinct / cells:.1%}",
                f"{cells / distinct:.1f}", f"{time.perf_counter() - began:.0f} s",
            )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
