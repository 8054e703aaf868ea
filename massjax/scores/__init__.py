"""Scores of archetypes about stocks on dates: from answers to a labelled tensor, and from anybody's table."""
