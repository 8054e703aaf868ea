"""What was measured, written beside the answers that it comes from."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from typing import Any

import numpy as np
import polars as pl

from massjax.answers.places import open_place
from massjax.hindsight.picture import picture
from massjax.hindsight.running import Hindsight
from massjax.hindsight.settings import Part
from massjax.hindsight.states import model_states
from massjax.hindsight.tables import markdown
from massjax.scores.measured import DOCUMENT, FOLDER, PICTURE, document_in
from massjax.scores.places import Place, inside, names_in
from massjax.version import massjax_version

TABLES, BLANK, YEARS = "hindsight.md", "blank.parquet", "years.parquet"


def write_hindsight(found: Hindsight, store: Place) -> Place:
    """Write `hindsight.json`, `hindsight.md`, `blank.parquet`, `years.parquet` and `years.svg` into the folder `hindsight` of a store.

    The document keeps the parts that an earlier call measured and this one does not, where they are of the same models, dates, stocks,
    horizon and cut-offs; else it begins anew, and files of the earlier call are deleted. Tables and picture are of this call.

    Returns:
        The folder.

    Raises:
        StoreError: it cannot be written, or what is there cannot be read.
    """
    folder = inside(store, FOLDER)
    place = open_place(folder)
    kept, about = document_in(store), _about(found)
    if kept.get("of") != about:
        kept = {}
    mine = _parts(found)
    parts = {**kept.get("parts", {}), **mine}
    states = [plain(one) for one in model_states(found)] or kept.get("models", [])
    document = {"massjax": massjax_version(), "of": about, "models": states, "parts": parts}
    files = {TABLES: markdown(found, [part for part in parts if part not in mine]).encode()}
    if found.probed:
        files[BLANK] = _parquet(blank_answers(found))
    if found.splits:
        files |= {YEARS: _parquet(by_year(found)), PICTURE: picture(found).encode()}
    files[DOCUMENT] = (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()  # last: it tells of the others
    if not kept:
        for name in (BLANK, YEARS, PICTURE):
            if name not in files and name in names_in(folder):
                place.remove(name)
    for name, data in files.items():
        place.put(name, data)
    return folder


def _about(found: Hindsight) -> dict[str, Any]:
    """What was measured: parts of one document are all of the same."""
    return {
        "horizon": found.horizon,
        "dates": [str(found.days[0]), str(found.days[-1])],
        "stocks": list(found.stocks),
        "models": found.identities,
        "cutoffs": {name: None if cutoff is None else str(cutoff) for name, cutoff in found.cutoffs.items()},
        "fake": found.fake,
    }


def _parts(found: Hindsight) -> dict[Part, Any]:
    """Each part that was measured as plain values, with the settings it was measured with."""
    shared = {"settings": found.settings.model_dump(mode="json")}
    probes = [plain({name: value for name, value in vars(one).items() if name != "blank"}) for one in found.probed]
    results: dict[Part, Any] = {
        "probe": probes,
        "audit": plain(found.audited),
        "familiarity": plain(found.familiar),
        "counterfactual": plain(found.swapped),
        "cutoff": plain(found.splits),
    }
    return {part: {**shared, "asked": found.asked.get(part, 0), "results": one} for part, one in results.items() if one}


def plain(value: Any) -> Any:
    """Data classes, tuples and arrays as what JSON holds; NaN and infinities as null, daily series and controls left out.

    Example:
        >>> import numpy as np
        >>> from massjax.hindsight.writing import plain
        >>> plain({1: (np.nan, np.float32(0.5)), "a": np.array([1, 2])})
        {'1': [None, 0.5], 'a': [1, 2]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [one.name for one in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in fields if name not in ("daily", "values")}
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, np.ndarray | tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def blank_answers(found: Hindsight) -> pl.DataFrame:
    """A row for each model, stock and date with a blank answer: the score that it comes to."""
    frames = []
    for one in found.probed:
        n, t = np.nonzero(np.isfinite(one.blank))
        frames.append(
            pl.DataFrame(
                {
                    "model": pl.Series([one.model] * n.size, dtype=pl.String),
                    "stock": pl.Series([found.stocks[row] for row in n.tolist()], dtype=pl.String),
                    "date": pl.Series([found.days[column] for column in t.tolist()], dtype=pl.Date),
                    "score": one.blank[n, t],
                }
            )
        )
    return pl.concat(frames)


def by_year(found: Hindsight) -> pl.DataFrame:
    """A row for each year of the blank answers and of each archetype's scores: mean RankIC, its standard error, and dates."""
    rows = [
        (one.name, one.model, year, of_year.mean, of_year.standard_error, of_year.dates)
        for one in found.splits
        for year, of_year in one.years.items()
    ]
    schema = {
        "scores": pl.String, "model": pl.String, "year": pl.Int64, "rank_ic": pl.Float64, "standard_error": pl.Float64, "dates": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _parquet(frame: pl.DataFrame) -> bytes:
    data = io.BytesIO()
    frame.write_parquet(data)
    return data.getvalue()
