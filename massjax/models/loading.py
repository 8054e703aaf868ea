"""The language models that the settings name; weights are loaded when a model is first asked, or by its `load`; one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

from massjax.errors import ModelError, did_you_mean
from massjax.models.identity import identity_digest
from massjax.models.language_model import LanguageModel
from massjax.models.settings import ModelSettings


def language_model(settings: ModelSettings) -> LanguageModel:
    """Who answers: vLLM in this process, a server with the OpenAI API, or the fake, as `engine` says.

    Raises:
        ConfigError: a setting does not go with it.
        ModelError: vLLM or a package for the server is not installed, the model cannot be found, or the server does not answer.
    """
    if settings.engine == "fake":
        from massjax.models.fake import Fake

        return Fake(settings)
    if settings.engine == "openai":
        from massjax.models.remote import Server

        return Server(settings)
    from massjax.models.in_process import VLLM

    return VLLM(settings)


class Models:
    """Several models by name, of which at most one is at hand: taking another frees the one before, since two rarely fit one device.

    Models whose settings are equal are one model.

    Args:
        settings: of each name.
        make: makes a model of its settings.

    Example:
        >>> from massjax.models.settings import ModelSettings
        >>> with Models({"small": ModelSettings(engine="fake"), "large": ModelSettings(engine="fake", seed=1)}) as models:
        ...     sorted(models), models.digest("small") == models.digest("large"), models.take("large").identity()["seed"]
        (['large', 'small'], False, '1')
    """

    def __init__(self, settings: Mapping[str, ModelSettings], make: Callable[[ModelSettings], LanguageModel] = language_model) -> None:
        self.settings, self._make = dict(settings), make
        self._identities: dict[str, dict[str, str]] = {}
        self._at_hand: tuple[ModelSettings, LanguageModel] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    def take(self, name: str) -> LanguageModel:
        """The model of this name, not loaded before it is asked; the one taken before is closed.

        Raises:
            ModelError: no model is called so, or this one cannot be used.
        """
        wanted = self._settings(name)
        if self._at_hand is not None and self._at_hand[0] == wanted:
            return self._at_hand[1]
        self.close()
        found = self._make(wanted)
        self._at_hand = (wanted, found)
        return found

    def identity(self, name: str) -> dict[str, str]:
        """The whole identity of a model: its tokenizer is read or its server asked, but no weights are loaded.

        Raises:
            ModelError: as `take` does.
        """
        if name not in self._identities:
            wanted = self._settings(name)
            if self._at_hand is not None and self._at_hand[0] == wanted:
                self._identities[name] = self._at_hand[1].identity()
            else:
                passing = self._make(wanted)
                try:
                    self._identities[name] = passing.identity()
                finally:
                    passing.close()
        return self._identities[name]

    def digest(self, name: str) -> str:
        """What stands for the model in questions."""
        return identity_digest(self.identity(name))

    def close(self) -> None:
        """Free the model at hand."""
        if self._at_hand is not None:
            (_, model), self._at_hand = self._at_hand, None
            model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _settings(self, name: str) -> ModelSettings:
        if name not in self.settings:
            raise ModelError(f"no model is called {name!r}{did_you_mean(name, self.settings)}; known: {', '.join(self.settings) or 'none'}")
        return self.settings[name]
