"""The report of a simulated market: its words, tables, figures and files."""
