"""A language model behind a server with the OpenAI API: `vllm serve`, or a hosted endpoint.

httpx rather than the openai package: two small JSON requests need no client library, and its hidden retries would defeat the bound on
concurrency and the honouring of Retry-After that a shared endpoint needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from massjax.errors import ConfigError, ModelError
from massjax.models.chat import WELL_KNOWN_TOKENS, Chat, defuse, written_ids
from massjax.models.failures import Failure, Reason
from massjax.models.fingerprint import model_folder, tokenizer_fingerprints
from massjax.models.language_model import Answers, Sampling, Texts
from massjax.models.question import Prompt
from massjax.models.remote import key_from_environment
from massjax.models.settings import EndpointSettings, ScoringSettings
from massjax.models.spelling import SUMMED


class ServedModel:
    """A server with the OpenAI API; implements `massjax.models.language_model.LanguageModel`.

    Raises:
        ConfigError: the environment variable with the key is not set, or a setting does not go with the API.
        ModelError: the server does not answer, does not know the model, or a choice is not a single token of it.
    """

    def __init__(self, settings: ScoringSettings) -> None:
        assert settings.endpoint is not None
        self.settings, self.endpoint = settings, settings.endpoint
        self._chat: Chat | None = None
        self.choice_ids: list[list[int]] = []
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
            from massjax.models.http import Requests
            from massjax.models.serving import served_name
        except ImportError as error:
            raise ModelError(f"{error.name} is not installed; install massjax[openai]") from None
        self._requests = Requests(self.endpoint, {"authorization": f"Bearer {secret}"} if secret else {}, secret)
        self._answered = False
        try:
            self.served_name = served_name(self._requests)
        except BaseException:
            self._requests.close()
            raise

    @property
    def prompts_at_once(self) -> int:
        """Enough that most of a call has all allowed requests under way."""
        return 8 * self.endpoint.concurrency

    def identity(self) -> dict[str, str]:
        """API, served model, and what renders the prompts. A server's weights cannot be verified: the served name stands for them."""
        from massjax.models.serving import server_version

        rendered = {} if self._chat is None else {"chat_template_rendered": self._chat.rendered}
        return {
            **settings_identity(self.settings, None if self._chat is None else self._chat.folder),
            "served_model": self.served_name,
            "server": server_version(self._requests),
            "weights": "not verified: whatever the server serves under this name",
            **rendered,
            "choice_token_ids": written_ids(self.choice_ids),
        }

    def load(self) -> None:
        """Nothing to load: the server has the model."""

    def ask(self, prompts: Sequence[Prompt]) -> Answers:
        """One request a prompt; a prompt that stays unanswered is a failure of its row.

        Raises:
            ModelError: not one prompt of several was answered, or the first replies show that none will be.
        """
        from massjax.models.replies import Scored, read_chat, read_completion

        logprobs = np.full((len(prompts), len(self.settings.choices)), np.nan)
        failures: dict[int, Failure] = {}
        tokens, cached = np.zeros(len(prompts), dtype=np.int64), np.zeros(len(prompts), dtype=np.int64)
        bodies, rows = [], []
        encoded = [None] * len(prompts) if self._chat is None else self._chat.all_ids(prompts)
        for row, (prompt, ids) in enumerate(zip(prompts, encoded, strict=True)):
            if isinstance(ids, str):
                failures[row] = Failure(Reason.CONTROL_TOKEN)
            elif ids is not None and len(ids) > self.settings.max_model_len - 1:
                words = f"it has {len(ids)} tokens, more than {self.settings.max_model_len - 1} (scoring.max_model_len)"
                failures[row] = Failure(Reason.TOO_LONG, words)
            else:
                bodies.append(self._body(prompt, ids))
                rows.append(row)

        def read_reply(body: bytes) -> Scored | Failure:
            if self._chat is None:
                return read_chat(body, self.settings.choices)
            return read_completion(body, self.settings.choices, self.choice_ids)

        for row, found in zip(rows, self._replies(bodies, read_reply), strict=True):
            if isinstance(found, Failure):
                failures[row] = found
                continue
            logprobs[row], tokens[row], cached[row] = found.logprobs, found.prompt_tokens, found.cached_tokens
            if not (found.logprobs > -np.inf).any():
                logprobs[row] = np.nan
                failures[row] = Failure(Reason.NO_CHOICE, self._requests.plain(found.likeliest))
        return Answers(logprobs, failures, tokens, cached)

    def write(self, prompts: Sequence[Prompt], sampling: Sequence[Sampling]) -> Texts:
        """One request a text.

        Raises:
            ModelError: not one prompt of several was answered, or the first replies show that none will be.
        """
        from massjax.models.replies import read_text
        from massjax.terminal import escaped_text

        texts: list[str | None] = [None] * len(prompts)
        failures: dict[int, Failure] = {}
        bodies, rows = [], []
        for row, (prompt, how) in enumerate(zip(prompts, sampling, strict=True)):
            try:
                ids = None if self._chat is None else self._chat.ids(prompt, prefill="")
            except ValueError as error:
                failures[row] = Failure(Reason.CONTROL_TOKEN, str(error))
                continue
            bodies.append({**self._common(how.max_tokens, how.temperature, how.seed), **self._asked(prompt, ids)})
            rows.append(row)
        found = self._replies(bodies, lambda body: read_text(body, chat=self._chat is None))
        for row, text in zip(rows, found, strict=True):
            if isinstance(text, Failure):
                failures[row] = text
            else:
                texts[row] = escaped_text(self._requests.redacted(text), keep="\n\t")
        return Texts(texts, failures)

    def close(self) -> None:
        """Close all connections."""
        self._requests.close()

    def _replies(self, bodies: Sequence[Mapping[str, Any]], read_reply: Any) -> list[Any]:
        """What was read of the reply to each body, or why nothing was; until a first reply is of use, one body after the other."""
        from massjax.models.opening import nothing_answered, opened

        path = "/completions" if self._chat else "/chat/completions"
        replies = {} if self._answered else opened(self._requests, path, bodies, read_reply)
        rest = [row for row in range(len(bodies)) if row not in replies]
        replies |= dict(zip(rest, self._requests.post(path, [bodies[row] for row in rest], read_reply), strict=True))
        self._answered = self._answered or any(reply.failure is None for reply in replies.values())
        found = [replies[row].value if replies[row].failure is None else replies[row].failure for row in range(len(bodies))]
        nothing_answered(self.endpoint.url, found, bodies, answered_before=self._answered)
        return found

    def _common(self, max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        shaped = {"temperature": temperature, "seed": seed}
        kept = {name: value for name, value in shaped.items() if name not in self.endpoint.leave_out}
        return {"model": self.served_name, self.endpoint.token_limit: max_tokens, **kept, **self.endpoint.extra}

    def _body(self, prompt: Prompt, ids: list[int] | None) -> dict[str, Any]:
        common = {**self._common(1, 0, self.settings.seed), **self._asked(prompt, ids)}
        if ids is None:
            return {**common, "logprobs": True, "top_logprobs": self.endpoint.top_logprobs}
        tokens = [token for tokens in self.choice_ids for token in tokens]
        return {**common, "logprobs": 1, "logprob_token_ids": tokens, "return_tokens_as_token_ids": True}

    def _asked(self, prompt: Prompt, ids: list[int] | None) -> dict[str, Any]:
        """The prompt as the API takes it."""
        if ids is not None:
            return {"prompt": ids, "add_special_tokens": False}
        system, user = (defuse(part, WELL_KNOWN_TOKENS) for part in prompt)
        if not self.endpoint.system_role:
            return {"messages": [{"role": "user", "content": f"{system}\n\n{user}" if system else user}]}
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]}


def settings_identity(settings: ScoringSettings, folder: Path | None) -> dict[str, str]:
    """The part of a served model's identity that settings and the tokenizer's files determine, without a server.

    Args:
        folder: of the tokenizer; None for `api: chat`.
    """
    assert settings.endpoint is not None
    endpoint: EndpointSettings = settings.endpoint
    how = f"top {endpoint.top_logprobs} logprobs" if folder is None else "full-vocabulary logprobs of the choice tokens"
    shaped = {
        "messages": "" if endpoint.system_role or folder is not None else "the system text before the user's",
        "left_out": " ".join(sorted(endpoint.leave_out)),
        "extra": json.dumps(endpoint.extra, sort_keys=True, ensure_ascii=False) if endpoint.extra else "",
    }
    return {
        "engine": f"openai {endpoint.api}",
        **({} if folder is None else tokenizer_fingerprints(folder)),
        "sampling": f"greedy, one token, {how}",
        **({"choice_mass": SUMMED} if folder is None else {}),
        **{name: value for name, value in shaped.items() if value},
    }
