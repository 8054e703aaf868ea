"""The command line of `python -m massjax.experiment`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from rich.console import Console

from massjax.commands import add_help_settings, with_store
from massjax.errors import ConfigError
from massjax.flags import add_loudness, add_version, loudness
from massjax.progress import speaking
from massjax.stopping import RESUMABLE, ending_at_once
from massjax.terminal import markup_text, result_console


def experiment_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.experiment",
        description="`python -m massjax.experiment`: ask the same questions with one setting changed, everything before it identical, and "
        "compare the answers pair by pair: approval rates, decisions, scores, McNemar's test.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings of a run")
    parser.add_argument(
        "--vary", action="append", required=True, metavar="[ROLE.]FIELD=A,B",
        help="what to change and its values, such as seniority=junior,senior, trader.horizon=week,year, head.model=small,large, "
        "mask=true,false or order=given,reversed; repeat --vary FIELD=TEXT for texts that hold commas, such as personas",
    )  # fmt: skip
    parser.add_argument(
        "--archetype", action="append", default=[], metavar="NAME", help="archetypes that take part (default: all that ask)"
    )
    parser.add_argument("--store", default=None, metavar="PATH", help="score store that the answers go to (default: the config's)")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder to write tables and pairs into, made anew")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument("--plan", action="store_true", help="say what each variant would ask, how long it takes and what it costs")
    add_help_settings(parser)
    add_loudness(parser)
    add_version(parser)
    return parser


def experiment_command(arguments: list[str] | None) -> int:
    """Read the arguments, ask, compare, print and write.

    Returns:
        0; 1 where a variant has no answer to compare.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = experiment_parser().parse_args(arguments)
    with ending_at_once(RESUMABLE):
        from massjax.experiments.running import plan_experiment, run_experiment
        from massjax.experiments.tables import show_experiment, write_experiment
        from massjax.experiments.variants import parse_varied
        from massjax.scores.printing import warn

    varied = parse_varied(options.vary)
    if options.out is not None and options.out.exists():
        raise ConfigError(f"--out {options.out}: is there already; name a folder that is not")
    console, errors = result_console(), Console(stderr=True)
    with speaking(loudness(quiet=options.quiet, verbose=options.verbose)) as speaker:
        speaker = speaker._replace(warn=partial(warn, errors))
        config = with_store(options.config, options.set, options.store)
        if options.plan:
            for variant, plan in plan_experiment(config, varied, options.archetype, speaker):
                console.print(f"[bold]{markup_text(variant.label)}[/]")
                console.print(plan.table())
                if (roles := plan.role_table()) is not None:
                    console.print(roles)
            console.print("Questions that variants share are asked once.")
            return 0
        found = run_experiment(config, varied, options.archetype, speaker=speaker, starting=partial(ending_at_once, RESUMABLE))
    show_experiment(found, console)
    if options.out is not None:
        options.out.mkdir(parents=True)
        write_experiment(found, options.out)
        console.print(f"Tables and pairs: {markup_text(options.out)}", highlight=False)
    return 0 if all(one.crossed.counts.sum() for one in found.comparisons) else 1
