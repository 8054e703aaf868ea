"""Paired experiments: the same questions with one thing changed, compared answer by answer."""
