"""`kospan analyze`: write the report of a model, or the statistics of a tokenizer."""

import json
from pathlib import Path

from kospan.cli.reading import add_data, add_scored_model, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("analyze", help="write a report of a model's scores, errors and confidence")
    parser.add_argument(
        "model",
        nargs="?",
        help="folder, installed (ko-ner) or Hub name of a model of kospan, or a stock token classifier",
    )
    parser.add_argument("--tokenizer", help="analyze this tokenizer on the texts, instead of a model")
    add_data(parser)
    add_scored_model(parser)
    parser.add_argument(
        "--attention",
        nargs="?",
        const="",
        metavar="SENTENCE",
        help="also show the attention in a sentence, or for a question of the data (default: one of the data), and "
        "test by deletion whether it explains the prediction",
    )
    parser.add_argument("--output", help="folder of the report (default: MODEL/report, or report)")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the report."""
    if (arguments.model is None) == (arguments.tokenizer is None):
        given = "both" if arguments.model else "neither"
        raise ValueError(f"expected a model or --tokenizer NAME to analyze, got {given}; name one of the two")
    if arguments.tokenizer:
        return _analyze_tokenizer(arguments)
    from kospan.api import open_labelled
    from kospan.evaluation.explain import check_explainable, explain
    from kospan.report.analysis import analyze, explainer_of
    from kospan.report.page import write_report
    from kospan.tasks.loading import check_not_exported
    from kospan.training.saving import check_output

    check_not_exported(arguments.model, "analyze")
    folder = arguments.output or (Path(arguments.model) / "report" if Path(arguments.model).is_dir() else "report")
    check_output(folder, folder=True)
    settings = {"train": arguments.train, "aggregation": arguments.aggregation, **data_settings(arguments)}
    task, examples, training, missing = open_labelled(arguments.model, arguments.data, **settings)
    if arguments.attention is not None:
        explainer = explainer_of(task)
        check_explainable(explainer, examples, arguments.attention)
    title = f"{Path(arguments.model).name} on {Path(arguments.data).name}"
    analysis = analyze(task, arguments.model, examples, training)
    analysis.metrics.update(skipped=missing.invalid, left_out=missing.left_out)
    if arguments.attention is not None:
        analysis = analysis._replace(explanation=explain(explainer, examples, arguments.attention))
    print(f"report              {write_report(folder, title, analysis)}")


def _analyze_tokenizer(arguments) -> None:
    from kospan.api import read_labelled
    from kospan.data.text import write_text
    from kospan.evaluation.subword_analysis import examine_subwords
    from kospan.evaluation.summary import print_subwords
    from kospan.tasks.encoders import load_tokenizer
    from kospan.training.saving import check_output

    if arguments.output:
        check_output(arguments.output, folder=True)
    examples, _ = read_labelled(arguments.data, **data_settings(arguments))
    report = examine_subwords(load_tokenizer(arguments.tokenizer), examples)
    print_subwords(f"{arguments.tokenizer} on {arguments.data}", report)
    if arguments.output:
        Path(arguments.output).mkdir(parents=True, exist_ok=True)
        write_text(Path(arguments.output) / "subwords.json", json.dumps(report, indent=2) + "\n")
