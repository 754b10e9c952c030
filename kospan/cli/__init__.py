"""The command line: `kospan COMMAND ...`, one module per command. Importing it loads neither torch nor transformers."""

import argparse
import importlib
import os
import sys

from kospan.cli.errors import hide_secrets, print_mistake

# Modules of this package: `add_parser(commands)` adds the command's flags, `run(arguments)` runs it.
COMMANDS = (
    *("train", "predict", "evaluate", "analyze", "compare", "benchmark", "calibrate", "ablate", "convert", "export"),
    *("mask", "push", "serve", "suggest", "unmask", "vectors", "pseudo-label", "bundle"),
)
# Commands whose flags are settings of a recipe: their `run` takes the words themselves.
RECIPE_COMMANDS = ("train", "ablate")
# Exit status of shells for a program that Ctrl-C has ended, and for one whose output is no longer read.
INTERRUPTED, CLOSED_PIPE = 130, 141


def main(words: list[str] | None = None) -> int:
    """Run one command; a user's mistake is one line on stderr and exit status 2."""
    hide_secrets()
    try:
        try:
            return _main(sys.argv[1:] if words is None else words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # Without this, Python reports the closed pipe again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def _main(words: list[str]) -> int:
    if words and words[0] in RECIPE_COMMANDS:
        return _guarded(_module(words[0]).run, words[1:])
    arguments = build_parser().parse_args(words)
    return _guarded(arguments.run, arguments)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="kospan", description="Models that find spans in text, Korean first.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        _module(name).add_parser(commands)
    return top


def _module(name: str):
    return importlib.import_module(f"kospan.cli.{name.replace('-', '_')}")


def _guarded(run, arguments) -> int:
    """Run a command; the callable that it returns, if any, runs after all checks and is not guarded."""
    try:
        rest = run(arguments)
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, OSError, ImportError) as error:
        print_mistake(error)
        return 2
    except KeyboardInterrupt as error:
        advice = str(error) or "run the same command to start again"
        print(f"kospan: stopped by Ctrl-C; {advice}", file=sys.stderr)
        return INTERRUPTED
    return (rest() if rest is not None else None) or 0
