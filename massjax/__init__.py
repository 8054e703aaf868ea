"""massjax: which mix of LLM investors to trust, searched backwards through time."""
