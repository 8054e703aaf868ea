"""The agent-count scaling curve: RankIC, and its dispersion over seeds, of 1, 2, 4, ... 1,048,576 agents.

    python benchmarks/agent_scaling.py --out benchmarks/results                       # the bundled score store
    python benchmarks/agent_scaling.py --mass ../shared/data/mass_sse50               # MASS's published data, rule archetypes

Agents are drawn from the agent distribution; each looks at a watch list of stocks on every date and picks some of them
(`massjax.sample_agents`). Two questions are asked of every number of agents:

- *fixed distribution*: how well does the mean of the agents rank the stocks, with the distribution given beforehand (uniform, or
  `--weights FILE`)? Nothing is fitted.
- *re-optimized distribution*: if the distribution is searched again on what these agents said, over a look-back window that ends before the
  dates it is applied to, how well does it rank them *out of sample*, and how well had it seemed to *in sample*?

A seed's population grows: its first 64 agents are among its first 128. The first `--full-seeds` seeds grow to `--max-agents`, the others
to a sixteenth of that, where little dispersion is left.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from populations import Agents, Market, Research, load_market, scaling_curve
from rich.console import Console
from rich.table import Table
from scaling_figure import draw_figure
from timing import choose_platform, write

import massjax as mj
from massjax.config import RunConfig, load_config
from massjax.errors import MassjaxError

ROOT = Path(__file__).resolve().parents[1]
FEWER = 16
"""The populations of most seeds grow to the largest number of agents divided by this."""
COLUMNS = ("agents", "seeds", "fixed", "theory", "re-optimized,\nout of sample", "re-optimized,\nin sample", "score variance", "theory")


def show(rows: pl.DataFrame, expected: dict[str, float], title: str) -> None:
    """Print the curve."""
    table = Table(title=title, title_justify="left")
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    for row in rows.iter_rows(named=True):
        cells = [f"{row['agents']:,}", str(row["seeds"]), _both(row, "fixed"), _both(row, "theory")]
        cells += [_both(row, "out_of_sample"), _both(row, "in_sample")]
        table.add_row(*cells, f"{row['score_variance']:.2e}", f"{row['theory_score_variance']:.2e}")
    table.add_section()
    last = [f"{100 * expected[name]:.2f}" if name in expected else "" for name in ("fixed", "out_of_sample", "in_sample")]
    table.add_row("∞", "", "", f"{100 * expected['limit']:.2f}", "", "", "0", "0")
    table.add_row("expected score", "", last[0], "", last[1], last[2], "", "")
    console = Console(width=132, highlight=False)
    console.print(table)
    console.print(
        "  RankIC in % ± standard deviation over seeds, over the same dates; in sample: over the look-back windows that were searched."
    )


def _both(row: dict[str, float], name: str) -> str:
    if not np.isfinite(row[name]):
        return ""
    spread = row[f"{name}_deviation"]
    return f"{100 * row[name]:.2f}" + (f" ± {100 * spread:.2f}" if np.isfinite(spread) else "")


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    choose_platform(options.platform)
    try:
        config = _config(options)
        market = load_market(config)
        agents = _agents(market, options)
    except MassjaxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    research = None if options.no_search else Research(mj.Annealing(chains=options.chains, steps=options.steps), options.refit)
    sizes = [options.max_agents if s < options.full_seeds else max(1, options.max_agents // FEWER) for s in range(options.seeds)]
    began = time.perf_counter()
    rows, expected = scaling_curve(market, agents, research, sizes, options.seed, options.threads)
    settings, days = market.config.evaluate, market.dates[market.evaluated]
    about = (
        f"{config.name}: {len(market.archetypes)} archetypes, {int(np.median(market.member.sum(axis=0)))} members, {len(days)} dates "
        f"({days[0]} to {days[-1]}), {settings.horizon}-day returns, signal {settings.signal}"
    )
    how = f"watch lists of {agents.watchlist}, {agents.picks} picks, temperature {agents.temperature:.3g}; {_seeds(sizes)}"
    show(rows, expected, f"{about}\n{how}; {time.perf_counter() - began:.0f} s")
    if options.out is not None:
        name = f"agent_scaling_{config.name.replace('-', '_')}"
        listed = ", ".join(f"{which.replace('_', ' ')} {100 * value:.2f} %" for which, value in expected.items() if which != "limit")
        note = (
            f"RankIC of the expected scores, without picking: {listed}; limit of infinitely many agents: {100 * expected['limit']:.2f} %."
        )
        write(options.out, name, about, rows, [how, note])
        for suffix in ("svg", "png"):
            draw_figure(rows, expected, about, how, options.out / f"{name}.{suffix}", settings)
        Console(highlight=False).print(f"written: {options.out / name}.parquet, .md, .svg, .png", soft_wrap=True)
    return 0


def _seeds(sizes: list[int]) -> str:
    """How many seeds grew to which size."""
    return " and ".join(f"{sizes.count(size)} seeds up to {size:,} agents" for size in sorted(set(sizes))).replace(
        "and 1 seeds", "and 1 seed"
    )


def _config(options: argparse.Namespace) -> RunConfig:
    signal = [] if options.signal is None else [f"evaluate.signal={options.signal}"]
    if options.mass is None:
        return load_config(options.config or ROOT / "configs" / "demo.yaml", [*options.set, *signal])
    config = options.config or ROOT / "configs" / "mass_sse50.yaml"
    return load_config(config, [f"market.folder={options.mass.resolve()}", *options.set, *signal])


def _agents(market: Market, options: argparse.Namespace) -> Agents:
    """MASS's ratios by default: watch lists of 40 % of the members, 20 at most, a quarter of which is picked."""
    members = int(np.median(market.member.sum(axis=0)))
    watchlist = options.watchlist or max(2, min(20, round(0.4 * members)))
    scores = np.where(market.member, market.scores, np.nan)
    spread = float(np.nanmedian(np.nanstd(scores[:, :, market.evaluated], axis=1)))
    return Agents(_weights(market, options.weights), watchlist, options.picks or max(1, watchlist // 4), options.temperature * spread)


def _weights(market: Market, path: Path | None) -> Float[np.ndarray, " K"]:
    """Uniform, or from a table with columns archetype and weight; the mean over its rows of each archetype."""
    if path is None:
        return np.full(len(market.archetypes), 1 / len(market.archetypes))
    expected = f"expected a parquet or CSV table with columns archetype and weight, some weight above 0 for {', '.join(market.archetypes)}"
    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        given = dict(table.group_by("archetype").agg(pl.col("weight").cast(pl.Float64).mean()).iter_rows())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise MassjaxError(f"{path}: cannot be read ({str(error).splitlines()[0]}); {expected}") from None
    weights = np.array([given.get(name, 0.0) for name in market.archetypes])
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() <= 0:
        raise MassjaxError(f"{path}: {expected}")
    return weights / weights.sum()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--config", type=Path, default=None, help="market and score store (default: configs/demo.yaml)")
    parser.add_argument("--mass", type=Path, default=None, metavar="PATH", help="MASS's dataset instead, with one rule archetype a feature")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--signal", choices=("mean", "combined", "disagreement"), default="mean", help="theory is that of the mean")
    parser.add_argument("--weights", type=Path, default=None, help="agent distribution, a table of archetype and weight (default: uniform)")
    parser.add_argument("--max-agents", type=_power_of_two, default=2**20, help="a power of two (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=16, help="populations drawn (default: %(default)s)")
    parser.add_argument("--full-seeds", type=int, default=2, help="how many of them grow to the full size (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness")
    parser.add_argument("--watchlist", type=int, default=None, help="stocks an agent sees (default: 40 %% of the members, 20 at most)")
    parser.add_argument("--picks", type=int, default=None, help="stocks an agent picks (default: a quarter of its watch list)")
    parser.add_argument("--temperature", type=float, default=0.5, help="in standard deviations of the scores (default: %(default)s)")
    parser.add_argument("--refit", type=int, default=20, help="dates between two searches (default: %(default)s)")
    parser.add_argument("--chains", type=int, default=64, help="annealing chains of a search (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=50, help="annealing steps of a search (default: %(default)s)")
    parser.add_argument("--no-search", action="store_true", help="leave out the re-optimized distribution")
    parser.add_argument("--threads", type=int, default=2, help="populations drawn at once (default: %(default)s)")
    parser.add_argument("--platform", choices=("cpu", "cuda", "tpu"), default=None, help="where JAX computes (default: what it finds)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder for table and figure (default: none is written)")
    return parser


def _power_of_two(word: str) -> int:
    number = int(word)
    if number < 1 or number & (number - 1):
        raise argparse.ArgumentTypeError(f"{word} is not a power of two, such as 1024 or 1048576")
    return number


if __name__ == "__main__":
    sys.exit(main())
