"""The kernel compiled by numba for a CPU, as operations that XLA calls."""

COLUMNS = 32
"""Candidates held side by side in vector registers, one in each column; their number is padded to a multiple of this."""
