"""The sample of S&P 500 stocks that the skfolio package carries: 20 companies, 1990 to 2022, adjusted closes.

The file is read where the package is installed, without importing skfolio, which takes seconds and brings in a solver stack.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from massjax.errors import DataError
from massjax.market.panel import Panel

COMPANIES = {
    "AAPL": ("Apple", "Information Technology"),
    "AMD": ("Advanced Micro Devices", "Information Technology"),
    "BAC": ("Bank of America", "Financials"),
    "BBY": ("Best Buy", "Consumer Discretionary"),
    "CVX": ("Chevron", "Energy"),
    "GE": ("General Electric", "Industrials"),
    "HD": ("Home Depot", "Consumer Discretionary"),
    "JNJ": ("Johnson & Johnson", "Health Care"),
    "JPM": ("JPMorgan Chase", "Financials"),
    "KO": ("Coca-Cola", "Consumer Staples"),
    "LLY": ("Eli Lilly", "Health Care"),
    "MRK": ("Merck", "Health Care"),
    "MSFT": ("Microsoft", "Information Technology"),
    "PEP": ("PepsiCo", "Consumer Staples"),
    "PFE": ("Pfizer", "Health Care"),
    "PG": ("Procter & Gamble", "Consumer Staples"),
    "RRC": ("Range Resources", "Energy"),
    "UNH": ("UnitedHealth Group", "Health Care"),
    "WMT": ("Walmart", "Consumer Staples"),
    "XOM": ("Exxon Mobil", "Energy"),
}
"""Name and GICS sector, by ticker."""

SURVIVORS = (
    "the sp500 sample holds 20 companies chosen because they survived to 2022: its absolute returns flatter every long "
    "portfolio; compare with the equal-weight portfolio of the same stocks"
)


def load_sp500() -> Panel:
    """All dates of the sample, without features or forward returns; every stock is a member on every date.

    Raises:
        DataError: skfolio is not installed, or does not carry the file.
    """
    table = pl.read_csv(_packaged_file(), try_parse_dates=True).sort("Date")
    dates = table["Date"].to_numpy().astype("datetime64[D]")
    closes = table.drop("Date")
    prices = np.ascontiguousarray(closes.to_numpy().T, dtype=np.float64)
    stocks = tuple(closes.columns)
    known = [stock for stock in stocks if stock in COMPANIES]
    return Panel(
        dates=dates,
        stocks=stocks,
        member=np.isfinite(prices),
        prices=prices,
        names={stock: COMPANIES[stock][0] for stock in known},
        sectors={stock: COMPANIES[stock][1] for stock in known},
        warnings=(SURVIVORS,),
    )


def _packaged_file() -> Path:
    package = find_spec("skfolio")
    if package is None or package.origin is None:
        raise DataError("market.source 'sp500' needs the package skfolio, which carries the prices: pip install skfolio")
    path = Path(package.origin).parent / "datasets" / "data" / "sp500_dataset.csv.gz"
    if not path.is_file():
        raise DataError(f"{path}: not found; market.source 'sp500' needs a version of skfolio that carries it: pip install 'skfolio>=0.5'")
    return path
