"""Archetypes of investors, the facts they may see, and the prompts made of both."""

from massjax.agents.archetypes import resolve_archetypes
from massjax.agents.facts import Fact, facts_of, quantile_codes
from massjax.agents.prompts import ArchetypePrompts, Prompt, PromptTemplate, content_free, prompts_of

__all__ = [
    "ArchetypePrompts",
    "Fact",
    "Prompt",
    "PromptTemplate",
    "content_free",
    "facts_of",
    "prompts_of",
    "quantile_codes",
    "resolve_archetypes",
]
