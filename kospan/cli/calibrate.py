"""`kospan calibrate`: fit a saved model's confidence to labelled data, guarantee its recall, check new data."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from kospan.cli.reading import add_data, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("calibrate", help="fit a saved model's confidence to labelled data")
    parser.add_argument("folder", metavar="MODEL", help="folder of a model")
    add_data(parser, required=False)
    parser.add_argument(
        "--report",
        help="labelled texts on which confidence before and after is reported (default: every other one of --data; "
        "with --recall a quarter of it)",
    )
    parser.add_argument(
        "--precision",
        type=float,
        help="also choose the threshold for this precision (question answering stores it in its config)",
    )
    recall = parser.add_argument_group("guaranteed recall (token classification)")
    recall.add_argument(
        "--recall",
        type=_levels,
        metavar="LEVEL[,LEVEL]",
        help="store operating points recall-LEVEL: thresholds at which this share of the gold spans is found, "
        "guaranteed on average over documents exchangeable with those of --data",
    )
    recall.add_argument(
        "--selection", help="labelled texts that the temperature is fitted to (default: a part of --data)"
    )
    recall.add_argument("--train", help="the model's training data (default: training_texts.txt of its folder)")
    recall.add_argument("--skip_seen", action="store_true", help="leave out training texts, instead of an error")
    recall.add_argument("--per_label", action="store_true", help="a threshold and a guarantee for each label")
    recall.add_argument(
        "--confidence",
        type=float,
        help="probability of the guarantee (default: it holds for the mean over calibrations)",
    )
    recall.add_argument(
        "--joint",
        action="store_true",
        help="with --per_label and --confidence: all guarantees hold with the probability",
    )
    recall.add_argument(
        "--recall_of",
        default="document",
        choices=("document", "corpus"),
        help="mean of the documents' shares (default), or share of all spans",
    )
    recall.add_argument(
        "--non_overlapping", action="store_true", help="disjoint spans; by default every span above its threshold"
    )
    parser.add_argument(
        "--check", metavar="FILE", help="test whether new texts, labelled or not, still resemble the calibration data"
    )
    parser.set_defaults(run=run)


def _levels(text: str) -> list[float]:
    try:
        return [float(level) for level in text.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"expected levels such as 0.9 or 0.9,0.95, got {text!r}") from None


def _given(arguments, names: Sequence[str]) -> list[str]:
    """Names of the flags that were passed; 0 counts."""
    return [name for name in names if getattr(arguments, name) is not None and getattr(arguments, name) is not False]


def run(arguments) -> None:
    """Calibrate the model in its folder or check new texts, and print the result."""
    from kospan.calibrate import config_of
    from kospan.tasks.registry import spec_of_model

    _check_flags(arguments)
    spec = spec_of_model(config_of(Path(arguments.folder))["model_type"])
    settings = {"whole_texts": spec.whole_texts, **data_settings(arguments)}
    if arguments.check:
        _check(arguments, settings)
    else:
        _calibrate(arguments, settings)


def _check_flags(arguments) -> None:
    """Raise ValueError for flags that do not go together."""
    own = ("selection", "train", "skip_seen", "per_label", "confidence", "joint", "non_overlapping")
    if arguments.check:
        unused = _given(arguments, ("data", "report", "precision", "recall", *own))
        if unused:
            raise ValueError(f"expected --check alone, got it beside --{unused[0]}; remove one of the two")
        return
    if not arguments.data:
        raise ValueError("expected --data FILE to calibrate with, or --check FILE, got neither; pass one of them")
    unused = _given(arguments, own) or ["recall_of"] * (arguments.recall_of != "document")
    if unused and not arguments.recall:
        raise ValueError(f"expected --recall LEVEL beside --{unused[0]}, got none; pass both, or remove --{unused[0]}")


def _calibrate(arguments, settings: dict) -> None:
    from kospan.api import read_labelled
    from kospan.calibrate import calibrate, calibrate_recall, config_of
    from kospan.evaluation.operating_point import Goal
    from kospan.evaluation.summary import print_calibration
    from kospan.evaluation.summary_recall import print_recall

    names = ("data", "selection", "report", "train")
    paths = [getattr(arguments, name) for name in names]
    fitted, selection, reported, training = (path and read_labelled(path, **settings)[0] for path in paths)
    if not arguments.recall:
        report = calibrate(arguments.folder, fitted, reported, precision=arguments.precision)
        print_calibration(arguments.folder, report)
        return
    common = (arguments.confidence, arguments.recall_of, arguments.per_label, arguments.joint)
    common += (not arguments.non_overlapping,)
    goals = [Goal(level, *common) for level in arguments.recall]
    report = calibrate_recall(
        arguments.folder,
        goals,
        fitted,
        selection,
        reported,
        training,
        arguments.skip_seen,
        precision=arguments.precision,
    )
    print_calibration(arguments.folder, report)
    points = config_of(Path(arguments.folder))["operating_points"]
    print_recall({goal.name: (points[goal.name], report["recall"][goal.name]) for goal in goals})


def _check(arguments, settings: dict) -> None:
    from kospan.calibrate import check_data
    from kospan.data.content import form_of
    from kospan.data.corpus import read_split
    from kospan.data.texts import read_texts
    from kospan.evaluation.summary_recall import print_check

    if settings["dataset"] == "jsonl" and form_of(arguments.check) == "text":
        examples = read_texts(arguments.check)
    else:
        examples = read_split(settings.pop("dataset"), arguments.check, **settings).examples
    print_check(arguments.check, check_data(arguments.folder, examples))
