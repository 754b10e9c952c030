"""`kospan predict`: predict spans for a file of texts."""

import json
import sys


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("predict", help="predict spans for a file of texts, as JSON Lines")
    parser.add_argument("model", help="folder, installed name (ko-ner) or Hub name of a model")
    parser.add_argument(
        "file",
        help="texts: JSON Lines (with questions for question answering), or plain text with one document per line",
    )
    parser.add_argument("--dataset", help="format of another kind of file: a data set's name, such as conll")
    parser.add_argument(
        "--output",
        default="-",
        help="file for the JSON Lines, compressed if it ends with .gz, .bz2 or .xz; - prints them (default)",
    )
    parser.add_argument("--threshold", type=float, help="lowest score of a span (default: the model's own)")
    parser.add_argument(
        "--decode",
        choices=("viterbi", "posterior", "mbr"),
        help="token classification: choice of the spans, see the guide to named entities (default: viterbi)",
    )
    parser.add_argument("--overlapping", action="store_true", help="with --decode posterior: also overlapping spans")
    parser.add_argument(
        "--operating_point", help="token classification: operating point of the model, such as recall-0.95"
    )
    parser.add_argument("--batch_size", type=int, default=32, help="windows per batch (default: 32)")
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the predictions."""
    from kospan.api import predict
    from kospan.data.jsonl import record
    from kospan.data.text import write_text
    from kospan.training.saving import check_output

    if arguments.output != "-":
        check_output(arguments.output)
    examples = predict(
        arguments.model,
        arguments.file,
        dataset=arguments.dataset,
        threshold=arguments.threshold,
        decoding={"decode": arguments.decode, "overlapping": arguments.overlapping or None}
        | {"operating_point": arguments.operating_point},
        batch_size=arguments.batch_size,
        skip_invalid=arguments.skip_invalid,
        say=lambda line: print(line, file=sys.stderr),
    )
    records = [record(example, spans=example.spans) for example in examples]
    lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in records]
    if arguments.output == "-":
        sys.stdout.writelines(lines)
    else:
        write_text(arguments.output, "".join(lines))
        spans = sum(len(example.spans) for example in examples)
        print(f"{len(lines):,} documents, {spans:,} spans -> {arguments.output}")
