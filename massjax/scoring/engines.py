"""Which engine answers: that of the settings, or none where only rules score."""

from __future__ import annotations

from massjax.models.language_model import Engine, NoEngine
from massjax.models.settings import ScoringSettings
from massjax.scoring.work import Work


def engine_for(work: Work) -> Engine:
    """The engine that a run needs: none for rules alone."""
    return make_engine(work.config.scoring) if any(a.kind == "llm" for a in work.archetypes) else NoEngine()


def make_engine(settings: ScoringSettings) -> Engine:
    """The engine that `scoring.engine` names."""
    if settings.engine == "fake":
        from massjax.models.fake import FakeEngine

        return FakeEngine(settings)
    if settings.engine == "openai":
        from massjax.models.server import OpenAIEngine

        return OpenAIEngine(settings)
    from massjax.models.vllm import VLLMEngine

    return VLLMEngine(settings)
