"""The engine for a server with the OpenAI API: `vllm serve`, or a hosted endpoint.

httpx rather than the openai package: two small JSON requests need no client library, and its hidden retries would defeat the bound on
concurrency and the honouring of Retry-After that a shared endpoint needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from massjax.agents import Prompt
from massjax.config import ScoringSettings
from massjax.errors import ConfigError, ModelError, did_you_mean
from massjax.scoring.chat import WELL_KNOWN_TOKENS, Chat, defuse
from massjax.scoring.engine import Answers, Sampling, Texts
from massjax.scoring.model_files import model_folder, tokenizer_fingerprints

TOKEN = "token_id:"


class OpenAIEngine:
    """A server with the OpenAI API; implements `massjax.scoring.engine.Engine`.

    Raises:
        ConfigError: the environment variable with the key is not set, or a setting does not go with the API.
        ModelError: the server does not answer, does not know the model, or a choice is not a single token of it.
    """

    def __init__(self, settings: ScoringSettings) -> None:
        assert settings.endpoint is not None
        self.settings, self.endpoint = settings, settings.endpoint
        self._chat: Chat | None = None
        self.choice_ids: list[int] = []
        if self.endpoint.api == "completions":
            if not settings.model:
                raise ConfigError(
                    "scoring.model: name the Hugging Face folder or model that the server serves; its tokenizer renders the prompts "
                    "(scoring.endpoint.api: chat needs none)"
                )
            self._chat = Chat(model_folder(settings.model, settings.revision), settings.prefill)
            self.choice_ids = self._chat.choice_ids(settings.choices)
        elif settings.prefill:
            raise ConfigError("scoring.prefill: the chat API takes no beginning of an answer; leave it out, or use api: completions")
        secret = key_from_environment(self.endpoint.key_variable)
        try:
            from massjax.scoring.http import Requests
        except ImportError as error:
            raise ModelError(f"{error.name} is not installed; install massjax[openai]") from None
        self._requests = Requests(self.endpoint, {"authorization": f"Bearer {secret}"} if secret else {}, secret)
        try:
            self.model = self._served_model()
        except BaseException:
            self._requests.close()
            raise

    @property
    def prompts_at_once(self) -> int:
        """Enough that most of a call has all allowed requests under way."""
        return 8 * self.endpoint.concurrency

    def identity(self) -> dict[str, str]:
        """API, served model, and what renders the prompts. A server's weights cannot be verified: the served name stands for them."""
        known = {} if self._chat is None else tokenizer_fingerprints(self._chat.folder) | {"chat_template_rendered": self._chat.rendered}
        return {
            "engine": f"openai {self.endpoint.api}",
            "served_model": self.model,
            "server": self._server_version(),
            "weights": "not verified: whatever the server serves under this name",
            **known,
            "choice_token_ids": " ".join(map(str, self.choice_ids)),
            "sampling": "greedy, one token, "
            + ("full-vocabulary logprobs of the choice tokens" if self._chat else f"top {self.endpoint.top_logprobs} logprobs"),
        }

    def load(self) -> None:
        """Nothing to load: the server has the model."""

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """One request a prompt; a prompt that stays unanswered is a failure of its row.

        Raises:
            ModelError: not one prompt of several was answered.
        """
        logprobs = np.full((len(prompts), len(self.settings.choices)), np.nan)
        failures: dict[int, str] = {}
        tokens, cached = np.zeros(len(prompts), dtype=np.int64), np.zeros(len(prompts), dtype=np.int64)
        bodies, rows = [], []
        encoded = [None] * len(prompts) if self._chat is None else self._chat.all_ids(prompts)
        for row, (prompt, ids) in enumerate(zip(prompts, encoded, strict=True)):
            if isinstance(ids, str):
                failures[row] = ids
            elif ids is not None and len(ids) > self.settings.max_model_len - 1:
                failures[row] = f"the prompt has {len(ids)} tokens, more than {self.settings.max_model_len - 1}"
            else:
                bodies.append(self._body(prompt, ids))
                rows.append(row)
        path = "/completions" if self._chat else "/chat/completions"
        replies = self._requests.post(path, bodies, self._fault)
        for row, reply in zip(rows, replies, strict=True):
            if reply.document is None:
                failures[row] = reply.failure
                continue
            logprobs[row] = self._logprobs(reply.document)
            usage = reply.document.get("usage") or {}
            tokens[row] = int(usage.get("prompt_tokens") or 0)
            cached[row] = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        if bodies and all(reply.document is None for reply in replies):
            raise ModelError(
                f"{self.endpoint.url}: answered none of {len(bodies)} prompts; the first: {replies[0].failure}. "
                "What is scored is stored; start again when the server answers"
            )
        return Answers(logprobs, failures, tokens, cached)

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """One request a text."""
        texts: list[str | None] = [None] * len(prompts)
        failures: dict[int, str] = {}
        bodies, rows = [], []
        for row, (prompt, how) in enumerate(zip(prompts, sampling, strict=True)):
            common = {"model": self.model, "max_tokens": how.max_tokens, "temperature": how.temperature, "seed": how.seed}
            try:
                asked = self._messages(prompt) if self._chat is None else {"prompt": self._chat.ids(prompt, prefill="")}
            except ValueError as error:
                failures[row] = str(error)
                continue
            bodies.append({**common, **asked})
            rows.append(row)
        path = "/completions" if self._chat else "/chat/completions"
        replies = self._requests.post(path, bodies, lambda document: None if self._text(document) else "an empty text")
        for row, reply in zip(rows, replies, strict=True):
            if reply.document is None:
                failures[row] = reply.failure
            else:
                texts[row] = self._text(reply.document)
        return Texts(texts, failures)

    def _text(self, document: Mapping[str, Any]) -> str:
        choice = document["choices"][0]
        return str((choice["text"] if self._chat else choice["message"]["content"]) or "").strip()

    def close(self) -> None:
        """Close all connections."""
        self._requests.close()

    def _body(self, prompt: Prompt, ids: list[int] | None) -> dict[str, Any]:
        common = {"model": self.model, "max_tokens": 1, "temperature": 0, "seed": self.settings.seed}
        if ids is None:
            return {**common, **self._messages(prompt), "logprobs": True, "top_logprobs": self.endpoint.top_logprobs}
        asked = {"logprobs": 1, "logprob_token_ids": self.choice_ids, "return_tokens_as_token_ids": True}
        return {**common, "prompt": ids, "add_special_tokens": False, **asked}

    @staticmethod
    def _messages(prompt: Prompt) -> dict[str, Any]:
        system, user = (defuse(part, WELL_KNOWN_TOKENS) for part in prompt)
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]}

    def _fault(self, document: Mapping[str, Any]) -> str | None:
        found = self._likeliest(document)
        if self._chat is None:
            return None if found else "the server sent no log-probabilities (it may not support logprobs)"
        missing = [choice for choice, token in zip(self.settings.choices, self.choice_ids, strict=True) if f"{TOKEN}{token}" not in found]
        return f"the server sent no log-probability of {', '.join(missing)} (it needs vLLM's logprob_token_ids)" if missing else None

    def _likeliest(self, document: Mapping[str, Any]) -> dict[str, float]:
        logprobs = document["choices"][0]["logprobs"] or {}
        if self._chat is not None:
            return {str(token): float(value) for token, value in (logprobs["top_logprobs"][0] or {}).items()}
        return {str(entry["token"]): float(entry["logprob"]) for entry in logprobs["content"][0]["top_logprobs"]}

    def _logprobs(self, document: Mapping[str, Any]) -> list[float]:
        """Of each choice; minus infinity for one that is not among the likeliest, NaN for all if none is."""
        found = self._likeliest(document)
        if self._chat is not None:
            return [found[f"{TOKEN}{token}"] for token in self.choice_ids]
        values = [max((v for t, v in found.items() if t.strip() == choice), default=-np.inf) for choice in self.settings.choices]
        return values if max(values) > -np.inf else [np.nan] * len(values)

    def _server_version(self) -> str:
        return _version(self._requests.probe(self.endpoint.url.rstrip("/").removesuffix("/v1") + "/version"))

    def _served_model(self) -> str:
        reply = self._requests.get("/models")
        if reply.document is None:
            raise ModelError(f"{self.endpoint.url}: cannot be asked which models it serves: {reply.failure}; is the server running?")
        served = [str(model.get("id")) for model in reply.document.get("data", [])]
        if not self.endpoint.model:
            if len(served) != 1:
                raise ModelError(f"{self.endpoint.url}: serves {len(served)} models; name one as scoring.endpoint.model")
            return served[0]
        if self.endpoint.model not in served:
            hint = did_you_mean(self.endpoint.model, served)
            raise ModelError(f"scoring.endpoint.model: {self.endpoint.url} does not serve {self.endpoint.model!r}{hint}")
        return self.endpoint.model


def _version(document: Mapping[str, Any] | None) -> str:
    version = None if document is None else document.get("version")
    return f"vllm {version}" if isinstance(version, str) else "unknown: the server does not say its version"


def key_from_environment(variable: str | None) -> str | None:
    """The API key in an environment variable; None where no variable is named.

    Raises:
        ConfigError: the variable is not set or empty.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"scoring.endpoint.key_variable: the environment variable {variable} is not set; put the API key into it")
    return key
