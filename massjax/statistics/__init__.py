"""Arrays in, numbers out: correlations, intervals and chance of luck under overlap, effective numbers, and what was kept out of sample."""
