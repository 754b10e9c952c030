"""`kospan unmask`: replace the aliases of a masked file by the original text."""

import sys

from kospan.cli.reading import add_quoting


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("unmask", help="replace the aliases of a masked file by the original text")
    parser.add_argument(
        "file", help="file that `kospan mask` wrote, or another one of the same formats with its aliases"
    )
    parser.add_argument("--alias_file", required=True, help="table of the aliases, mode 0600")
    parser.add_argument(
        "--output", default="-", help="file of the same format; - prints it, but no DOCX or HWPX (default)"
    )
    add_quoting(parser)
    parser.add_argument(
        "--keep_particles", action="store_true", help="keep particles as they are; for files masked with this flag"
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the file with the original text."""
    from kospan.masking.aliases import AliasTable
    from kospan.masking.files import check_distinct, check_result, open_document, unmask_file, write_result

    check_distinct({"FILE": arguments.file, "--alias_file": arguments.alias_file, "--output": arguments.output})
    table = AliasTable.load(arguments.alias_file)
    document = open_document(arguments.file, quoting=arguments.quoting)
    check_result(document, arguments.file, arguments.output)
    result = unmask_file(table, document, not arguments.keep_particles)
    name = write_result(document, arguments.output, None)
    print(f"{result.texts:,} texts, {result.masked['aliases']:,} aliases replaced -> {name}", file=sys.stderr)
