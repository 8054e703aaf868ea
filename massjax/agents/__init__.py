"""Archetypes of investors, the facts they may see, and the prompts made of both."""

from massjax.agents.facts import Fact, TextCounts, count_texts, facts_of, quantile_codes
from massjax.agents.knowledge_cutoff import knowledge_cutoff_warnings
from massjax.agents.masking import Masker, masker_of
from massjax.agents.prompts import ARCHETYPE_FIRST, FACTS_FIRST, STAGE, ArchetypePrompts, PromptTemplate, content_free, prompts_of
from massjax.agents.quoting import one_line, quote
from massjax.agents.roster import resolve_archetypes
from massjax.models.question import Prompt

__all__ = [
    "ARCHETYPE_FIRST",
    "FACTS_FIRST",
    "STAGE",
    "ArchetypePrompts",
    "Fact",
    "Masker",
    "Prompt",
    "PromptTemplate",
    "TextCounts",
    "content_free",
    "count_texts",
    "facts_of",
    "knowledge_cutoff_warnings",
    "masker_of",
    "one_line",
    "prompts_of",
    "quantile_codes",
    "quote",
    "resolve_archetypes",
]
