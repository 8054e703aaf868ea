"""Cost of `massjax.fitness` against the number of stocks N.

    python benchmarks/universe.py --out benchmarks/results

Few stocks are compared pair by pair, a cost of N² at worst; many are sorted, by a compiled bucket sort where numba is installed, else
by a sorting network (see `massjax.engine.evaluation.ranking_method`). The exponent is fitted to each part by itself.
"""

from __future__ import annotations

import argparse

import polars as pl
from timing import Size, arguments, fit_exponent, measure_fitness, over_all_devices, show, write

from massjax.engine.evaluation import ranking_method

COMPARISONS, MOST_COMPARED = 2 * 10**9, 512
METHODS = {"pairs": "all pairs", "compiled": "compiled kernel", "network": "sorting network"}
SIZES = (10, 20, 50, 100, 200, 300, 500, 600, 1000, 2000, 3000)


def main(words: list[str] | None = None) -> None:
    parser = arguments("Cost of massjax.fitness against the number of stocks N", SIZES)
    parser.add_argument("--archetypes", type=int, default=16)
    parser.add_argument("--dates", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=1024, help="at most; fewer where the stocks are many (default: %(default)s)")
    options = parser.parse_args(words)
    with over_all_devices(options):
        report(options)


def report(options: argparse.Namespace) -> None:
    sizes = [Size(options.archetypes, n, options.dates, _candidates(n, options)) for n in sorted(set(options.sizes))]
    rows = measure_fitness(sizes, options.rounds)
    notes, marks = [], {}
    methods = rows["N"].map_elements(lambda stocks: METHODS[ranking_method(stocks)], return_dtype=pl.String)
    for (method,), part in rows.group_by(methods.alias("method"), maintain_order=True):
        marks[part["N"][0]] = str(method)
        if (exponent := fit_exponent(part["N"].to_list(), part["microseconds"].to_list())) is not None:
            notes.append(f"exponent of the cost of a candidate in N, {method}: {exponent}")
    title = f"Evaluations a second against stocks, best of {options.rounds} rounds"
    show(title, rows, "N", notes, marks)
    write(options.out, "universe", title, rows, notes)


def _candidates(stocks: int, options: argparse.Namespace) -> int:
    """Fewer for many stocks, so that a call takes about a second at most."""
    comparisons = options.dates * stocks * (options.archetypes + min(stocks, MOST_COMPARED))
    return int(max(1, min(options.candidates, COMPARISONS // comparisons)))


if __name__ == "__main__":
    main()
