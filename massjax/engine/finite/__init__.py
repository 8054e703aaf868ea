"""A finite number of agents with watch lists and picks, drawn from an agent distribution."""
