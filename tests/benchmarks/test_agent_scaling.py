"""The agent-count scaling curve: from the bundled store and from MASS's data, and theory against what is drawn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from massjax.config import load_config

SMALL = ("--max-agents", 32, "--seeds", 3, "--full-seeds", 1, "--chains", 4, "--steps", 3, "--refit", 100)


@pytest.mark.slow
def test_a_small_run_on_the_bundled_store(run_script, tmp_path):
    done = run_script("agent_scaling", *SMALL, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "expected score" in done.stdout
    rows = pl.read_parquet(tmp_path / "agent_scaling_demo.parquet")
    assert rows["agents"].to_list() == [1, 2, 4, 8, 16, 32]
    assert rows["seeds"].to_list() == [3, 3, 1, 1, 1, 1]
    assert rows["fixed"].is_between(-1, 1).all()
    assert rows["out_of_sample"].is_between(-1, 1).all()
    assert (rows["in_sample"] > rows["out_of_sample"]).all()
    assert (tmp_path / "agent_scaling_demo.png").read_bytes()[:4] == b"\x89PNG"
    figure = (tmp_path / "agent_scaling_demo.svg").read_text()
    assert figure.lstrip().startswith("<?xml")
    assert "python benchmarks/agent_scaling.py" in (tmp_path / "agent_scaling_demo.md").read_text()


@pytest.mark.usefixtures("scripts")
def test_a_small_run_on_the_data_of_mass_with_given_weights(shared_dir, tmp_path, capsys):
    from agent_scaling import main

    weights = tmp_path / "weights.csv"
    weights.write_text("archetype,weight\nfeature-3,2\nfeature-5,1\n")
    words = ("--mass", shared_dir / "data" / "mass_sse50", *SMALL, "--no-search", "--weights", weights, "--set", "market.start=2023-06-01")
    assert main([*map(str, words)]) == 0
    assert "6 archetypes, 50 members" in capsys.readouterr().out


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--config", "configs/none.yaml"), "configs/none.yaml"),
        (("--mass", "nowhere"), "no such folder"),
        (("--weights", "weights.csv"), "some weight above 0"),
        (("--weights", "none.csv"), "none.csv"),
        (("--max-agents", "1000"), "power of two"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(tmp_path, monkeypatch, capsys, words, message):
    from agent_scaling import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.csv").write_text("archetype,weight\nnobody,1\n")
    try:
        code = main(list(words))
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("scripts")
def test_populations_are_systematic_samples_that_grow():
    from populations import allot

    rng = np.random.default_rng(0)
    for _ in range(20):
        weights, offset, order = rng.dirichlet(np.ones(7)), rng.random(), rng.permutation(7)
        before = np.zeros(7, int)
        for agents in 2 ** np.arange(12):
            counts = allot(weights, int(agents), offset, order)
            assert counts.sum() == agents
            assert (counts >= before).all()
            assert (np.abs(counts - agents * weights) < 1 + 1e-9).all()
            before = counts
    assert allot(np.full(16, 1 / 16), 512, 0.3, rng.permutation(16)).tolist() == [32] * 16


@pytest.fixture(scope="module")
def planted():
    """Four archetypes with some skill, 24 stocks, 40 dates."""
    rng = np.random.default_rng(1)
    returns = rng.normal(size=(24, 40))
    return rng.normal(size=(4, 24, 40)) + 0.4 * returns, returns


@pytest.mark.usefixtures("scripts")
def test_theory_foretells_the_curve_and_its_dispersion(planted, root):
    from populations import Agents, Market, scaling_curve

    scores, returns = planted
    config = load_config(root / "configs" / "rules.yaml", ["evaluate.signal=mean"])
    everywhere = np.ones(returns.shape, bool)
    market = Market(
        scores=scores.astype(np.float32),
        member=everywhere,
        forward_returns=returns.astype(np.float32),
        evaluated=everywhere[0],
        dates=np.arange(40),
        archetypes=("a", "b", "c", "d"),
        config=config,
    )
    agents = Agents(np.full(4, 0.25), watchlist=10, picks=3, temperature=0.5)
    rows, expected = scaling_curve(market, agents, None, [2048] * 24, seed=0, threads=1)
    several = rows.filter(pl.col("agents") >= 32)
    line = stats.linregress(np.log(several["agents"]), np.log(several["score_variance"]))
    assert line.slope == pytest.approx(-1, abs=0.06)
    many = rows.filter(pl.col("agents") >= 128)
    np.testing.assert_allclose(many["score_variance"] / many["theory_score_variance"], 1, atol=0.08)
    np.testing.assert_allclose(several["fixed"], several["theory"], atol=0.02)
    np.testing.assert_allclose(several["fixed_deviation"] / several["theory_deviation"], 1, atol=0.5)
    assert rows["fixed"][-1] == pytest.approx(expected["limit"], abs=0.01)
    assert rows["fixed"][0] < 0.5 * expected["limit"]
