"""A continuous double auction of learning agents with heterogeneous preferences (arXiv 2511.05207), in pure JAX."""
