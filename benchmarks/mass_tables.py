"""The tables of MASS (arXiv 2505.10278) for a configuration, with the controls that it lacked in every one of them.

    python benchmarks/mass_tables.py performance --set market.folder=/path/to/mass_sse50 --out benchmarks/results

`performance`: IC, RankIC and their ratios at every horizon, of all three signals, by year. `ablations`: what each part of MASS is worth.
`scaling`: RankIC by number of agents, 64 to 1,048,576. `backtest`: the weekly portfolio. `cost`: time, calls, tokens and money, the first
time and again. `all`: these five; tables made together share the runs that they have in common. A table is written as soon as it is whole,
as Markdown, parquet and figure that go by the name of the configuration.

Beside what each is about stand uniform weights, the best single archetype, the rank sum of the features with their published signs, rules
on the same features without replicas, LightGBM walked forward, and what circular shifts of the returns make of the search.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import mass_backtest
import mass_figures
import polars as pl
from mass_cost import cost_rows
from mass_runs import Baseline, Series, Source, gains, series_of
from mass_summaries import READING, Row, by_period, figure, performance_rows
from mass_variants import SIZES, ablation_rows, ablations, scaling_rows
from timing import print_table, write

from massjax.errors import ConfigError, MassjaxError

ROOT = Path(__file__).resolve().parents[1]
KNOWN_RANK_SUM = (
    "The rank sum of the six published features has 9.07 % in 2023 and 2.19 % over all dates of 2018 to 2023 on MASS's data; a run leaves "
    "out the first dates, which have no look-back."
)
PAPER = (
    "Figures of the paper are of 2023 with Qwen2.5-72B, transcribed by others, about; those of CSI 300 are of another universe than the "
    "rows beside them."
)
NO_LIGHTGBM = "LightGBM is not installed here, and its row is missing: pip install 'massjax[lightgbm]'."


class Made(NamedTuple):
    """A table.

    Attributes:
        rows: of the parquet file.
        shown: by heading, as they are read.
        notes: below it.
        drawing: its figure.
        height: of the figure, in inches.
    """

    rows: pl.DataFrame
    shown: dict[str, pl.DataFrame]
    notes: tuple[str, ...]
    drawing: mass_figures.Drawing
    height: float = 5.2


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as a table; what some rows lack is null."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], infer_schema_length=None)


def performance(baseline: Baseline, options: argparse.Namespace) -> Made:
    del options
    seeded = series_of(baseline.runs)
    learned, too_short = _learned(baseline)
    series = [*seeded, *learned, *gains(seeded)]
    rows = frame(performance_rows(series, baseline.runs[0].dates))
    horizons, fitted = sorted(set(rows["horizon"].to_list())), baseline.runs[0].horizon
    shown = {
        f"{name} in %, {horizon}-day returns": by_period(rows, horizon, name)
        for horizon in horizons
        for name in ("RankIC", "IC", "RankICIR", "ICIR")
    }
    chances = rows.filter(pl.col("p").is_not_null()).select("strategy", "signal", "p")
    shown[f"Chance of luck, {fitted}-day returns, all dates"] = chances
    return Made(rows, shown, (READING, KNOWN_RANK_SUM, *too_short), mass_figures.years(rows, fitted), 6.4)


def _learned(baseline: Baseline) -> tuple[list[Series], tuple[str, ...]]:
    """Series of what learns from all known dates; none, and a note, where there are too few of them to begin."""
    try:
        return series_of([baseline.learned]), ()
    except ConfigError as error:
        if not str(error).startswith("evaluate.lookback"):
            raise
        return [], (f"LightGBM and the rules beside it are left out: {error}",)


def ablation(baseline: Baseline, options: argparse.Namespace) -> Made:
    variants = ablations(baseline.source.config())
    groups = list(dict.fromkeys(variant.group for variant in variants))
    if unknown := [name for name in options.only or () if name not in groups]:
        raise ConfigError(f"--only {unknown[0]}: expected one of {', '.join(groups)}")
    chosen = [variant for variant in variants if not options.only or variant.group in options.only]
    rows = frame(ablation_rows(baseline, chosen))
    shown = {"RankIC in %": _readable(rows, ("group", "setting", "seeds", "dates"), ("paper 2023", "paper's market", "p"))}
    return Made(rows, shown, (READING, PAPER), mass_figures.settings(rows), 0.9 + 0.26 * len(rows))


def scaling(baseline: Baseline, options: argparse.Namespace) -> Made:
    rows = frame(scaling_rows(baseline, options.sizes, options.full_seeds))
    shown = {"RankIC in %": _readable(rows, ("setting", "agents", "seeds", "dates"), ("paper 2023", "p"))}
    return Made(rows, shown, (READING, PAPER), mass_figures.agents(rows), 6.0)


def _readable(rows: pl.DataFrame, first: Sequence[str], last: Sequence[str]) -> pl.DataFrame:
    """Means with their bands in one cell each."""
    skipped = {*first, *last}
    names = [name for name in rows.columns if name not in skipped and not name.endswith((" NW", " seeds"))]
    cells = [{name: figure(row, name) for name in names} for row in rows.iter_rows(named=True)]
    ends = [name for name in last if name in rows.columns]
    return rows.select(first).hstack(pl.DataFrame(cells)).hstack(rows.select(ends))


def backtest(baseline: Baseline, options: argparse.Namespace) -> Made:
    del options
    found = mass_backtest.backtest_rows(baseline)
    if not found:
        raise ConfigError("market.horizons: the market data have neither prices nor one-day returns to hold a portfolio by; add horizon 1")
    rows = frame(found)
    shown = {"After costs": _readable(rows, ("strategy", "seeds", "from", "days"), ("p",))}
    return Made(rows, shown, (mass_backtest.READING,), mass_figures.equity(*mass_backtest.curves(baseline)))


def cost(baseline: Baseline, options: argparse.Namespace) -> Made:
    rows = frame(cost_rows(baseline.source, options.price))
    notes = (
        "Each run is a process of its own, start, reading and the run directory included: first with nothing compiled before, then again. "
        "Calls, tokens and seconds of asking are those of the store's answer log; 0 where all archetypes are rules. Cost of prompt tokens "
        "only. MASS asks each of its agents anew in every run.",
    )
    return Made(rows, {"What a run takes": rows}, notes, mass_figures.seconds(rows))


TABLES: dict[str, tuple[str, Callable[[Baseline, argparse.Namespace], Made]]] = {
    "performance": ("Performance by signal, horizon and year", performance),
    "ablations": ("What each part of MASS is worth", ablation),
    "scaling": ("RankIC by number of agents", scaling),
    "backtest": ("Weekly portfolio of the best fifth at 0.1 % a round trip", backtest),
    "cost": ("What a run takes, the first time and again", cost),
}


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    source = Source(options.config, tuple(options.set), options.seeds, options.devices)
    try:
        config, baseline = source.config(), Baseline(source)
        for name in TABLES if "all" in options.tables else dict.fromkeys(options.tables):
            began, (title, make) = time.perf_counter(), TABLES[name]
            made = make(baseline, options)
            missing = () if importlib.util.find_spec("lightgbm") else (NO_LIGHTGBM,)
            _tell(options.out, f"{config.name.replace('-', '_')}_{name}", f"{title}: {config.name}", made, missing)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    except MassjaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _tell(out: Path | None, name: str, title: str, made: Made, missing: Sequence[str]) -> None:
    """Print a table, and write it where a folder is given."""
    for heading, table in made.shown.items():
        print_table(f"{title}; {heading}", table)
    for note in (*made.notes, *missing):
        print(note)
    write(out, name, title, made.rows, (*made.notes, *missing), made.shown)
    if out is not None:
        mass_figures.save(made.drawing, title, "", out, name, made.height)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("tables", nargs="+", choices=(*TABLES, "all"), metavar="NAME", help=f"some of {', '.join(TABLES)}, or all")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "mass_whole.yaml", help="default: configs/mass_whole.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--seeds", type=_at_least_one, default=5, help="seeds of finite agents and search (default: %(default)s)")
    parser.add_argument(
        "--full-seeds", type=_at_least_one, default=1, help="of them run with more than 16,384 agents (default: %(default)s)"
    )
    parser.add_argument("--sizes", type=_at_least_one, nargs="+", default=list(SIZES), help="agents in all, for scaling")
    parser.add_argument("--only", nargs="+", default=None, metavar="GROUP", help="groups of ablations (default: all)")
    parser.add_argument("--price", type=float, default=None, help="USD a million prompt tokens (default: the configuration's)")
    parser.add_argument("--devices", type=_at_least_one, default=None, help="GPUs or CPU cores (default: all)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for tables and figures (default: none is written)")
    return parser


def _at_least_one(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word}: expected a whole number of at least 1")
    return int(word)


if __name__ == "__main__":
    sys.exit(main())
