"""Who answers a run: the language model of its settings, or nobody where only rules score."""

from __future__ import annotations

from collections.abc import Sequence

from massjax.agents.archetype import asks_a_model
from massjax.errors import ModelError
from massjax.models.language_model import Answers, LanguageModel, Sampling, Texts
from massjax.models.loading import language_model
from massjax.models.question import Prompt
from massjax.scoring.work import Work


def model_for(work: Work) -> LanguageModel:
    """The language model that a run needs: that of its settings, or none where only rules score."""
    return language_model(work.config.scoring) if asks_a_model(work.archetypes) else NoModel()


class NoModel:
    """In place of a language model in a run that has rule archetypes only: there is nothing to ask."""

    prompts_at_once = 1

    def identity(self) -> dict[str, str]:
        """Says that no model is involved."""
        return {"engine": "none: rules only"}

    def load(self) -> None:
        """Nothing to load."""

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """Refuses: a rule is never asked.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{len(prompts)} prompts were to be asked, but this run has rule archetypes only")

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """Refuses: a rule writes no text.

        Raises:
            ModelError: always.
        """
        raise ModelError(f"{len(prompts)} texts were to be written, but this run has rule archetypes only")

    def close(self) -> None:
        """Nothing to free."""
