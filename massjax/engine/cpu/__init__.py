"""The kernel compiled by numba for a CPU, called from within XLA."""

LANES = 32
"""Candidates side by side in vector registers; their number is filled up to a multiple of it."""
