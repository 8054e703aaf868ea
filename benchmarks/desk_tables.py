"""The tables of arXiv 2410.00354 for a configuration's organisations, and what each is worth: RankIC alone, by year, in a searched mix.

    python -m massjax.precompute --config configs/desk.yaml
    python benchmarks/desk_tables.py --config configs/desk.yaml --cross second-opinion,committee --institutions net_buying.csv --out tables

Beside every consistency stand its chance level, the share of the decisions that it is of, and the share-weighted mean of the sides,
which must be the overall figure. Asks nothing: what the log of the configuration's store has is what is shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from massjax.config import RunConfig, load_config
from massjax.errors import ConfigError, did_you_mean
from massjax.experiments.comparing import Answers
from massjax.experiments.running import answers_of
from massjax.market import Panel
from massjax.market.fills import judged_returns
from massjax.market.identifiers import Conventions
from massjax.market.institutions import read_net_buying
from massjax.pipeline import run
from massjax.report.run import RunResult
from massjax.scores.fitting import resolver_of_store
from massjax.scores.inputs import prepare
from massjax.statistics.by_year import by_year
from massjax.statistics.decision_tables import approval_table, as_markdown, consistency_table, cross_frame, market_table, shares_table
from massjax.statistics.decisions import directions

INSTITUTIONS = "institutions"


def organisations(config: RunConfig) -> tuple[Panel, dict[str, Answers]]:
    """What each archetype that asks a model decided, by name."""
    if config.store is None:
        raise ConfigError("store: not set; name the score store that the answers are in")
    resolver = resolver_of_store(prepare(config), config.store)
    return resolver.inputs.panel, {archetype.name: answers_of(resolver, archetype) for archetype in resolver.inputs.asking}


def paper_tables(
    config: RunConfig, panel: Panel, answers: Mapping[str, Answers], institutions: Path | None, crossed: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables 1 to 7 of the paper, as far as what is given allows."""
    decided = {name: found.decision for name, found in answers.items()}
    with_reference = dict(decided)
    if institutions is not None:
        net = read_net_buying(institutions, panel, conventions=Conventions.of(config.market))
        for warning in net.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        with_reference = {INSTITUTIONS: directions(net.net), **decided}
    yield "Shares of decisions", shares_table(with_reference)
    if institutions is not None:
        yield "Consistency with institutions", consistency_table(decided, with_reference[INSTITUTIONS])
    for first, second in crossed:
        for name in (first, second):
            if name not in decided:
                raise ConfigError(f"--cross {first},{second}: no archetype {name!r} asks a model{did_you_mean(name, decided)}")
        yield f"Decisions of {first} against those of {second}", cross_frame((first, decided[first]), (second, decided[second]))
    approvals = {f"{name}: {role}": follows for name, found in answers.items() for role, follows in found.approval.items()}
    if approvals:
        yield "Approval rates", approval_table(approvals)
    returns = judged_returns(panel, config.market.execution_lag)
    yield "Consistency with the market", market_table(with_reference, returns)


def worth(result: RunResult) -> Iterator[tuple[str, pl.DataFrame]]:
    """RankIC of each organisation alone and of every strategy over them, with standard errors, and by year."""
    horizon, dates = result.config.evaluate.horizon, result.panel.dates
    rows = [
        {
            "what": f"{one.archetype.name}, alone",
            **_summary(one.rank_ic.mean, one.rank_ic.standard_error),
            "weight, %": _weight(one.mean_weight),
        }
        for one in result.archetypes
    ]
    rows += [
        {"what": strategy.label, **_summary(found.mean, found.standard_error), "weight, %": None}
        for strategy in result.strategies
        for found in [strategy.metrics[horizon].rank_ic]
    ]
    yield f"RankIC at {horizon} days: each organisation alone, mixes and controls", pl.DataFrame(rows, infer_schema_length=None)
    years = [
        {"what": strategy.label, "year": str(year), **_summary(found.mean, found.standard_error), "dates": found.dates}
        for strategy in result.strategies
        for year, found in by_year(strategy.rank_ic[horizon], dates.tolist(), horizon).items()
    ]
    yield "RankIC by year", pl.DataFrame(years, infer_schema_length=None)


def _summary(mean: float, error: float) -> dict[str, float | None]:
    return {"RankIC, %": _known(100 * mean), "standard error": _known(100 * error)}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _weight(by_strategy: Mapping[str, float]) -> float | None:
    """Mean weight by the first search."""
    return _known(100 * next(iter(by_strategy.values()))) if by_strategy else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, default=Path("configs/desk.yaml"))
    parser.add_argument("--institutions", type=Path, default=None, metavar="FILE", help="table with date, stock and net (bought less sold)")
    parser.add_argument("--cross", action="append", default=[], metavar="A,B", help="two archetypes whose decisions are crossed")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for desk_tables.md and a parquet file a table")
    options = parser.parse_args()
    config = load_config(options.config, options.set)
    crossed = tuple(tuple(pair.split(",")) for pair in options.cross)
    if any(len(pair) != 2 for pair in crossed):
        raise ConfigError(f"--cross {' --cross '.join(options.cross)}: expected two archetypes each, as in single,committee")
    panel, answers = organisations(config)
    tables = [*paper_tables(config, panel, answers, options.institutions, crossed), *worth(run(config))]
    text = "\n\n".join(f"**{title}**\n\n{as_markdown(table)}" for title, table in tables) + "\n"
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "desk_tables.md").write_text(text, encoding="utf-8")
        for number, (_, table) in enumerate(tables, start=1):
            table.write_parquet(options.out / f"desk_table_{number}.parquet")


if __name__ == "__main__":
    main()
