"""`kospan predict`: predict spans for a file of texts, or for a corpus of any size."""

import json
import sys

# Exit status of a run that is complete but for unreadable records.
WITH_ERRORS = 3
_COLUMNS = {
    "text": "the text",
    "id": "the id",
    "question": "the question",
    "text_pair": "the second text of a pair",
}
_CORPUS = (
    *("output_format", "input_format", "quoting", "split", "shard_size", "num_processes", "max_errors", "overwrite"),
    *("engine", "ray_address"),
)


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("predict", help="predict spans for a file or a corpus of texts")
    parser.add_argument("model", help="folder, installed name (ko-ner) or Hub name of a model")
    parser.add_argument(
        "file",
        nargs="+",
        help="texts: JSON Lines (with questions for question answering), or plain text with one document per line; "
        "with --output_dir also CSV, TSV and Parquet, several files, folders, globs, or a data set, hub:NAME[:CONFIG]",
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
    _add_corpus(parser.add_argument_group("corpora, with --output_dir"))
    parser.set_defaults(run=run)


def _add_corpus(group) -> None:
    """Add the flags of corpora; those without a default are not passed on."""
    group.add_argument("--output_dir", help="folder for shards and manifest.json; a run that was interrupted continues")
    group.add_argument(
        "--output_format", choices=("jsonl", "jsonl.gz", "jsonl.zst", "parquet"), help="format of the shards (jsonl)"
    )
    group.add_argument(
        "--input_format", choices=("jsonl", "text", "csv", "tsv", "parquet"), help="format of all files (detected)"
    )
    for name, meaning in _COLUMNS.items():
        group.add_argument(f"--{name}_column", help=f"column or key of {meaning} ({name})")
    group.add_argument(
        "--quoting", choices=("auto", "minimal", "none"), help="CSV and TSV: quotation marks quote or not"
    )
    group.add_argument("--split", help="split of a data set; may be omitted if there is only one")
    group.add_argument("--shard_size", type=int, help="records of a shard (10000)")
    group.add_argument("--num_processes", type=int, help="processes, each with its own model and GPU (1)")
    group.add_argument("--max_errors", type=int, help="stop after more unreadable records than this (never)")
    group.add_argument("--overwrite", action="store_true", default=None, help="start over in the folder of another run")
    group.add_argument("--engine", choices=("local", "ray"), help="run on this machine or on Ray Data (local)")
    group.add_argument("--ray_address", help="with --engine ray: address of a running cluster (starts a local one)")


def run(arguments):
    """Write the predictions."""
    given = {name: value for name in _CORPUS if (value := getattr(arguments, name)) is not None}
    columns = {name: column for name in _COLUMNS if (column := getattr(arguments, f"{name}_column")) is not None}
    if arguments.output_dir is not None:
        return _predict_corpus(arguments, given | ({"columns": columns} if columns else {}))
    flags = [f"--{name}" for name in (*given, *(f"{name}_column" for name in columns))]
    if flags or len(arguments.file) > 1:
        got = flags[0] if flags else f"{len(arguments.file)} files"
        raise ValueError(f"expected --output_dir FOLDER for {got}, got none; add it to predict a corpus")
    _predict_file(arguments, arguments.file[0])
    return None


def _predict_corpus(arguments, given: dict):
    """Predict a corpus; the status says whether records could not be read."""
    from kospan.corpus.run import predict_corpus

    for name, value, default in (
        ("output", arguments.output, "-"),
        ("dataset", arguments.dataset, None),
        ("skip_invalid", arguments.skip_invalid, False),
    ):
        if value != default:
            advice = "remove it" if name != "dataset" else "convert the file with `kospan convert data` first"
            raise ValueError(f"expected no --{name} with --output_dir, got {value}; {advice}")
    settings = {"threshold": arguments.threshold, "decoding": _decoding(arguments), "batch_size": arguments.batch_size}
    try:
        manifest = predict_corpus(arguments.model, arguments.file, arguments.output_dir, **settings, **given)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("run the same command to continue") from None
    totals = manifest["totals"]
    print(
        f"{totals['records']:,} records, {totals['errors']:,} errors, {len(manifest['shards']):,} shards -> "
        f"{arguments.output_dir}",
        file=sys.stderr,
    )
    return (lambda: WITH_ERRORS) if totals["errors"] else None


def _decoding(arguments) -> dict:
    given = {"decode": arguments.decode, "overlapping": arguments.overlapping or None}
    given["operating_point"] = arguments.operating_point
    return {name: value for name, value in given.items() if value is not None}


def _predict_file(arguments, file: str) -> None:
    from kospan.api import predict
    from kospan.data.jsonl import record
    from kospan.data.text import write_text
    from kospan.training.saving import check_output

    if arguments.output != "-":
        check_output(arguments.output, inputs=[file])
    examples = predict(
        arguments.model,
        file,
        dataset=arguments.dataset,
        threshold=arguments.threshold,
        decoding=_decoding(arguments),
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
