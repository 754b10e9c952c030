"""`kospan benchmark`: measure the speed and memory of a model."""

import json
from pathlib import Path


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("benchmark", help="measure the speed and memory of a model")
    parser.add_argument(
        "model", help="folder, installed (ko-ner) or Hub name of a model of kospan, or a stock token classifier"
    )
    parser.add_argument(
        "--data",
        help="texts: JSON Lines (with questions for question answering), or one document per line (default: the "
        "included sample)",
    )
    parser.add_argument("--lengths", type=int, nargs="+", help="characters per text (default: 32 128 512)")
    parser.add_argument("--batches", type=int, nargs="+", help="texts per call (default: 1 8 32)")
    parser.add_argument("--calls", type=int, default=10, help="calls per setting (default: 10)")
    parser.add_argument("--output", help="folder for speed.json and speed.png")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Print the measurements and write them to a folder."""
    from kospan.data.corpus import read_examples
    from kospan.data.texts import read_texts
    from kospan.evaluation.speed import BATCHES, LENGTHS, measure
    from kospan.evaluation.summary import print_speed
    from kospan.report.plots import speed
    from kospan.tasks.loading import open_saved
    from kospan.training.record import device_in_words
    from kospan.training.saving import check_output, written_whole

    if arguments.output:
        check_output(arguments.output, folder=True)
    examples = read_texts(arguments.data) if arguments.data else read_examples("sample", "validation")
    task = open_saved(arguments.model)
    rows = measure(task, examples, arguments.lengths or LENGTHS, arguments.batches or BATCHES, arguments.calls)
    device = device_in_words(getattr(task.model, "device", "cpu"))
    print_speed(f"{arguments.model}, float32, {device}", rows)
    if arguments.output:
        report = {"model": Path(arguments.model).name, "device": device, "rows": [row._asdict() for row in rows]}
        with written_whole(arguments.output, last="speed.json") as temporary:
            (temporary / "speed.png").write_bytes(speed(rows))
            (temporary / "speed.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
