"""The market: stocks, dates, membership, features by modality, texts and forward returns."""

from massjax.market.load import load_panel
from massjax.market.panel import Feature, MarketFact, Panel

__all__ = ["Feature", "MarketFact", "Panel", "load_panel"]
