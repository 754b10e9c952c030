"""`kospan mask`: mask personal data in a file."""

import sys
from argparse import ArgumentTypeError

from kospan.cli.reading import add_quoting


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mask",
        help="mask personal data in a file",
        description="Mask personal data in a file by a model, rules and a policy. "
        "가명처리를 돕는 도구이며 익명처리를 보장하지 않습니다.",
    )
    parser.add_argument("model", help="folder or Hub name of a model")
    parser.add_argument("file", help="DOCX, HWPX, PDF, JSON Lines, CSV, TSV, or plain text with a document per line")
    parser.add_argument(
        "--output",
        default="-",
        help="masked file of the same format (text for a PDF); - prints it, but no DOCX or HWPX (default)",
    )
    parser.add_argument(
        "--policy",
        help="replace (default), partial, hash, alias or keep for all labels; or LABEL=ACTION,...; or a YAML file",
    )
    parser.add_argument("--key_file", help="secret key of the action hash, mode 0600, at least 16 bytes")
    parser.add_argument(
        "--alias_file", help="table of the action alias, mode 0600; created if missing, otherwise continued"
    )
    parser.add_argument("--rules", type=_rules, default=True, help="all (default), none, or labels such as RRN,PHONE")
    parser.add_argument(
        "--operating_point",
        default="auto",
        help="operating point of the model; auto (default) takes the one with the highest recall, none uses none",
    )
    parser.add_argument(
        "--threshold", type=float, help="minimum score of the model's spans; replaces the operating point"
    )
    add_quoting(parser)
    parser.add_argument("--columns", type=_names, help="JSON Lines, CSV, TSV: columns to mask (default: all)")
    parser.add_argument(
        "--keep_particles",
        action="store_true",
        help="keep particles even where they do not agree with a replacement",
    )
    parser.add_argument("--batch_size", type=int, default=32, help="windows per batch (default: 32)")
    parser.set_defaults(run=run)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _rules(text: str) -> bool | list[str]:
    if text in ("all", "none"):
        return text == "all"
    names = _names(text)
    if not names:
        raise ArgumentTypeError(f"expected all, none or labels such as RRN,PHONE, got {text!r}")
    return names


def run(arguments) -> None:
    """Mask the file; the alias file is written before it."""
    from kospan.masking.aliases import AliasTable
    from kospan.masking.files import check_distinct, check_result, mask_file, open_document, write_result
    from kospan.masking.labels import NOTICE
    from kospan.masking.masker import NO_POINT, Masker
    from kospan.masking.policy import read_policy
    from kospan.masking.private_files import read_key
    from kospan.training.saving import check_output

    files = {"FILE": arguments.file, "--key_file": arguments.key_file, "--alias_file": arguments.alias_file}
    check_distinct(files | {"--output": arguments.output})
    policy = read_policy(arguments.policy)
    document = open_document(arguments.file, arguments.columns, arguments.quoting)
    check_result(document, arguments.file, arguments.output)
    key = None if arguments.key_file is None else read_key(arguments.key_file)
    table = None
    if arguments.alias_file is not None:
        check_output(arguments.alias_file)
        table = AliasTable.load(arguments.alias_file, missing=True)
    masker = Masker(
        arguments.model,
        policy,
        rules=arguments.rules,
        key=key,
        aliases=table,
        operating_point=arguments.operating_point,
        threshold=arguments.threshold,
        particles=not arguments.keep_particles,
        batch_size=arguments.batch_size,
    )
    if masker.reversible and table is None:
        raise ValueError("expected --alias_file FILE for the action alias, got none; name a file, which may be new")
    result = mask_file(masker, document)
    if masker.reversible:
        table.save(arguments.alias_file)
    name = write_result(document, arguments.output, NOTICE)
    point = masker.operating_point or (
        NO_POINT if arguments.threshold is None else f"threshold {arguments.threshold:g}"
    )
    counts = ", ".join(f"{label} {count:,}" for label, count in sorted(result.masked.items())) or "nothing"
    print(f"{result.texts:,} texts (operating point: {point}), masked {counts} -> {name}", file=sys.stderr)
    if result.not_masked:
        shown = ", ".join(result.not_masked[:3]) + (", ..." if len(result.not_masked) > 3 else "")
        print(f"not masked: {len(result.not_masked):,} pictures or embedded files ({shown})", file=sys.stderr)
    print(NOTICE, file=sys.stderr)
