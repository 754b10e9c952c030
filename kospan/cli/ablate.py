"""`kospan ablate`: run the variants of a study."""

import argparse


def add_parser(commands) -> None:
    """Add the command, whose flags `kospan.ablation.command` parses."""
    parser = commands.add_parser(
        "ablate", help="run the variants of a study, each with its seeds; `kospan ablate --help` lists its flags"
    )
    parser.add_argument("study", help="the study file")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the command, and settings of every run")


def run(words: list[str]):
    """Check the study; the runs are the callable that is returned."""
    from kospan.ablation.command import ablate

    return ablate(words)
