"""`kospan ablate STUDY.yaml`: run a study, show its status, or write its report."""

import argparse
import os
import signal
import sys

from kospan.ablation.folders import DONE, state_of
from kospan.ablation.plan import Experiment, load_study
from kospan.ablation.runner import planned, run_experiment
from kospan.flags import parse_flags


def parser() -> argparse.ArgumentParser:
    """Parser of the command's own flags; all others are settings of every run."""
    found = argparse.ArgumentParser(
        prog="kospan ablate",
        description="Run the variants of a study with their seeds, each in its own process. After a kill, the same "
        "command resumes. Further flags (--train_file X) are settings of every run.",
        allow_abbrev=False,
    )
    found.add_argument("study", help="the study file; recipes/studies/ holds the shipped ones")
    found.add_argument(
        "--experiment",
        metavar="NAMES",
        help="run only these variants, or experiments of a file that holds several; names separated by commas, "
        "EXPERIMENT/VARIANT where a variant is in several (default: all)",
    )
    found.add_argument("--status", action="store_true", help="show the state of each run; trains nothing")
    found.add_argument("--report", action="store_true", help="write the report of the finished runs; trains nothing")
    found.add_argument("--jobs", type=int, default=1, help="runs at the same time; they share OMP_NUM_THREADS")
    found.add_argument("--overwrite", action="store_true", help="train runs with changed settings again")
    found.add_argument("--output_dir", help="folder of the results (default: outputs/studies/NAME)")
    return found


def ablate(words: list[str]):
    """Check everything; returns a function that runs the study, or None with --status or --report.

    The function returns the exit status: 0, 1 with failed runs, 130 on Ctrl-C.

    Raises: ValueError or OSError where the study cannot be run.
    """
    arguments, rest = parser().parse_known_args(words)
    if arguments.jobs < 1:
        raise ValueError(f"expected --jobs of 1 or more, got {arguments.jobs}")
    # parse_flags takes the first word for a file.
    _, flags = parse_flags(["settings", *rest])
    experiments = load_study(arguments.study, flags, arguments.experiment, arguments.output_dir)
    if arguments.status:
        for experiment in experiments:
            print_status(experiment)
    if arguments.report:
        _report(experiments)
    if arguments.status or arguments.report:
        return None
    from kospan.ablation.check import check_experiment
    from kospan.training.saving import check_output

    for experiment in experiments:
        check_output(experiment.folder, folder=True)
        check_experiment(experiment)
        if experiment.notice:
            print(f"{experiment.name}: {experiment.notice}")
    return lambda: _run(experiments, arguments)


def _run(experiments: list[Experiment], arguments) -> int:
    failed = []

    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        for experiment in experiments:
            failed += [
                f"{experiment.name}/{run.name}"
                for run in run_experiment(experiment, arguments.jobs, arguments.overwrite)
            ]
            if any(state_of(experiment, run).kind == DONE for run in planned(experiment)[0]):
                _report([experiment])
    except KeyboardInterrupt:
        print(
            "\nstopped; finished runs are kept, the same command resumes the others from their last checkpoint",
            file=sys.stderr,
        )
        return 130
    except (OSError, ValueError) as error:
        from kospan.ablation.child import error_line

        print(f"kospan: {error_line(error, experiment.folder)}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    if failed:
        print(
            f"{len(failed)} of the runs failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr
        )
        return 1
    return 0


def _report(experiments: list[Experiment]) -> None:
    from kospan.ablation.page import write_report

    for experiment in experiments:
        print(f"report              {write_report(experiment)}")


def print_status(experiment: Experiment) -> None:
    """Print a table of the experiment's runs, and the seeds that are chosen later."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    runs, best = planned(experiment)
    table = Table(title=f"{experiment.name}: {os.fspath(experiment.folder)}", title_justify="left")
    for name in ("run", "state"):
        table.add_column(name)
    metrics = ["f1", *([experiment.metric] if experiment.metric != "f1" else [])]
    for name in metrics:
        table.add_column(name, justify="right")
    table.add_column("", overflow="fold")
    for run in experiment.of_chosen(runs):
        state = state_of(experiment, run)
        values = [(state.metrics or {}).get(name) for name in metrics]
        cells = [f"{value:.4f}" if value is not None else "" for value in values]
        table.add_row(run.name, state.kind, *cells, Text(state.note))
    console = Console(width=120)
    console.print(table)
    if best is None:
        seeds = ", ".join(map(str, experiment.more.seeds))
        console.print(f"The best {experiment.more.best} variants get the seeds {seeds} after every first run.")
