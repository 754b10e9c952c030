"""`kospan calibrate`: fit a saved model's confidence to labelled data."""

from pathlib import Path

from kospan.cli.reading import add_data, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("calibrate", help="fit a saved model's confidence to labelled data")
    parser.add_argument("folder", metavar="MODEL", help="folder of a model")
    add_data(parser)
    parser.add_argument(
        "--report",
        help="labelled texts on which confidence before and after is reported (default: every other one of --data)",
    )
    parser.add_argument(
        "--precision",
        type=float,
        help="also choose the threshold for this precision (question answering stores it in its config)",
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Calibrate the model in its folder and print the result."""
    from kospan.api import read_labelled
    from kospan.calibrate import calibrate, config_of
    from kospan.evaluation.summary import print_calibration
    from kospan.tasks.registry import spec_of_model

    spec = spec_of_model(config_of(Path(arguments.folder))["model_type"])
    settings = {"whole_texts": spec.whole_texts, **data_settings(arguments)}
    paths = arguments.data, arguments.report
    fitted, reported = (path and read_labelled(path, **settings)[0] for path in paths)
    print_calibration(arguments.folder, calibrate(arguments.folder, fitted, reported, precision=arguments.precision))
