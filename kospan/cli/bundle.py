"""`kospan bundle`: write a folder that installs kospan without a package index."""


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("bundle", help="write a folder that installs kospan without a package index")
    parser.add_argument("output", metavar="OUT", help="new folder, or the bundle to verify")
    parser.add_argument("--extra", nargs="+", default=[], metavar="NAME", help="extras of kospan, such as serve mask")
    parser.add_argument(
        "--model", nargs="+", default=[], metavar="NAME", help="models to add: folders, or names on the Hub"
    )
    parser.add_argument(
        "--platform",
        metavar="TAG",
        help="platform of the wheels: manylinux_2_28_x86_64, macosx_14_0_arm64, win_amd64 (default: this one)",
    )
    parser.add_argument("--python_version", metavar="3.X", help="version of Python (default: that of this interpreter)")
    parser.add_argument(
        "--constraints", metavar="FILE", help="versions of the packages (default: constraints.txt of the checkout)"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare the bundle OUT with its hashes, and do nothing else"
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write or verify the bundle."""
    if arguments.verify:
        from pathlib import Path

        from kospan.bundle.checksums import NAME, file_hash, verify

        out = Path(arguments.output)
        for name in ("extra", "model", "platform", "python_version", "constraints"):
            if getattr(arguments, name):
                raise ValueError(f"expected --verify without other options, got --{name}; remove one of them")
        count = verify(out)
        print(f"verified            {count} files of {out}")
        print(f"{NAME:<20}{file_hash(out / NAME)}")
        return
    from kospan.bundle.command import bundle
    from kospan.bundle.target import Target

    bundle(
        arguments.output,
        extras=arguments.extra,
        models=arguments.model,
        target=Target(arguments.platform, arguments.python_version),
        constraints=arguments.constraints,
    )
