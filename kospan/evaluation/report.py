"""What is printed: the table and spans that a run ends with, and the tables of an examination."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kospan.evaluation.speed import Speed
from kospan.example import Example
from modeling.spans import Span


def print_report(
    title: str,
    labels: list[str],
    examples: list[Example],
    predicted: list[list[Span]],
    scores: dict[str, float],
    baseline: dict[str, float] | None = None,
    shown: int = 3,
) -> None:
    """Prints figures by name, F1 by type, and what was found in the first documents.

    Args:
        title: What was run.
        labels: Types, in the order they are shown.
        examples: The documents that were scored.
        predicted: Spans of each document.
        scores: Figures without a prefix.
        baseline: The same figures of the dictionary baseline; None leaves its column out.
        shown: How many documents with spans are shown.
    """
    console = Console(width=110)
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("model", justify="right")
    if baseline is not None:
        table.add_column("dictionary and patterns", justify="right")
    table.add_column("gold spans", justify="right")
    names = [name for name in scores if not name.startswith(("f1_", "support_"))]
    rows = [(name, name, sum(scores.get(f"support_{label}", 0) for label in labels)) for name in names]
    rows += [(f"f1 {label}", f"f1_{label}", scores.get(f"support_{label}", 0)) for label in labels]
    for shown_name, name, support in rows:
        cells = [shown_name, f"{scores[name]:.4f}"]
        if baseline is not None:
            cells.append(f"{baseline.get(name, 0.0):.4f}")
        table.add_row(*cells, f"{support:.0f}")
    console.print(table)
    for example, spans in [pair for pair in zip(examples, predicted) if pair[1]][:shown]:
        console.print(Text(example.text))
        for span in spans:
            surface = example.text[span.start : span.end]
            console.print(Text(f"    {surface}  [{span.start}:{span.end}]  {span.label}  {span.score:.2f}"))


GROUP_TITLES = {
    "type": "by type",
    "length": "by length in characters",
    "surface": "by surface in the training data",
    "source": "by source",
}


# The classes of errors as they are, and as analyses see them that lose spaces.
SPACES = {
    "classes": "spaces kept",
    "classes without spaces": "taken out",
    "classes broken at spaces": "breaking spans",
}


def print_examination(title: str, found: dict) -> None:
    """Prints figures, groups with their 95 % intervals, error classes and the table of types.

    Args:
        title: What was scored on what.
        found: What `kospan.evaluation.examine.examine` gives.
    """
    console = Console(width=120)
    figures = found["figures"]
    names = [name for name in figures if not name.startswith(("f1_", "support_"))]
    _table(console, title, ["figure", ""], [[name, f"{figures[name]:.4f}"] for name in names])
    for kind, rows in found["groups"].items():
        cells = [
            [
                row["group"],
                *(f"{row[name]:.4f}" for name in ("precision", "recall")),
                f"{row['f1']:.4f}  [{row['f1 interval'][0]:.3f}, {row['f1 interval'][1]:.3f}]",
                *(f"{row[name]:,}" for name in ("gold", "predicted", "correct")),
            ]
            for row in rows
            if row["gold"] or row["predicted"]
        ]
        header = ["", "precision", "recall", "f1  [95 %]", "gold", "predicted", "correct"]
        _table(console, GROUP_TITLES[kind], header, cells)
    errors = found["errors"]
    ways = [errors[name] for name in SPACES]
    wrong = [sum(count for kind, count in counts.items() if kind != "correct") for counts in ways]
    cells = [
        [
            kind,
            *(
                cell
                for counts, total in zip(ways, wrong)
                for cell in (f"{counts[kind]:,}", _share(kind, counts[kind], total))
            ),
        ]
        for kind in errors["classes"]
    ]
    header = ["", *(cell for name in SPACES.values() for cell in (name, "of the errors"))]
    _table(console, "classes of errors", header, cells)
    for name, heading in (("shape", "boundary errors"), ("material", "what stands between the ends")):
        cells = [[kind, f"{count:,}"] for kind, count in errors["boundaries"][name].items() if count]
        if cells:
            _table(console, heading, ["", "spans" if name == "shape" else "ends"], cells)
    labels = [*errors["types"]["labels"], "none"]
    cells = [
        [label, *(f"{count:,}" if count else "" for count in row)]
        for label, row in zip(labels, errors["types"]["counts"])
    ]
    _table(console, "types: gold down, predicted across", ["", *labels], cells)


def print_calibration(name: str, report: dict) -> None:
    """Prints how far confidences can be trusted before and after a temperature was fitted.

    Args:
        name: The model.
        report: What `kospan.evaluation.confidence.calibration_report` gives.
    """
    console = Console(width=110)
    fitted, reported = report["fitted"], report["reported"]
    title = (
        f"{name}: temperature {report['temperature']:g}, fitted on {fitted['documents']:,} documents "
        f"({fitted['spans']:,} spans), figures on {reported['documents']:,} others"
    )
    names = ("ece", "ece_mass", "mce", "brier", "auroc")
    cells = [
        [
            f"{part}: {kind}" if when == "before" else f"    after, temperature {described['temperature']:g}",
            f"{described[when]['figures']['n']:,}",
            *(_figure(described[when]["figures"][figure]) for figure in names),
        ]
        for part in ("spans", "tags")
        for kind, described in report[part].items()
        for when in ("before", "after")
    ]
    _table(console, title, ["", "n", "ECE", "ECE, equal mass", "MCE", "Brier", "AUROC"], cells)
    cells = [
        [
            label,
            f"{before['n']:,}",
            *(_figure(figures[name]) for name in ("ece", "brier", "auroc") for figures in (before, after)),
        ]
        for (label, before), after in zip(
            report["spans"]["posterior"]["before"]["types"].items(),
            report["spans"]["posterior"]["after"]["types"].values(),
        )
    ]
    header = ["", "n", "ECE before", "after", "Brier before", "after", "AUROC before", "after"]
    _table(console, "posteriors of spans by type", header, cells)


def print_pieces(name: str, found: dict) -> None:
    """Prints what a tokenizer does to labelled text.

    Args:
        name: The tokenizer.
        found: What `kospan.evaluation.pieces.examine_pieces` gives.
    """
    cells = [
        [key.replace("_", " "), "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"]
        for key, value in found.items()
    ]
    _table(Console(width=110), name, ["", ""], cells)


def print_speed(name: str, rows: Sequence[Speed]) -> None:
    """Prints how fast a model reads.

    Args:
        name: The model and what it ran on.
        rows: What `kospan.evaluation.speed.measure` gives.
    """
    cells = [
        [
            f"{row.length:,}",
            f"{row.batch}",
            f"{1000 * row.median:.1f}",
            f"{1000 * row.slowest:.1f}",
            f"{row.texts:,.1f}",
            f"{row.characters:,.0f}",
            f"{row.memory / 1e6:,.0f}",
        ]
        for row in rows
    ]
    header = ["characters", "batch", "ms, median", "ms, 95 %", "texts/s", "characters/s", "memory, MB"]
    _table(Console(width=110), name, header, cells)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _share(kind: str, count: int, total: int) -> str:
    return "" if kind == "correct" or not total else f"{count / total:.1%}"


def _table(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console.print(Text(title, style="italic"))  # A table's own title would be broken to the table's width.
    table = Table()
    for at, name in enumerate(header):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
