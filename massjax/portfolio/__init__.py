"""From a signal to positions, trades, costs and returns."""
