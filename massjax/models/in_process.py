"""A language model in vLLM, in this process: exact log-probabilities of any tokens, one pass a choice; texts; JSON of a schema; those of a
prompt's own tokens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from massjax.machine import this_machine
from massjax.models.answer import Answer, unanswered
from massjax.models.by_tokens import ByTokens, Seen
from massjax.models.chat import MOST_TOKENS, Chat
from massjax.models.dtype import resolved_dtype
from massjax.models.engine import as_they_finish, imported_vllm, sequences_at_once, started, stopped
from massjax.models.failures import Failure, Reason
from massjax.models.fingerprint import model_folder
from massjax.models.forms import Write
from massjax.models.identity import known_identity
from massjax.models.language_model import one_way_after_another
from massjax.models.question import Question
from massjax.models.sequences import Tokens
from massjax.models.settings import ModelSettings
from massjax.models.user_tokens import Placed, placed_prompts
from massjax.models.written import written


class VLLM:
    """vLLM in this process; implements `massjax.models.language_model.LanguageModel`. The weights are loaded when it is first asked.

    Raises:
        ModelError: vLLM is not installed, the model cannot be found, its tokenizer cannot be used, or it thinks before it answers.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.folder = model_folder(settings.model, settings.revision)
        self.settings = settings.replace(dtype=resolved_dtype(settings, this_machine()))
        self._vllm = imported_vllm()
        self.chat = Chat(self.folder, thinking=settings.thinking)
        self._by_tokens = ByTokens(self.chat, settings.max_model_len, self._forward)
        self._wanted: dict[Tokens, Any] = {}

    def identity(self) -> dict[str, str]:
        """What `known_identity` tells, with the chat template as it is rendered."""
        return {**known_identity(self.settings), "rendered": self.chat.rendered}

    @property
    def questions_at_once(self) -> int:
        """Four times what the scheduler holds, so that little of a call is spent with a scheduler running empty."""
        return 4 * sequences_at_once(self.settings)

    @cached_property
    def _llm(self) -> Any:
        return started(self.settings, self.folder, self.settings.dtype, MOST_TOKENS)

    def load(self) -> None:
        """Load the model, if it is not."""
        _ = self._llm

    def answer(self, questions: Sequence[Question]) -> Iterable[Answer]:
        """Answer every question: first what is read off probabilities, then texts, each as soon as it and those before are written.

        A prompt's own log-probabilities (`Familiar`) are computed anew every time: vLLM keeps none of them in its prefix cache, and so
        reads nothing from it. Of one prompt, or `max_num_batched_tokens` of its tokens, it holds those of the whole vocabulary at once.
        """
        texts = [question for question in questions if isinstance(question.form, Write)]
        others = [question for question in questions if not isinstance(question.form, Write)]
        read = one_way_after_another(others, self._by_tokens.answers, self._familiar, write=lambda texts: [])
        return self._with_texts(questions, read, texts) if texts else read

    def _with_texts(self, questions: Sequence[Question], read: Sequence[Answer], texts: Sequence[Question]) -> Iterator[Answer]:
        """Answers in the order of the questions."""
        others, writing = iter(read), in_order(self._texts(texts))
        for question in questions:
            yield next(writing if isinstance(question.form, Write) else others)

    def close(self) -> None:
        """Shut vLLM down and free its memory; asked again, it is loaded again."""
        llm = self.__dict__.pop("_llm", None)
        if llm is not None:
            stopped(llm)

    def _forward(self, passes: Sequence[tuple[list[int], Tokens]]) -> list[Seen | Failure]:
        requests = [{"prompt_token_ids": ids} for ids, _ in passes]
        outputs = self._llm.generate(requests, [self._sampling(wanted) for _, wanted in passes], use_tqdm=False)
        return [self._seen(output, wanted) for output, (_, wanted) in zip(outputs, passes, strict=True)]

    def _sampling(self, wanted: Tokens) -> Any:
        if wanted not in self._wanted:
            if len(self._wanted) > 4096:
                self._wanted.clear()
            self._wanted[wanted] = self._vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=list(wanted), detokenize=False)
        return self._wanted[wanted]

    def _seen(self, output: Any, wanted: Tokens) -> Seen | Failure:
        logprobs = output.outputs[0].logprobs
        found = logprobs[0] if logprobs else {}
        missing = [token for token in wanted if token not in found]
        if missing:
            return Failure(Reason.NO_LOGPROBS, f"the engine returned none for token {missing[0]}")
        values = {token: float(found[token].logprob) for token in wanted}
        return Seen(values, len(output.prompt_token_ids), output.num_cached_tokens or 0)

    def _familiar(self, questions: list[Question]) -> list[Answer]:
        placed = placed_prompts(self.chat, [question.prompt for question in questions], self.settings.max_model_len)
        asked = {row: one for row, one in enumerate(placed) if isinstance(one, Placed)}
        requests = [{"prompt_token_ids": one.ids} for one in asked.values()]
        sampling = self._vllm.SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False)
        outputs = dict(zip(asked, self._llm.generate(requests, sampling, use_tqdm=False), strict=True)) if asked else {}
        return [
            _familiarity(question.form, one, outputs[row]) if isinstance(one, Placed) else one
            for row, (question, one) in enumerate(zip(questions, placed, strict=True))
        ]

    def _texts(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answer]]:
        """Texts as they are written, each with the place of its question; those of one schema together: a schema that vLLM cannot follow is
        a failure of its questions alone."""
        by_schema: dict[str | None, list[tuple[int, list[int]]]] = {}
        for row, (question, ids) in enumerate(zip(questions, self.chat.all_ids([q.prompt for q in questions], prefill=""), strict=True)):
            form = question.form
            assert isinstance(form, Write)
            if isinstance(ids, str):
                yield row, unanswered(Reason.CONTROL_TOKEN)
            elif len(ids) + form.max_tokens > self.settings.max_model_len:
                words = f"it has {len(ids)} tokens, with {form.max_tokens} more than {self.settings.max_model_len} (max_model_len)"
                yield row, unanswered(Reason.TOO_LONG, words)
            else:
                by_schema.setdefault(form.schema, []).append((row, ids))
        for schema, group in by_schema.items():
            requests = [{"prompt_token_ids": ids} for _, ids in group]
            left, before = dict(group), time.monotonic()
            try:
                for outputs in as_they_finish(self._llm, requests, [self._writing(questions[row].form) for row, _ in group]):
                    share, before = (time.monotonic() - before) / len(outputs), time.monotonic()
                    for place, output in outputs:
                        row = group[place][0]
                        del left[row]
                        yield row, _text_of(output, schema)._replace(seconds=share)
            except ValueError as error:
                if schema is None:
                    raise
                failed = unanswered(Reason.UNASKABLE, f"vLLM cannot follow its schema: {error}")
                yield from ((row, failed) for row in left)

    def _writing(self, form: Any) -> Any:
        schema = None if form.schema is None else self._vllm.sampling_params.StructuredOutputsParams(json=form.schema)
        return self._vllm.SamplingParams(
            max_tokens=form.max_tokens,
            temperature=form.temperature,
            seed=form.seed if form.temperature else None,
            structured_outputs=schema,
        )


def _familiarity(form: Any, placed: Placed, output: Any) -> Answer:
    """The familiarity in what vLLM tells of a prompt: for each token but the first, its own log-probability among those of a place."""
    told = output.prompt_logprobs or ()
    if len(told) != len(placed.ids):
        return unanswered(Reason.NO_LOGPROBS, f"the engine returned {len(told)} for a prompt of {len(placed.ids)} tokens")
    found = [place.get(token) if place else None for place, token in zip(told, placed.ids, strict=True)]
    answer = placed.answer(form, [None if one is None else float(one.logprob) for one in found])
    return answer._replace(prompt_tokens=len(placed.ids), cached_tokens=output.num_cached_tokens or 0)


def _text_of(output: Any, schema: str | None) -> Answer:
    said = output.outputs[0]
    if said.finish_reason == "error":
        words = "vLLM could not follow its schema" if schema else "vLLM could not write it"
        return unanswered(Reason.UNASKABLE if schema else Reason.OTHER, f"{words}; what it logged says why")
    return written(said.text, said.finish_reason or "", schema)._replace(
        prompt_tokens=len(output.prompt_token_ids),
        cached_tokens=output.num_cached_tokens or 0,
        written_tokens=len(said.token_ids),
    )


def in_order(found: Iterable[tuple[int, Answer]]) -> Iterator[Answer]:
    """Answers in the order of their places 0, 1, …, each as soon as it and those before it have come.

    >>> [answer.text for answer in in_order([(1, Answer(text="b")), (0, Answer(text="a")), (2, Answer(text="c"))])]
    ['a', 'b', 'c']
    """
    early: dict[int, Answer] = {}
    due = 0
    for place, answer in found:
        early[place] = answer
        while due in early:
            yield early.pop(due)
            due += 1
