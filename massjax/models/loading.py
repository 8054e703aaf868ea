"""The language model that the settings name; its weights are loaded when it is first asked, or by its `load`."""

from __future__ import annotations

from massjax.models.language_model import LanguageModel
from massjax.models.settings import ScoringSettings


def language_model(settings: ScoringSettings) -> LanguageModel:
    """The implementation that `scoring.engine` names: vLLM in this process, a server with the OpenAI API, or the fake.

    Raises:
        ConfigError: a setting does not go with it.
        ModelError: vLLM or a package for the server is not installed, the model cannot be found, or the server does not answer.
    """
    if settings.engine == "fake":
        from massjax.models.fake import FakeModel

        return FakeModel(settings)
    if settings.engine == "openai":
        from massjax.models.server import ServedModel

        return ServedModel(settings)
    from massjax.models.vllm import VLLMModel

    return VLLMModel(settings)
