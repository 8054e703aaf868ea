"""A signal of one's own through a configuration: named, tried, judged, repeated and written down."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from massjax.errors import ConfigError
from massjax.evaluate.named_signals import named_signal, own_code, signal_name
from massjax.evaluate.settings import EvaluateSettings
from massjax.pipeline import run
from massjax.report.evidence_tables import signals_table
from massjax.report.series import rank_ic_frame
from massjax.report.tables import metrics_document, signals_frame
from tests.small_run import small_config

SOURCE = '''
from functools import partial

import jax.numpy as jnp

ANSWER = 42


def share(scores, weights):
    """Half the weighted mean of the scores of each stock, less half their weighted standard deviation."""
    there = jnp.where(jnp.isnan(scores), 0.0, weights[:, None])
    total = jnp.maximum(there.sum(axis=0), 1e-9)
    mean = (there * jnp.nan_to_num(scores)).sum(axis=0) / total
    square = (there * (jnp.nan_to_num(scores) - mean[None]) ** 2).sum(axis=0) / total
    return 0.5 * mean - 0.5 * jnp.sqrt(square)


def worst(scores, weights):
    return jnp.nanmin(scores, axis=1)


part = partial(share)
'''


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "votes.py").write_text(SOURCE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder / "votes.py"
    sys.path.remove(str(folder))
    sys.modules.pop("votes", None)


@pytest.mark.slow
def test_a_run_is_ranked_fitted_and_repeated_by_a_signal_of_ones_own(module, small_run):
    """`share` is `combined` by another name: what depends on signals must come out the same."""
    own, known = run(small_config(evaluate={"signal": "votes:share"})), small_run
    for mine, theirs in zip(own.strategies, known.strategies, strict=True):
        assert mine.ranked_by == ("share" if theirs.ranked_by == "combined" else theirs.ranked_by)
        np.testing.assert_allclose(mine.weights, theirs.weights, atol=1e-4)
        np.testing.assert_allclose(mine.rank_ic[5], theirs.rank_ic[5], atol=1e-3)
        assert mine.evidence.luck.out_of_sample == pytest.approx(theirs.evidence.luck.out_of_sample, abs=0.01)
    frame = signals_frame(own)
    assert frame.columns == ["date", "evaluated", "stock", "mean", "disagreement", "combined", "share", "method"]
    ours = frame.filter(frame["method"] == "annealing")
    np.testing.assert_allclose(ours["share"], ours["combined"], atol=1e-6)
    assert set(rank_ic_frame(own)["signal"]) == {"combined", "mean", "disagreement", "share"}
    assert signals_table(own).headings[-2:] == ("share", "t")
    document = metrics_document(own)
    assert document["own_code"] == {"votes:share": hashlib.sha256(module.read_bytes()).hexdigest()}
    assert document["fitted"]["signal"] == "votes:share"
    assert metrics_document(known)["own_code"] == {}


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        ("votes:worst", r"^evaluate\.signal: the function 'worst' gives shape \(4,\) from the scores \[4, 7\] of one date"),
        ("votes:shares", "signal 'votes:shares': votes has no 'shares' .did you mean 'share'"),
        ("votes:ANSWER", "signal 'votes:ANSWER' is no function"),
        ("nowhere:share", "module 'nowhere' cannot be imported .*is it on PYTHONPATH"),
        ("combine", "expected 'combined', 'mean', 'disagreement', or package.module:function .did you mean 'combined'"),
    ],
)
def test_what_is_no_signal_is_named(module, signal, message):
    with pytest.raises(ConfigError, match=message):
        run(small_config(evaluate={"signal": signal}))


def test_the_posterior_takes_none_as_what_it_fits(module):
    config = small_config(evaluate={"signal": "votes:share"}, search=[{"method": "posterior", "lookback": 15}])
    with pytest.raises(ConfigError, match=r"^search\.0: the posterior weighs .* not for 'share' of your own; set `fit_signal: mean`"):
        run(config)


def test_names_of_massjax_are_no_functions(module):
    assert signal_name(named_signal("combined")) == "combined"
    assert signal_name(named_signal("votes:share")) == "share"
    assert named_signal("votes:share") is named_signal("votes:share")
    assert own_code(EvaluateSettings(fit_signal="votes:share")).keys() == {"votes:share"}


def test_an_object_that_is_called_like_a_function_is_written_down_by_its_module(module):
    expected = hashlib.sha256(module.read_bytes()).hexdigest()
    assert own_code(EvaluateSettings(signal="votes:part")) == {"votes:part": expected}


def test_a_module_that_ends_the_process_is_named(module):
    module.with_name("leaves.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"module 'leaves' cannot be imported \(SystemExit: 3\)"):
        named_signal("leaves:share")
