"""Cost of `massjax.fitness` against the number of candidates P evaluated at once.

    python benchmarks/candidates.py --out benchmarks/results

One candidate costs as much as the call; many cost their own share each. The exponent is fitted over the half with the most candidates.
"""

from __future__ import annotations

import argparse

from timing import Size, arguments, fit_exponent, measure_fitness, over_all_devices, show, write

SIZES = tuple(4**power for power in range(9))


def main(words: list[str] | None = None) -> None:
    parser = arguments("Cost of massjax.fitness against the number of candidates P", SIZES)
    parser.add_argument("--stocks", type=int, default=50)
    parser.add_argument("--archetypes", type=int, default=16)
    parser.add_argument("--dates", type=int, default=5)
    options = parser.parse_args(words)
    with over_all_devices(options):
        report(options)


def report(options: argparse.Namespace) -> None:
    sizes = [Size(options.archetypes, options.stocks, options.dates, p) for p in sorted(set(options.sizes))]
    rows = measure_fitness(sizes, options.rounds)
    many = rows.tail(max(2, len(rows) // 2))
    exponent = fit_exponent(many["P"].to_list(), many["seconds"].to_list())
    peak = rows["evaluations_per_second"].max()
    enough = rows.filter(rows["evaluations_per_second"] >= 0.8 * peak)["P"][0]  # type: ignore[operator]
    notes = [f"exponent of the cost of a call in P: {exponent}", f"80 % of the highest rate is reached with {enough:,} candidates"]
    title = f"Evaluations a second against candidates, best of {options.rounds} rounds"
    show(title, rows, "P", notes, {enough: "80 % of the highest rate"})
    write(options.out, "candidates", title, rows, notes)


if __name__ == "__main__":
    main()
