"""Walk-forward evaluation: each search through time, the controls beside it, and what came of every strategy."""
