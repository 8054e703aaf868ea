"""A language model behind a server with the OpenAI API: `vllm serve`, or a hosted endpoint; questions of all forms.

`api: completions` sends token ids and reads exact log-probabilities, as in this process. `api: chat` sends messages and sees the likeliest
tokens of the first place alone: what they hold of the choices is a lower bound of their mass, refused below
`endpoint.minimum_listed_mass`; answers that need a beginning, or a second pass, cannot be asked for, nor
how familiar the prompt is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from massjax.errors import ConfigError, ModelError
from massjax.models.answer import Answer, unanswered
from massjax.models.by_tokens import ByTokens, Seen
from massjax.models.chat import WELL_KNOWN_TOKENS, Chat, defuse
from massjax.models.failures import Failure, Reason
from massjax.models.fingerprint import model_folder
from massjax.models.forms import Familiar, Pick, Write, unaskable_in_chat
from massjax.models.identity import known_identity
from massjax.models.language_model import one_way_after_another
from massjax.models.picks import generator
from massjax.models.question import Prompt, Question
from massjax.models.schema import is_strict
from massjax.models.scored import scored
from massjax.models.sequences import Tokens
from massjax.models.settings import ModelSettings
from massjax.models.user_tokens import Placed, placed_prompts
from massjax.models.written import written
from massjax.terminal import escaped_text


class Server:
    """A server with the OpenAI API; implements `massjax.models.language_model.LanguageModel`.

    Raises:
        ConfigError: the environment variable with the key is not set, or a setting does not go with the API.
        ModelError: the server does not answer or does not know the model, or the model's tokenizer cannot be used here.
    """

    def __init__(self, settings: ModelSettings) -> None:
        assert settings.endpoint is not None
        self.settings, self.endpoint = settings, settings.endpoint
        self._chat: Chat | None = None
        if self.endpoint.api == "completions":
            if not settings.model:
                raise ConfigError(
                    "scoring.model: name the Hugging Face folder or model that the server serves; its tokenizer renders the prompts "
                    "(scoring.endpoint.api: chat needs none)"
                )
            self._chat = Chat(model_folder(settings.model, settings.revision), thinking=settings.thinking)
        elif settings.thinking != "off":
            raise ConfigError("thinking: over api: chat the server renders the prompt; leave it out and say it in endpoint.extra")
        secret = key_from_environment(self.endpoint.key_variable)
        try:
            from massjax.models.echoes import Echoes
            from massjax.models.http import Requests
            from massjax.models.serving import served_name
        except ImportError as error:
            raise ModelError(f"{error.name} is not installed; install massjax[openai]") from None
        self._requests = Requests(self.endpoint, {"authorization": f"Bearer {secret}"} if secret else {}, secret)
        self._echoes = Echoes(self._requests)
        self._answered = False
        self._by_tokens = None if self._chat is None else ByTokens(self._chat, settings.max_model_len, self._forward)
        try:
            self.served_name = served_name(self._requests)
        except BaseException:
            self._requests.close()
            raise

    @property
    def questions_at_once(self) -> int:
        """Enough that most of a call has all allowed requests under way."""
        return 8 * self.endpoint.concurrency

    def identity(self) -> dict[str, str]:
        """What `known_identity` tells, and what the server says of itself: its weights cannot be verified, a name stands for them."""
        from massjax.models.serving import server_version

        return {
            **known_identity(self.settings),
            "served_model": self.served_name,
            "version": server_version(self._requests),
            "weights": "not verified: whatever the server serves under this name",
            **({} if self._chat is None else {"rendered": self._chat.rendered}),
        }

    def load(self) -> None:
        """Nothing to load: the server has the model."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One request a pass or text; a question that stays unanswered is a failure of its answer.

        Raises:
            ModelError: not one of several questions was answered, or the first replies show that none will be.
        """
        read = self._listed if self._by_tokens is None else self._by_tokens.answers
        return one_way_after_another(questions, read, self._familiar, self._texts)

    def close(self) -> None:
        """Close all connections."""
        self._requests.close()

    def _forward(self, passes: Sequence[tuple[list[int], Tokens]]) -> list[Seen | Failure]:
        """Passes of the completions API."""
        from massjax.models.token_replies import read_tokens

        bodies = [
            {
                **self._common(1, 0, self.settings.seed),
                "prompt": ids,
                "add_special_tokens": False,
                "logprobs": 1,
                "logprob_token_ids": list(wanted),
                "return_tokens_as_token_ids": True,
            }
            for ids, wanted in passes
        ]
        return self._replies(bodies, [lambda body, wanted=wanted: read_tokens(body, wanted) for _, wanted in passes])

    def _listed(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers read from the likeliest tokens that a chat reply lists."""
        from massjax.models.replies import Scored, read_chat

        answers: dict[int, Answer] = {}
        bodies, readers, rows = [], [], []
        for row, (_, prompt, form) in enumerate(questions):
            assert not isinstance(form, Write | Familiar)
            fault = unaskable_in_chat(form)
            if fault is not None:
                answers[row] = unanswered(Reason.UNASKABLE, fault)
                continue
            choices = form.labels if isinstance(form, Pick) else form.choices
            shaped = {"logprobs": True, "top_logprobs": self.endpoint.top_logprobs}
            bodies.append({**self._common(1, 0, self.settings.seed), **self._messages(prompt), **shaped})
            readers.append(lambda body, choices=choices: read_chat(body, choices))
            rows.append(row)
        for row, found in zip(rows, self._replies(bodies, readers), strict=True):
            if isinstance(found, Failure):
                answers[row] = unanswered(*found)
                continue
            assert isinstance(found, Scored)
            form = questions[row].form
            assert not isinstance(form, Write | Familiar)
            answer = scored(form, found.logprobs, generator(questions[row].key), self.endpoint.minimum_listed_mass)
            if answer.failure is not None and answer.failure.reason is Reason.NO_CHOICE:
                answer = unanswered(Reason.NO_CHOICE, self._requests.plain(found.likeliest))
            answers[row] = answer._replace(prompt_tokens=found.prompt_tokens, cached_tokens=found.cached_tokens)
        return [answers[row] for row in range(len(questions))]

    def _familiar(self, questions: list[Question]) -> list[Answer]:
        """Each by what the server tells of the prompt's own tokens; a failure where it tells nothing."""
        if self._chat is None:
            return [unanswered(Reason.UNASKABLE, unaskable_in_chat(question.form) or "") for question in questions]
        placed = placed_prompts(self._chat, [question.prompt for question in questions], self.settings.max_model_len)
        answers = {row: one for row, one in enumerate(placed) if not isinstance(one, Placed)}
        asked = {row: one for row, one in enumerate(placed) if isinstance(one, Placed)}
        told = self._echoes.ask(list(asked.values()), self._common(1, 0, self.settings.seed))
        for (row, one), found in zip(asked.items(), told, strict=True):
            form = questions[row].form
            assert isinstance(form, Familiar)
            if isinstance(found, Failure):
                answers[row] = unanswered(*found)
                continue
            answer = one.answer(form, found.logprobs)
            answers[row] = answer._replace(prompt_tokens=found.prompt_tokens, cached_tokens=found.cached_tokens)
        return [answers[row] for row in range(len(questions))]

    def _texts(self, questions: Sequence[Question]) -> list[Answer]:
        from massjax.models.token_replies import Said, read_said

        answers: dict[int, Answer] = {}
        bodies, rows = [], []
        for row, (_, prompt, form) in enumerate(questions):
            assert isinstance(form, Write)
            asked = self._messages(prompt)
            if self._chat is not None:
                try:
                    asked = {"prompt": self._chat.ids(prompt, prefill=""), "add_special_tokens": False}
                except ValueError as error:
                    answers[row] = unanswered(Reason.CONTROL_TOKEN, str(error))
                    continue
            shaped = {} if form.schema is None else {"response_format": response_format(form.schema)}
            bodies.append({**self._common(form.max_tokens, form.temperature, form.seed), **asked, **shaped})
            rows.append(row)
        readers = [lambda body: read_said(body, chat=self._chat is None)] * len(bodies)
        for row, found in zip(rows, self._replies(bodies, readers), strict=True):
            form = questions[row].form
            assert isinstance(form, Write)
            if isinstance(found, Failure):
                answers[row] = unanswered(*found)
                continue
            assert isinstance(found, Said)
            text = escaped_text(self._requests.redacted(found.text), keep="\n\t")
            answers[row] = written(text, found.finish_reason, form.schema)._replace(
                prompt_tokens=found.prompt_tokens, cached_tokens=found.cached_tokens, written_tokens=found.written_tokens
            )
        return [answers[row] for row in range(len(questions))]

    def _replies(self, bodies: Sequence[Mapping[str, Any]], readers: Sequence[Callable[[bytes], Any]]) -> list[Any]:
        """What was read of the reply to each body, or why nothing was; until a first reply is of use, one body after the other."""
        from massjax.models.opening import nothing_answered, opened

        if not bodies:
            return []
        path = "/completions" if self._chat else "/chat/completions"
        replies = {} if self._answered else opened(self._requests, path, bodies, readers)
        rest = [row for row in range(len(bodies)) if row not in replies]
        replies |= dict(zip(rest, self._requests.post(path, [bodies[row] for row in rest], [readers[row] for row in rest]), strict=True))
        self._answered = self._answered or any(reply.failure is None for reply in replies.values())
        found = [replies[row].value if replies[row].failure is None else replies[row].failure for row in range(len(bodies))]
        nothing_answered(self.endpoint.url, found, bodies, answered_before=self._answered)
        return found

    def _common(self, max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        shaped = {"temperature": temperature, "seed": seed}
        kept = {name: value for name, value in shaped.items() if name not in self.endpoint.leave_out}
        return {"model": self.served_name, self.endpoint.token_limit: max_tokens, **kept, **self.endpoint.extra}

    def _messages(self, prompt: Prompt) -> dict[str, Any]:
        """The prompt as the chat API takes it."""
        system, user = (defuse(part, WELL_KNOWN_TOKENS) for part in prompt)
        if not self.endpoint.system_role:
            return {"messages": [{"role": "user", "content": f"{system}\n\n{user}" if system else user}]}
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]}


def response_format(schema: str) -> dict[str, Any]:
    """The field of a request that asks for JSON of a schema; `strict`, as hosted servers know it, where the schema allows that."""
    document = json.loads(schema)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": document, "strict": is_strict(document)}}


def key_from_environment(variable: str | None) -> str | None:
    """The API key in an environment variable; None where no variable is named.

    Raises:
        ConfigError: the variable is not set or empty, or holds what no HTTP header can.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"scoring.endpoint.key_variable: the environment variable {variable} is not set; put the API key into it")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"scoring.endpoint.key_variable: the environment variable {variable} holds characters that no API key has "
            "(a line break, a typographic dash or quote); copy the key again"
        )
    return key
