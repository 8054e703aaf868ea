"""Models that think before they answer: asked not to, led past it, or refused by name; by chat templates as they are in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from massjax.errors import ModelError
from massjax.models.thinking import Thinking, opening_marks, past_thinking, spoken
from tests.models.byte_model import TEMPLATE, byte_model

QWEN = TEMPLATE + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
"""As Qwen3's: asked not to think, it writes an empty passage itself."""
DEEPSEEK = TEMPLATE + "<think>\n"
"""As DeepSeek-R1's and QwQ's: it opens the passage whatever is asked."""
DATED = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + TEMPLATE


@pytest.mark.parametrize(
    ("template", "thinking", "end"),
    [
        (TEMPLATE, "off", "<|assistant|>"),
        (TEMPLATE, "prefill", "<|assistant|>"),
        (TEMPLATE, "refuse", "<|assistant|>"),
        (QWEN, "off", "<|assistant|><think>\n\n</think>\n\n"),
        (QWEN, "prefill", "<|assistant|><think>\n\n</think>\n\n"),
        (DEEPSEEK, "prefill", "<|assistant|><think>\n\n</think>\n\n"),
        (DATED, "off", "<|assistant|>"),
    ],
)
def test_the_answer_comes_first(tmp_path: Path, template: str, thinking: Thinking, end: str) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")
    from massjax.models.chat import Chat
    from massjax.models.question import Prompt

    chat = Chat(byte_model(tmp_path / "model", template, ["<think>", "</think>"]), thinking=thinking)
    prompt = Prompt("s", "u")
    assert chat.text(prompt).endswith("u" + end)
    assert chat.text(prompt, "R: ").endswith(end + "R: ")
    assert chat.tokenizer.decode(chat.ids(prompt, prefill="R: ")).endswith(end + "R: ")
    assert chat.spelled(["1", "2"], "R: ").dropped == 0
    assert template != DATED or chat.text(prompt).startswith("26 Jul 2024")


@pytest.mark.parametrize(
    ("template", "thinking", "words"),
    [
        (DEEPSEEK, "off", r"opens a passage of thinking \(<think>\) and cannot be asked not to; thinking: prefill closes it"),
        (DEEPSEEK, "refuse", "thinking: refuse does not ask"),
        (QWEN, "refuse", "thinking: refuse does not ask"),
    ],
)
def test_a_model_that_cannot_be_asked_so_is_named(tmp_path: Path, template: str, thinking: Thinking, words: str) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'massjax[tokenizer]'")
    from massjax.models.chat import Chat

    with pytest.raises(ModelError, match=words):
        Chat(byte_model(tmp_path / "model", template, ["<think>", "</think>"]), thinking=thinking)


def test_other_marks_are_closed_as_they_were_opened() -> None:
    assert past_thinking("m", "...[THINK]\n", "", [], "prefill") == "\n[/THINK]\n\n"
    assert past_thinking("m", "...", "{# <seed:think> #}", ["<seed:think>"], "prefill") == "<seed:think>\n\n</seed:think>\n\n"
    assert past_thinking("m", "<|start|>assistant", "<|channel|>", ["<|channel|>"], "prefill") == "<|channel|>final<|message|>"


def test_marks_that_open_are_known_from_those_that_close() -> None:
    assert opening_marks(["<think>", "</think>", "[THINK]", "<|im_end|>", "<|channel|>"]) == ["<think>", "<|channel|>", "[THINK]"]


def test_thoughts_are_cut_from_a_text() -> None:
    assert spoken(" It rose. ") == "It rose."
    assert spoken("<think>\n\n</think>\n\nIt rose.") == "It rose."
    assert spoken("<|channel|>analysis<|message|>hm<|channel|>final<|message|>It rose.") == "It rose."
    assert "it began" in str(spoken("<think>It may"))
