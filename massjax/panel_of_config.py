"""The market panel of a configuration, of its file, or of market settings alone."""

from __future__ import annotations

from pathlib import Path

from massjax.config import RunConfig, load_config
from massjax.errors import ConfigError, error_context
from massjax.market.load import load_panel as panel_of_settings
from massjax.market.panel import Panel
from massjax.market.settings import MarketSettings


def load_panel(config: MarketSettings | RunConfig | Path | str) -> Panel:
    """The market panel that `config` describes.

    Features see all earlier data of the source, also from before `market.start`; forward returns see later data, also from
    after `market.end`. Nothing else dated t depends on anything later than the close of t. Stocks that are never a member
    are left out; the stocks do not depend on `market.start` and `market.end`. `market.only` takes some of them, after everything
    that compares stocks has been computed from all.

    Args:
        config: market settings, a run configuration, or the path of its file.

    Raises:
        ConfigError: the configuration file is wrong.
        DataError: the data is missing, malformed or too short; the message names file, column, date and stock.

    Returns:
        A `Panel`. `forward_returns[h]` is the simple return from the first close one can trade at, `execution_lag` dates after the
        decision, to the close h dates later: `p[t + lag + h] / p[t + lag] - 1`.

    Example:
        Twenty large US stocks, adjusted closes of which come with massjax's dependency skfolio. An order given at a close is filled at
        the next (`execution_lag` 1), and the return over five days begins there:

        >>> import numpy as np, massjax as mj
        >>> from massjax.config import MarketSettings
        >>> panel = mj.load_panel(MarketSettings(source="sp500", start="2022-01-03", end="2022-03-31", horizons=[5], execution_lag=1))
        >>> panel
        Panel(20 stocks × 62 dates, prices, 4 modalities)
        >>> panel.stocks[:3], panel.modalities()
        (('AAPL', 'AMD', 'BAC'), ('price', 'price_feature', 'risk', 'cross_industry'))
        >>> p = panel.prices[0]
        >>> bool(np.isclose(panel.forward_returns[5][0, 0], p[6] / p[1] - 1))
        True
    """
    if isinstance(config, Path | str):
        section = load_config(config).market
        with error_context(config):
            return panel_of_settings(section)
    settings = config.market if isinstance(config, RunConfig) else config
    if not isinstance(settings, MarketSettings):
        raise ConfigError(
            f"load_panel: expected the path of a configuration file, a RunConfig or MarketSettings, not {type(config).__name__}; "
            "make settings of a mapping with massjax.config.MarketSettings(**mapping)"
        )
    return panel_of_settings(settings)
