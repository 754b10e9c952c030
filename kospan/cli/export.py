"""`kospan export`: write a model that runs without torch."""

from kospan.cli.reading import add_data, data_settings


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("export", help="write a model that runs without torch")
    parser.add_argument("model", metavar="MODEL", help="folder, installed (ko-ner) or Hub name of a kospan model")
    parser.add_argument("output", metavar="OUT", help="new folder")
    parser.add_argument("--format", default="onnx", choices=("onnx",), help="format of the graph (default: onnx)")
    parser.add_argument("--quantize", choices=("int8",), help="type of the weights (default: float32)")
    parser.add_argument(
        "--reduce_range",
        choices=("true", "false"),
        help="int8 weights of 7 bits, for CPUs without VNNI (default: true if this CPU has none)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    add_data(parser, required=False)
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Export the model, and print its scores before and after."""
    from kospan.export.command import export_command

    export_command(
        arguments.model,
        arguments.output,
        precision=arguments.quantize or "float32",
        reduce_range=None if arguments.reduce_range is None else arguments.reduce_range == "true",
        overwrite=arguments.overwrite,
        data=arguments.data,
        **data_settings(arguments),
    )
