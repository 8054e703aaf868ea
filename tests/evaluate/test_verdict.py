from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from massjax.evaluate.evidence import Evidence, Gain, Luck, Verdict
from massjax.evaluate.verdict import LEVEL, MOST_YEARS, USEFUL_GAIN, bounds, verdict
from massjax.timing import telling_dates
from tests.report.made_evidence import interval

HORIZON = 5
TELLING = telling_dates(HORIZON)
RANK = {"uniform": 0, "too_few": 1, "mix": 2}


def search(
    name: str = "posterior",
    *,
    gain: float = 0.02,
    half: float = 0.01,
    p: float = 0.01,
    dates: int = 1000,
    more_years: float = 0.0,
    kind: str = "search",
    known: bool = True,
) -> Any:
    """A strategy with the figures that a verdict looks at, and nothing else."""
    luck = Luck("circular shifts", 240, 1, 0.5, 0.5, p, p, "", np.zeros(240))
    both = interval(gain - half, gain + half)
    found = Gain(gain, both, both, dates, dates / 5, more_years)
    evidence = Evidence(luck if known else None, "", found, {}, {}, 3.0)
    return SimpleNamespace(name=name, kind=kind, evidence=evidence)


def kind_of(**figures: Any) -> str:
    return verdict([search(**figures)], HORIZON).kind


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({}, "mix"),
        ({"p": LEVEL}, "mix"),
        ({"p": np.nextafter(LEVEL, 1), "more_years": math.inf}, "uniform"),
        ({"half": 0.02, "more_years": math.inf}, "uniform"),
        ({"half": np.nextafter(0.02, 0)}, "mix"),
        ({"dates": TELLING}, "mix"),
        ({"dates": TELLING - 1}, "too_few"),
        ({"known": False}, "too_few"),
        ({"p": math.nan}, "too_few"),
        ({"gain": math.nan, "half": math.nan, "dates": 0, "p": math.nan}, "too_few"),
        ({"p": 0.3, "half": 0.03, "more_years": 4.0}, "too_few"),
        ({"p": 0.3, "half": 0.03, "more_years": MOST_YEARS}, "too_few"),
        ({"p": 0.3, "half": 0.03, "more_years": np.nextafter(MOST_YEARS, 99)}, "uniform"),
        ({"p": 0.3, "gain": USEFUL_GAIN / 2, "half": USEFUL_GAIN / 2, "more_years": 1.0}, "too_few"),
        ({"p": 0.3, "gain": USEFUL_GAIN / 2, "half": USEFUL_GAIN / 4, "more_years": 1.0}, "uniform"),
        ({"p": 0.3, "gain": 0.0, "half": 0.03, "more_years": math.inf}, "uniform"),
        ({"p": 0.9, "gain": -0.02, "half": 0.05, "more_years": math.inf}, "uniform"),
        ({"p": 0.01, "half": math.nan, "more_years": math.inf}, "uniform"),
    ],
)
def test_every_branch_and_its_boundary(figures: dict[str, Any], expected: str) -> None:
    assert kind_of(**figures) == expected


def test_both_intervals_must_lie_above_zero() -> None:
    found = search()
    for name in ("newey_west", "bootstrap"):
        other = replace(found.evidence.gain, **{name: interval(-0.001, 0.05)})
        assert bounds(other) == (-0.001, 0.05)
        strategy = SimpleNamespace(name="posterior", kind="search", evidence=replace(found.evidence, gain=other))
        assert verdict([strategy], HORIZON).kind == "too_few"  # type: ignore[list-item]
    assert np.isnan(bounds(replace(found.evidence.gain, bootstrap=interval(math.nan, 1.0)))).all()


def test_nothing_searched_means_uniform_weights() -> None:
    bare = SimpleNamespace(name="posterior", kind="search", evidence=None)
    assert verdict([], HORIZON) == verdict([search(kind="control")], HORIZON) == verdict([bare], HORIZON) == Verdict("uniform", "")  # type: ignore[list-item]


def test_the_smallest_p_is_spoken_of_then_the_largest_gain_and_what_is_unknown_last() -> None:
    listed = [search("a", p=0.5), search("b", p=0.02, gain=0.03), search("c", p=0.02, gain=0.04), search("d", p=math.nan, gain=1.0)]
    assert verdict(listed, HORIZON).strategy == verdict(listed[::-1], HORIZON).strategy == "c"
    assert verdict([search("control", kind="control", p=0.001), *listed], HORIZON).strategy == "c"


def test_the_reasons_are_the_figures() -> None:
    assert dict(verdict([search(more_years=2.5)], HORIZON).reasons) == {
        "gain": 0.02,
        "low": 0.01,
        "high": 0.03,
        "p": 0.01,
        "dates": 1000.0,
        "telling_dates": float(TELLING),
        "more_years": 2.5,
        "effective_archetypes": 3.0,
    }


def years(gain: float, half: float, dates: int) -> float:
    """Further years that a gain of that size takes, as power has it: fewer for a larger one."""
    if gain <= 0:
        return math.inf
    return max(0.0, dates * ((2.4865 * half / 1.96 / gain) ** 2 - 1)) / 252


@settings(max_examples=300)
@given(
    gains=st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)).map(lambda both: (both[0] / 1e4, both[1] / 1e4)),
    chances=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    half=st.floats(1e-4, 0.1),
    dates=st.integers(1, 3000),
)
def test_a_smaller_p_or_a_larger_gain_never_speaks_against_the_mix(
    gains: tuple[float, float], chances: tuple[float, float], half: float, dates: int
) -> None:
    def rank(gain: float, p: float) -> int:
        return RANK[kind_of(gain=gain, p=p, half=half, dates=dates, more_years=years(gain, half, dates))]

    assert rank(max(gains), chances[0]) >= rank(min(gains), chances[0])
    assert rank(gains[0], min(chances)) >= rank(gains[0], max(chances))
