"""Data of which little can be learnt, through the whole run: a named warning or error, and a defined result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from massjax.config import RunConfig
from massjax.errors import ConfigError
from massjax.pipeline import run
from massjax.report.run import RunResult
from massjax.settings import validate

STOCKS, DATES = 8, 150
Change = Callable[[dict[str, np.ndarray]], None]


def made_up(folder: Path, change: Change = lambda arrays: None, dates: int = DATES, rules: int = 2, **sections: Any) -> RunResult:
    """A run over random features and ready-made returns, which `change` spoils."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(dates, STOCKS)) for name in ("a", "b")}
    arrays["next"] = 0.02 * rng.normal(size=(dates, STOCKS))
    change(arrays)
    days = [date(2020, 1, 1) + timedelta(days=i) for i in range(dates)]
    keys = {"date": np.repeat(days, STOCKS).tolist(), "stock": [f"s{i}" for i in range(STOCKS)] * dates}
    pl.DataFrame(keys | {name: arrays[name].ravel() for name in ("a", "b")}).write_parquet(folder / "features.parquet")
    pl.DataFrame(keys | {"next": arrays["next"].ravel()}).write_parquet(folder / "returns.parquet")
    values = {
        "market": {
            "source": "tables",
            "features": [{"path": folder / "features.parquet", "modality": "numbers", "columns": {"a": "a", "b": "b"}}],
            "forward_returns": {"path": folder / "returns.parquet", "columns": {1: "next"}},
            "horizons": [1],
            "execution_lag": 0,
        },
        "agents": {"archetypes": [{"name": f"rule-{name}", "rule": {name: 1}} for name in "ab"[:rules]]},
        "evaluate": {"horizon": 1, "lookback": "auto", "signal": "mean", "repetitions": 39},
        "search": [{"method": "posterior"}],
    }
    merged = {name: {**section, **sections.get(name, {})} if isinstance(section, dict) else section for name, section in values.items()}
    return run(validate(RunConfig, {**merged, **{n: s for n, s in sections.items() if n == "search"}}, source="test"))


def assert_defined(result: RunResult) -> None:
    """Weights are weights, and every strategy has its evidence."""
    for strategy in result.strategies:
        assert np.isfinite(strategy.weights).all()
        assert (strategy.weights >= 0).all()
        sums = strategy.weights.sum(axis=1)
        np.testing.assert_allclose(sums, 0.0 if strategy.name == "raw_features" else 1.0, rtol=1e-5)
        assert strategy.evidence is not None


def test_one_archetype(tmp_path: Path) -> None:
    result = made_up(tmp_path, rules=1)
    assert_defined(result)
    assert any("rule-a is the only archetype" in warning for warning in result.warnings)
    np.testing.assert_allclose(result.strategy("posterior").weights, 1.0)
    evidence = result.strategy("posterior").evidence
    assert evidence is not None
    assert evidence.luck is not None
    assert evidence.luck.gain == 1.0, "no gain in any repetition, nor in truth"


def test_all_archetypes_identical(tmp_path: Path) -> None:
    result = made_up(tmp_path, lambda arrays: arrays.update(b=arrays["a"]))
    assert_defined(result)
    assert any("all 2 archetypes have the same scores" in warning for warning in result.warnings)
    assert result.effective_opinions == pytest.approx(1.0)
    assert result.strategy("posterior").metrics[1].over_uniform.mean == pytest.approx(0.0, abs=1e-9)


def test_archetypes_that_cancel(tmp_path: Path) -> None:
    result = made_up(tmp_path, lambda arrays: arrays.update(b=-arrays["a"]))
    assert_defined(result)
    assert any(
        f"by the mean signal equal weights tell no two stocks apart on {DATES - 31} of {DATES - 31} dates" in warning
        for warning in result.warnings
    )
    assert not np.isfinite(result.strategy("uniform").rank_ic[1]).any()


def test_one_archetype_never_disagrees(tmp_path: Path) -> None:
    result = made_up(tmp_path, rules=1, evaluate={"signal": "disagreement", "p_values": False})
    assert_defined(result)
    assert any("by the disagreement signal equal weights tell no two stocks apart" in warning for warning in result.warnings)


def test_constant_scores_on_most_dates(tmp_path: Path) -> None:
    def flatten(arrays: dict[str, np.ndarray]) -> None:
        arrays["b"][: 3 * DATES // 4] = 1.0

    result = made_up(tmp_path, flatten)
    assert_defined(result)
    (warning,) = [warning for warning in result.warnings if "all stocks alike on most dates" in warning]
    assert warning.startswith("1 archetype scores all stocks alike")
    assert f"rule-b ({3 * DATES // 4} of {DATES} dates)" in warning


def test_returns_that_are_all_zero_on_a_date(tmp_path: Path) -> None:
    def still(arrays: dict[str, np.ndarray]) -> None:
        arrays["next"][90] = 0.0

    result = made_up(tmp_path, still)
    assert_defined(result)
    assert any("on 1 date (first 2020-03-31) all forward returns over 1 rows are equal" in warning for warning in result.warnings)
    uniform = result.strategy("uniform")
    assert np.isnan(uniform.rank_ic[1][90])
    assert np.isfinite(uniform.rank_ic[1][89])


def test_a_history_of_less_than_two_look_backs_deals_stocks_instead_of_shifting_dates(tmp_path: Path) -> None:
    result = made_up(tmp_path, evaluate={"lookback": 80}, search=[{"method": "posterior"}])
    assert_defined(result)
    assert any("too few to shift returns in time; stocks are permuted instead" in warning for warning in result.warnings)
    evidence = result.strategy("posterior").evidence
    assert evidence is not None
    assert evidence.luck is not None
    assert evidence.luck.null == "stock permutations"
    assert 0 < evidence.luck.out_of_sample <= 1


def test_a_history_too_short_for_any_estimate_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lookback: 30 dates do not fit.*has 25"):
        made_up(tmp_path, dates=25)


def test_a_published_sign_of_no_feature_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluate.feature_signs: the market data has no feature 'aa' \(did you mean 'a'\?\); .*: a, b$"):
        made_up(tmp_path, evaluate={"feature_signs": {"aa": 1, "b": -1}})


def test_without_p_values_the_rest_of_the_evidence_is_there(tmp_path: Path) -> None:
    result = made_up(tmp_path, evaluate={"p_values": False})
    evidence = result.strategy("posterior").evidence
    assert evidence is not None
    assert evidence.luck is None
    assert "turned off" in evidence.reason
    assert evidence.gain is not None
    assert list(evidence.by_year) == [2020]


@pytest.mark.parametrize(("scored", "told"), [(2, True), (4, False)])
def test_few_stocks_with_a_score_on_most_dates(tmp_path: Path, scored: int, told: bool) -> None:
    def change(arrays: dict[str, np.ndarray]) -> None:
        for name in ("a", "b"):
            arrays[name][:, scored:] = np.nan

    result = made_up(tmp_path, change, search=[])
    found = [warning for warning in result.warnings if "a RankIC of so few stocks is mostly noise" in warning]
    assert len(found) == told
    assert all(one.startswith(f"of {STOCKS} members only {scored} have a score on half of the") for one in found)
