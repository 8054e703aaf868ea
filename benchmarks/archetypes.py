"""Cost of `massjax.fitness` against the number of archetypes K.

    python benchmarks/archetypes.py --out benchmarks/results

With few archetypes the ranks cost the most, which do not depend on K; with many the weighted moments do, which grow with K.
"""

from __future__ import annotations

import argparse

from timing import Size, arguments, fit_exponent, measure_fitness, over_all_devices, show, write

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def main(words: list[str] | None = None) -> None:
    parser = arguments("Cost of massjax.fitness against the number of archetypes K", SIZES)
    parser.add_argument("--stocks", type=int, default=50)
    parser.add_argument("--dates", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=512)
    options = parser.parse_args(words)
    with over_all_devices(options):
        report(options)


def report(options: argparse.Namespace) -> None:
    sizes = [Size(k, options.stocks, options.dates, options.candidates) for k in sorted(set(options.sizes))]
    rows = measure_fitness(sizes, options.rounds)
    half = len(rows) // 2
    notes, marks = [], {}
    for words, part in (("few", rows.head(len(rows) - half)), ("many", rows.tail(max(half, 2)))):
        if (exponent := fit_exponent(part["K"].to_list(), part["microseconds"].to_list())) is not None:
            notes.append(f"exponent of the cost of a candidate in K, {words} archetypes: {exponent}")
    twice = rows.filter(rows["microseconds"] >= 2 * rows["microseconds"].min())  # type: ignore[operator]
    if len(twice):
        marks[twice["K"][0]] = "twice the cost of the cheapest"
    notes.append("the method of ranking does not depend on K")
    title = f"Evaluations a second against archetypes, best of {options.rounds} rounds"
    show(title, rows, "K", notes, marks)
    write(options.out, "archetypes", title, rows, notes)


if __name__ == "__main__":
    main()
