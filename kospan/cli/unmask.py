"""`kospan unmask`: replace the aliases of a masked file by the original text."""

import sys


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("unmask", help="replace the aliases of a masked file by the original text")
    parser.add_argument(
        "file", help="file that `kospan mask` wrote, or another one of the same formats with its aliases"
    )
    parser.add_argument("--alias_file", required=True, help="table of the aliases, mode 0600")
    parser.add_argument(
        "--output", default="-", help="file of the same format; - prints text, JSON Lines, CSV, TSV (default)"
    )
    parser.add_argument(
        "--keep_particles", action="store_true", help="keep particles as they are; for files masked with this flag"
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the file with the original text."""
    from kospan.masking.aliases import AliasTable
    from kospan.masking.files import check_endings, open_document, unmask_file
    from kospan.training.saving import check_output

    table = AliasTable.load(arguments.alias_file)
    document = open_document(arguments.file)
    printed = arguments.output == "-"
    if printed and not hasattr(document, "content"):
        raise ValueError("expected --output FILE for this kind of document, got -; name a file")
    if not printed:
        check_output(arguments.output)
        check_endings(arguments.file, arguments.output)
    result = unmask_file(table, document, not arguments.keep_particles)
    if printed:
        sys.stdout.write(document.content(None))
    else:
        document.write(arguments.output, None)
    name = "standard output" if printed else arguments.output
    print(f"{result.texts:,} texts, {result.masked['aliases']:,} aliases replaced -> {name}", file=sys.stderr)
