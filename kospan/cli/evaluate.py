"""`kospan evaluate`: score a model on labelled data."""

import json

from kospan.cli.reading import add_data, add_scored_model, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("evaluate", help="score a model on labelled data and classify its errors")
    parser.add_argument(
        "model", help="folder, installed (ko-ner) or Hub name of a model of kospan, or a stock token classifier"
    )
    add_data(parser)
    add_scored_model(parser)
    parser.add_argument("--output", help="also write the metrics to this JSON file, the rest under `examination`")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Print the scores and write them to a file."""
    from kospan.api import evaluate
    from kospan.data.text import write_text
    from kospan.evaluation.summary import print_examination
    from kospan.training.saving import check_output

    if arguments.output:
        check_output(arguments.output, inputs=filter(None, [arguments.data, arguments.train]))
    settings = {"train": arguments.train, "aggregation": arguments.aggregation, **data_settings(arguments)}
    report = evaluate(arguments.model, arguments.data, **settings)
    items = "questions" if report["task"] == "question-answering" else "documents"
    print_examination(f"{arguments.model} on {arguments.data}, {report['documents']:,} {items}", report)
    if arguments.output:
        metrics = {f"eval_{name}": value for name, value in report["metrics"].items()}
        write_text(arguments.output, json.dumps(metrics | {"examination": report}, indent=2) + "\n")
