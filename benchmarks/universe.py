"""Cost of `massjax.fitness` against the number of stocks N.

    python benchmarks/universe.py --out benchmarks/results

Up to `massjax.engine.ranks.PAIRS_UP_TO` stocks all pairs are compared, a cost of N² at worst; above, stocks are sorted. The exponent is
fitted to each part by itself.
"""

from __future__ import annotations

import argparse

from timing import Size, arguments, choose_platform, fit_exponent, measure_fitness, show, write

from massjax.engine.ranks import PAIRS_UP_TO

COMPARISONS = 2 * 10**9
SIZES = (10, 20, 50, 100, 200, 300, 500, 600, 1000, 2000, 3000)


def main(words: list[str] | None = None) -> None:
    parser = arguments("Cost of massjax.fitness against the number of stocks N", SIZES)
    parser.add_argument("--archetypes", type=int, default=16)
    parser.add_argument("--dates", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=1024, help="at most; fewer where the stocks are many (default: %(default)s)")
    options = parser.parse_args(words)
    choose_platform(options.platform)
    sizes = [Size(options.archetypes, n, options.dates, _candidates(n, options)) for n in sorted(set(options.sizes))]
    rows = measure_fitness(sizes, options.rounds)
    notes, marks = [], {}
    for method, part in (("all pairs", rows.filter(rows["N"] <= PAIRS_UP_TO)), ("sorting", rows.filter(rows["N"] > PAIRS_UP_TO))):
        if len(part):
            marks[part["N"][0]] = method
        if (exponent := fit_exponent(part["N"].to_list(), part["microseconds"].to_list())) is not None:
            notes.append(f"exponent of the cost of a candidate in N, {method}: {exponent}")
    notes.append(f"the method of ranking changes above {PAIRS_UP_TO:,} stocks")
    title = f"Evaluations a second against stocks, best of {options.rounds} rounds"
    show(title, rows, "N", notes, marks)
    write(options.out, "universe", title, rows, notes)


def _candidates(stocks: int, options: argparse.Namespace) -> int:
    """Fewer for many stocks, so that a call takes about a second at most."""
    comparisons = options.dates * stocks * (options.archetypes + min(stocks, PAIRS_UP_TO))
    return int(max(1, min(options.candidates, COMPARISONS // comparisons)))


if __name__ == "__main__":
    main()
