"""Walk-forward evaluation: metrics that allow for overlap, controls, shrinkage, backtests, and the pipeline that runs them all."""
