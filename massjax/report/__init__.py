"""What a run leaves behind: the printed summary, the run directory and its HTML report."""
