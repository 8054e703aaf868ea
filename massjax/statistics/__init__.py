"""Arrays in, numbers out: correlations, their errors under overlap, and what was kept out of sample."""
