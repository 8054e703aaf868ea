"""What institutions bought and sold, from a user's table, on the stocks and dates of a panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from massjax.errors import ConfigError, DataError
from massjax.market.alignment import misaligned
from massjax.market.days_off import rows_off
from massjax.market.grid import days, place
from massjax.market.identifiers import PLAIN, Conventions
from massjax.market.panel import Panel
from massjax.market.reading import read_long, refuse

SETTING = "institutions"
"""What names the table in messages."""
Unlisted = Literal["unknown", "zero"]
"""What a member without a row is on a date on which the table has rows: unknown, or neither bought nor sold."""


@dataclass(frozen=True, eq=False)
class NetBuying:
    """Net buying by stock and date.

    Attributes:
        net: bought less sold, in shares or money; NaN where unknown. Its sign is what
            `massjax.statistics.decisions.directions` makes decisions of: overweight above 0, underweight below.
        warnings: sentences about rows that meet no stock or date of the panel, and about a table that is all of one sign.
    """

    net: Float[np.ndarray, "N T"]
    warnings: tuple[str, ...]


def read_net_buying(
    path: Path,
    panel: Panel,
    *,
    date: str = "date",
    stock: str = "stock",
    net: str = "net",
    unlisted: Unlisted = "unknown",
    conventions: Conventions = PLAIN,
) -> NetBuying:
    """A table of what institutions bought net of what they sold, such as an exchange publishes by stock and day.

    It is compared with decisions, never shown to an agent: the net buying of a day is known after its close at the earliest.

    Args:
        path: a parquet, CSV or tab-separated file with at most one row per stock and date, in any order:

            | date | stock | net |
            |---|---|---|
            | 2024-01-02 | 2330 | 1200000 |
            | 2024-01-02 | 2317 | -35000 |

        panel: whose members are looked up, on its dates.
        date, stock, net: names of the columns. Numbers may be text; a field that is empty is unknown.
        unlisted: what a member without a row is on a date on which the table has rows of others; some exchanges list only what was traded.
        conventions: how the table writes dates and stocks, as all tables of the market do (`Conventions.of(config.market)`).

    Raises:
        DataError: the table is missing or malformed, holds no number, or shares no stock or no date with the panel; the message names
            file, column, row, date and stock.

    Example:
        >>> import numpy as np, polars as pl, tempfile
        >>> from pathlib import Path
        >>> from massjax.market.institutions import read_net_buying
        >>> from massjax.market.panel import Panel
        >>> days = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[D]")
        >>> panel = Panel(days, ("2317", "2330"), np.ones((2, 2), bool))
        >>> table = Path(tempfile.mkdtemp()) / "net.csv"
        >>> _ = table.write_text("date,stock,net\\n2024-01-02,2330,1200000\\n2024-01-02,2317,-35000\\n2024-01-03,2330,0\\n")
        >>> read_net_buying(table, panel).net.tolist()
        [[-35000.0, nan], [1200000.0, 0.0]]
    """
    if unlisted not in ("unknown", "zero"):
        raise ConfigError(f"unlisted is {unlisted!r}; expected 'unknown' or 'zero'")
    rows = read_long(path, SETTING, date, stock, [net], conventions=conventions)
    refuse(rows["value_0"].is_nan(), rows, path, f"column {net!r}", "the net buying is NaN; leave the field empty where it is unknown")
    rows = rows.filter(rows["value_0"].is_not_null())
    if rows.is_empty():
        raise DataError(f"{path}: has no row with a number in column {net!r}; {SETTING} needs what was bought net of what was sold")
    members = [panel.stocks[n] for n in np.flatnonzero(panel.member.any(axis=1))]
    warnings = [
        *misaligned(rows["stock"], panel.stocks, members, path, names_others=True, dates=rows["date"]),
        *rows_off(rows, panel.dates, path, SETTING, None),
        *_one_sided(rows["value_0"].to_numpy(), path, net),
    ]
    values = place(rows, "value_0", panel.dates, panel.stocks)
    if unlisted == "zero":
        listed = np.isin(panel.dates, days(rows["date"]))
        values = np.where(np.isnan(values) & listed, 0.0, values)
    return NetBuying(np.where(panel.member, values, np.nan), tuple(warnings))


def _one_sided(values: Float[np.ndarray, " R"], path: Path, column: str) -> tuple[str, ...]:
    """A sentence if nothing was ever sold, or bought, as in a table of purchases alone or of holdings."""
    for missing, there in (("negative", values >= 0), ("positive", values <= 0)):
        if there.all() and values.any():
            return (
                f"{path}: column {column!r} has no {missing} number: is it what was bought less what was sold? Purchases alone, or what "
                "is held, say nothing of the side",
            )
    return ()
