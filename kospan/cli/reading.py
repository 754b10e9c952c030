"""Flags and reading of data, shared by several commands."""

import argparse
import sys


def add_data(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the flags of labelled data, which recipes have too."""
    parser.add_argument("--data", required=required, help="labelled file, or a split of a data set with its own data")
    parser.add_argument("--dataset", default="jsonl", help="the file's format: a data set's name (default: jsonl)")
    parser.add_argument(
        "--overlaps", default="error", choices=("error", "longest"), help="handling of overlapping gold spans"
    )
    add_quoting(parser)
    parser.add_argument("--token_column", help="column files: column of the tokens, a number from 0 or a name")
    parser.add_argument("--tag_column", help="column files: column of the tags, a number from 0 or a name")
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Add the files of unlabelled texts."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="unlabelled texts: JSON Lines, or plain text with a document per line"
    )


def add_quoting(parser: argparse.ArgumentParser) -> None:
    """Add the flag of tables in which quotation marks may be quoting or text."""
    parser.add_argument(
        "--quoting",
        default="auto",
        choices=("auto", "minimal", "none"),
        help="CSV and TSV: whether quotation marks quote fields (minimal) or are text (none)",
    )


def add_scored_model(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a model that labelled data are predicted with."""
    parser.add_argument("--train", help="training data of the model, for scores of seen and unseen surfaces")
    parser.add_argument(
        "--aggregation",
        help="stock token classifiers: merging of subwords to entities: simple (default), first, average, max",
    )


def data_settings(arguments) -> dict:
    """The flags of `add_data` but `--data`, as `kospan.evaluate` takes them."""
    from kospan.data.records import ReadOptions

    options = ReadOptions(arguments.quoting, arguments.token_column, arguments.tag_column, arguments.skip_invalid)
    return {"dataset": arguments.dataset, "overlaps": arguments.overlaps, "options": options}


def texts_of(arguments, task) -> list:
    """Return the examples of the files of `add_texts` that suit a model; skipped ones are reported on stderr."""
    from kospan.data.records import ReadOptions, ReadSession
    from kospan.data.texts import read_texts
    from kospan.tasks.loading import readable

    examples = []
    for file in arguments.files:
        session = ReadSession(ReadOptions(skip_invalid=arguments.skip_invalid), collect=True)
        examples += readable(task, read_texts(file, session), file, session)
        if session.invalid:
            print(f"{file}: skipped {session.invalid:,} invalid records, the first: {session.first}", file=sys.stderr)
    return examples
