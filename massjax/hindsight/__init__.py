"""How much a language model remembers of what it is asked about, measured with questions of its own beside those for scores."""
