"""What masked prompts still tell is counted, with the first of it, wherever in the prompt it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from massjax.scores.leaks import leak_warnings
from massjax.scores.survey import survey
from tests.scores.asking import opened
from tests.small_store import written


def warnings(small: dict[str, Any], folder: Path) -> list[str]:
    """Of all prompts of a run."""
    resolver, _, _ = opened(written(small, folder))
    return leak_warnings(resolver.inputs, survey(resolver, {}).lines)


def prompts(small: dict[str, Any], folder: Path, *names: str) -> list[Any]:
    """Of some archetypes, those that calibrate among them."""
    resolver, _, _ = opened(written(small, folder))
    return [prompt for archetype in resolver.inputs.asking if archetype.name in names for prompt in resolver.turn(archetype).prompts]


def test_a_masked_run_without_texts_leaks_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    assert warnings(small, tmp_path) == []


def test_a_persona_and_a_template_that_tell_are_counted(small: dict[str, Any], tmp_path: Path) -> None:
    small["agents"]["archetypes"][0]["persona"] = "You have followed microsoft since 2008."
    count, total = len(prompts(small, tmp_path, "trend")), len(prompts(small, tmp_path, "trend", "careful"))
    name, time = warnings(small, tmp_path)
    assert name.startswith(
        f"agents.mask is on, but {count:,} of {total:,} prompts still hold a name or ticker, the first 'microsoft' of archetype 'trend'"
    )
    assert f"{count:,} of {total:,} prompts still hold a year or date, the first '2008' of archetype 'trend' in the line 'You have" in time
    assert "not recognised" in time
    template = tmp_path / "own.j2"
    template.write_text(
        "{% block system %}XOM and Pfizer{% endblock %}{% block user %}{{ sections[0].lines[0].text }} 5 May 2022{% endblock %}"
    )
    small["agents"]["template"] = str(template)
    name, time = warnings(small, tmp_path)
    assert "the first 'XOM' of archetype 'trend'" in name
    assert "the first '5 May 2022'" in time
    small["agents"]["mask"] = False
    assert warnings(small, tmp_path) == []


def test_texts_without_known_names_are_told(small: dict[str, Any], tmp_path: Path) -> None:
    days = [f"2022-06-{day:02d}" for day in (1, 2, 3, 6, 7)]
    (tmp_path / "prices.csv").write_text(
        "date,stock,close\n" + "".join(f"{day},{stock},{10 + i}\n" for i, day in enumerate(days) for stock in ("AAPL", "MSFT"))
    )
    (tmp_path / "news.csv").write_text("date,stock,text\n2022-06-01,AAPL,Apple Inc rose\n2022-06-01,MSFT,Satya Nadella of MSFT spoke\n")
    small["market"] = {
        "source": "tables",
        "horizons": [1],
        "price_features": False,
        "prices": {"path": "prices.csv"},
        "texts": [{"path": "news.csv"}],
    }
    small["agents"] = {"archetypes": [{"name": "reader", "modalities": ["news"]}]}
    (warning,) = warnings(small, tmp_path)
    assert warning.startswith("agents.mask is on and texts are shown, but the market data gives no company names")
    (tmp_path / "stocks.csv").write_text(
        "stock,name,known,who\nAAPL,Apple Inc,,\nMSFT,Microsoft Corp,Big Redmond; Softie,Satya Nadella ; Amy Hood\n"
    )
    small["market"]["stocks"] = {"path": "stocks.csv", "name": "name", "aliases": "known", "people": "who"}
    assert warnings(small, tmp_path) == []
    panel = opened(written(small, tmp_path))[0].inputs.panel
    assert panel.aliases == {"MSFT": ("Big Redmond", "Softie")}
    assert panel.people == {"MSFT": ("Satya Nadella", "Amy Hood")}
    users = "\n".join(prompt.user for prompt in prompts(small, tmp_path, "reader"))
    assert '"the company rose"' in users
    assert '"a person of the company spoke"' in users
