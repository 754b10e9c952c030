"""`kospan suggest`: choose unlabelled texts for annotation, by the uncertainty of a model."""

import sys

from kospan.cli.reading import add_texts, texts_of
from kospan.evaluation.uncertainty import STRATEGIES


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "suggest", help="choose unlabelled texts for annotation, those of which a model is least certain"
    )
    parser.add_argument("model", help="folder, installed name (ko-ner) or Hub name of a model")
    add_texts(parser)
    parser.add_argument("--count", type=int, default=100, help="number of texts (default: 100)")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="least_confidence",
        help="measure of uncertainty (default: least_confidence)",
    )
    parser.add_argument(
        "--normalization",
        choices=("length", "none"),
        help="token classification, generative NER: average over units (length, default) or sum (none)",
    )
    parser.add_argument(
        "--max_similarity",
        type=float,
        default=0.8,
        help="skip texts that are more similar than this to a chosen one; 1 skips equal texts (default: 0.8)",
    )
    parser.add_argument(
        "--labelled", nargs="+", default=[], metavar="FILE", help="texts that are labelled already and are skipped"
    )
    parser.add_argument(
        "--format",
        choices=("jsonl", "label-studio"),
        default="jsonl",
        help="JSON Lines with predicted spans (default), or tasks of Label Studio with predictions",
    )
    parser.add_argument("--model_version", help="model version in Label Studio (default: name of the model)")
    parser.add_argument("--output", default="-", help="file to write; - prints JSON Lines (default)")
    parser.add_argument("--batch_size", type=int, default=32, help="windows per batch (default: 32)")
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the chosen texts with predicted spans."""
    from pathlib import Path

    from kospan.api import task_over
    from kospan.data.texts import read_texts
    from kospan.suggestions import suggest
    from kospan.training.saving import check_output

    to_tasks = arguments.format == "label-studio"
    if arguments.output != "-":
        check_output(arguments.output, inputs=[*arguments.files, *arguments.labelled])
    elif to_tasks:
        raise ValueError("expected --output FILE for --format label-studio, got none; name a file to import")
    if arguments.model_version and not to_tasks:
        raise ValueError("expected no --model_version for JSON Lines, got one; leave it out")
    task = task_over(arguments.model)
    examples = texts_of(arguments, task)
    found = suggest(
        task,
        examples,
        arguments.count,
        arguments.strategy,
        arguments.normalization == "none",
        arguments.max_similarity,
        [example for file in arguments.labelled for example in read_texts(file)],
        arguments.batch_size,
    )
    if to_tasks:
        _write_tasks(arguments.output, found, arguments.model_version or Path(arguments.model).name, task.spec)
    else:
        _write_lines(arguments.output, found)
    where = "" if arguments.output == "-" else f" -> {arguments.output}"
    print(f"{len(found):,} of {len(examples):,} texts{where}", file=sys.stderr)


def _write_lines(path: str, found) -> None:
    import json

    from kospan.data.jsonl import record, write_lines

    lines = [record(each.example, each.example.spans) | {"uncertainty": each.uncertainty} for each in found]
    if path == "-":
        sys.stdout.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    else:
        write_lines(path, lines)


def _write_tasks(path: str, found, model_version: str, spec) -> None:
    from kospan.data.formats.labelstudio import task_data, write_tasks
    from kospan.data.formats.labelstudio_results import choice_results, prediction, region_results

    tasks = []
    for number, (example, uncertainty) in enumerate(found, 1):
        spans = example.spans
        if spec.whole_texts:
            results = choice_results(next(iter(spans), None), scored=True)
        else:
            results = region_results(example.text, spans, scored=True)
        data = task_data(example) | {"uncertainty": uncertainty}
        tasks.append({"id": number, "data": data, "predictions": [prediction(results, spans, model_version)]})
    write_tasks(path, tasks)
