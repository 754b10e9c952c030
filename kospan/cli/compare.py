"""`kospan compare`: compare two models, or their predictions, on labelled data."""

import json
from pathlib import Path

from kospan.cli.reading import add_data, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("compare", help="compare two models, or files of predictions, on labelled data")
    for name in ("first", "second"):
        parser.add_argument(
            name,
            help="folder, installed (ko-ner) or Hub name of a model (also a stock token classifier), or predictions",
        )
    add_data(parser)
    parser.add_argument("--task", help="task of two files of predictions, such as text-classification")
    parser.add_argument(
        "--aggregation",
        help="stock token classifiers: merging of subwords to entities: simple (default), first, average, max",
    )
    parser.add_argument("--output", help="also write a page (index.html) and comparison.json to this folder")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Print the comparison, and write it to a folder."""
    from kospan.compare import compare
    from kospan.evaluation.summary import print_comparison
    from kospan.report.comparison import page
    from kospan.training.saving import check_output, written_whole

    if arguments.output:
        check_output(arguments.output, folder=True)
    settings = {"task": arguments.task, "aggregation": arguments.aggregation, **data_settings(arguments)}
    found = compare(arguments.first, arguments.second, arguments.data, **settings)
    print_comparison(found)
    if arguments.output:
        with written_whole(arguments.output, last="index.html") as temporary:
            content = json.dumps(found.to_dict(), ensure_ascii=False, indent=1)
            (temporary / "comparison.json").write_text(content + "\n", encoding="utf-8")
            (temporary / "index.html").write_text(page(found, arguments.data), encoding="utf-8")
        print(f"page                {Path(arguments.output) / 'index.html'}")
