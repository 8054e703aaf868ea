"""The kernel: from scores and weights to signals and their fitness, for thousands of candidates at once. Pure JAX, no I/O."""

from massjax.engine.evaluation import fitness, window_fitness
from massjax.engine.finite.agents import sample_agents
from massjax.engine.signals import Signal, aggregate
from massjax.engine.windows import Window, prepare_window

__all__ = ["Signal", "Window", "aggregate", "fitness", "prepare_window", "sample_agents", "window_fitness"]
