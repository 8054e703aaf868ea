"""The command line of `python -m massjax.hindsight`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from rich.console import Console

from massjax.commands import add_help_settings, with_store
from massjax.errors import ConfigError
from massjax.flags import add_loudness, add_version, loudness
from massjax.progress import speaking
from massjax.stopping import ending_at_once
from massjax.terminal import markup_text, result_console

STOPPED = "stopped; what is answered is stored, and the same command goes on from there"


def hindsight_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m massjax.hindsight",
        description="`python -m massjax.hindsight`: measure what a language model remembers of the dates that it is asked about: answers "
        "without facts, masks, familiar prompts, exchanged facts, and scores before and after its cut-off.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings of a run")
    parser.add_argument("--store", default=None, metavar="PATH", help="score store that the answers go to (default: the config's)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting; may be repeated")
    parser.add_argument(
        "--parts", default=None, metavar="A,B", help="what is measured: probe, audit, familiarity, counterfactual, cutoff (default: all)"
    )
    parser.add_argument(
        "--sample", default=None, metavar="SHARE",
        help="share of the dates that probe and familiarity ask about, such as 20%%: whole dates, evenly spaced (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--cells", default=None, metavar="N",
        help="stocks and dates that the audit asks about for each archetype, and the counterfactual in all, about (default: 400); "
        "each costs as many questions as archetypes and parts ask about it",
    )  # fmt: skip
    parser.add_argument("--by-modality", action="store_true", help="audit each modality alone, too: which facts give a stock away")
    parser.add_argument("--plan", action="store_true", help="say what each part would ask and how long it takes; ask nothing")
    add_help_settings(parser)
    add_loudness(parser)
    add_version(parser)
    return parser


def hindsight_command(arguments: list[str] | None) -> int:
    """Read the arguments, ask, judge, print, and write beside the answers.

    Returns:
        0; 1 where the state of a model's memory is undefined.

    Raises:
        MassjaxError: whatever the user can mend.
    """
    options = hindsight_parser().parse_args(arguments)
    with ending_at_once(STOPPED):
        from massjax.hindsight.running import measure_hindsight, plan_hindsight
        from massjax.hindsight.settings import MeasureSettings
        from massjax.hindsight.states import model_states
        from massjax.hindsight.tables import show_hindsight, show_plan
        from massjax.hindsight.writing import write_hindsight
        from massjax.scores.measured import states_in
        from massjax.scores.printing import warn
        from massjax.settings import validate

    given = {
        "parts": None if options.parts is None else [one.strip() for one in options.parts.split(",")],
        "sample": None if options.sample is None else share(options.sample),
        "cells": None if options.cells is None else whole(options.cells),
        "by_modality": options.by_modality or None,
    }
    settings = validate(MeasureSettings, {name: value for name, value in given.items() if value is not None}, "command line")
    console, errors = result_console(), Console(stderr=True)
    with speaking(loudness(quiet=options.quiet, verbose=options.verbose)) as speaker:
        speaker = speaker._replace(warn=partial(warn, errors))
        config = with_store(options.config, options.set, options.store)
        if options.plan:
            show_plan(plan_hindsight(config, settings, speaker), console)
            return 0
        if config.store is not None:
            states_in(config.store)  # what cannot be read is said before anything is asked
        found = measure_hindsight(config, settings, speaker=speaker, starting=partial(ending_at_once, STOPPED))
    show_hindsight(found, console)
    assert config.store is not None
    folder = write_hindsight(found, config.store)
    console.print(f"Tables, picture and hindsight.json: {markup_text(folder)}", highlight=False, soft_wrap=True)
    return 1 if any(one.state == "undefined" for one in model_states(found)) else 0


def share(text: str) -> float:
    """A share, given as a number or in percent.

    Raises:
        ConfigError: it is none.

    Example:
        >>> share("20%"), share("0.5")
        (0.2, 0.5)
    """
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ConfigError(f"--sample {text}: expected a share such as 20% or 0.2") from None
    if not 0 < number <= 1:
        raise ConfigError(f"--sample {text}: expected a share above 0 and at most 100%, such as 20% or 0.2")
    return number


def whole(text: str) -> int:
    """A whole number.

    Raises:
        ConfigError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"--cells {text}: expected a whole number such as 400") from None
