"""How an archetype decides: a protocol a file."""
