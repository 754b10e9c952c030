"""`kospan convert`: change the format of data, or the form of a model."""

from pathlib import Path

FORMATS = "jsonl (default), doccano, label-studio, brat, prodigy"


def add_parser(commands) -> None:
    """Add the command with its own commands."""
    parser = commands.add_parser("convert", help="change the format of data, or the form of a model")
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    _add_data(kinds)
    _add_bigbird(kinds)
    _add_back(kinds)
    _add_merge(kinds)


def _add_data(kinds) -> None:
    parser = kinds.add_parser("data", help="annotations of another tool <-> JSON Lines")
    parser.add_argument("file", help="file or folder to read")
    parser.add_argument("output", help="file or folder to write")
    parser.add_argument("--from", dest="from_format", default="jsonl", help=FORMATS)
    parser.add_argument("--to", dest="to_format", default="jsonl", help=FORMATS)
    parser.add_argument(
        "--offsets",
        choices=("characters", "utf16", "graphemes"),
        help="unit of the offsets in the other tool's file (default: when reading, detected if all possible units give "
        "the same spans; when writing, the tool's own)",
    )
    parser.add_argument(
        "--model_version", default="kospan", help="model version of predictions in Label Studio (default: kospan)"
    )
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")
    parser.set_defaults(run=run_data)


def run_data(arguments) -> None:
    """Convert a file of annotations."""
    from kospan.data.formats.convert import convert_file

    line = convert_file(
        arguments.file,
        arguments.output,
        arguments.from_format,
        arguments.to_format,
        arguments.offsets,
        arguments.model_version,
        arguments.skip_invalid,
    )
    print(line)


def _add_bigbird(kinds) -> None:
    parser = kinds.add_parser("bigbird", help="a BERT-like encoder -> a BigBird for longer texts, without training")
    parser.add_argument("source", help="encoder: Hub name, folder, name of an installed model, or package:NAME/FOLDER")
    parser.add_argument("output", metavar="OUT", help="new folder")
    parser.add_argument(
        "--max_length", type=int, default=4096, help="positions, rounded up to whole blocks (default: 4096)"
    )
    parser.add_argument(
        "--schedule", default="exp", help="decay schedule of repeated positions: exp (default), power, geometric, none"
    )
    parser.add_argument("--tau", type=float, default=2.0, help="parameter of the schedule (default: 2.0)")
    parser.add_argument("--block_size", type=int, default=64, help="positions of an attention block (default: 64)")
    parser.add_argument("--random_blocks", type=int, default=3, help="random blocks per row (default: 3)")
    parser.add_argument(
        "--segments",
        help="embedding of the second segment: own (default if the source has one), copied (default otherwise), "
        "noised, absent",
    )
    parser.add_argument(
        "--segment_noise", type=float, default=0.02, help="noise of `noised`, in standard deviations (default: 0.02)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that noise (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    parser.set_defaults(run=run_bigbird)


def run_bigbird(arguments) -> None:
    """Convert an encoder to BigBird."""
    from dataclasses import fields

    from kospan.conversion.command import bigbird
    from kospan.conversion.parity import SENTENCES
    from kospan.conversion.settings import Settings
    from kospan.data.corpus import read_examples
    from kospan.tasks.encoders import check_no_file, locate

    settings = Settings(**{field.name: getattr(arguments, field.name) for field in fields(Settings)})
    place = locate(arguments.source)
    check_no_file(place)
    texts = [*SENTENCES, *(example.text for example in read_examples("sample", "validation")[:4])]
    name = arguments.source if place != arguments.source else None
    print(*bigbird(place, arguments.output, settings, texts, name=name, overwrite=arguments.overwrite), sep="\n")


def _add_back(kinds) -> None:
    parser = kinds.add_parser("back", help="a converted encoder -> its source, bit for bit")
    parser.add_argument("folder", help="output of `kospan convert bigbird`")
    parser.add_argument("output", metavar="OUT", help="new folder")
    parser.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    parser.set_defaults(run=run_back)


def run_back(arguments) -> None:
    """Restore the source of a converted encoder."""
    from kospan.conversion.command import back

    print(*back(arguments.folder, arguments.output, overwrite=arguments.overwrite), sep="\n")


def _add_merge(kinds) -> None:
    parser = kinds.add_parser("merge", help="an adapter and its base model -> a language model without adapter")
    parser.add_argument("adapter", help="folder or Hub name of the adapter")
    parser.add_argument("output", metavar="OUT", help="new folder")
    parser.add_argument("--base", help="folder or Hub name of the base model (default: as named by the adapter)")
    parser.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    parser.set_defaults(run=run_merge)


def run_merge(arguments) -> None:
    """Merge an adapter into its base model."""
    from kospan.conversion.merge import merge
    from kospan.modeling.configuration_generative_ner import NAME
    from kospan.training.saving import dot_notes

    output = Path(arguments.output)
    lines = merge(arguments.adapter, output, base=arguments.base, overwrite=arguments.overwrite)
    # Other merged models hold no code of their own.
    print(*lines, *(dot_notes(output) if (output / NAME).is_file() else []), sep="\n")
