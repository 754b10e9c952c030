"""What is printed: the table and spans that a run ends with, and the tables of an examination."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kospan.evaluation.speed import Speed
from kospan.example import Example
from kospan.modeling.spans import Span


def print_report(
    title: str,
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    scores: dict[str, float],
    baseline: dict[str, float] | None = None,
    baseline_name: str = "baseline",
    shown: int = 3,
) -> None:
    """Prints metrics by name, metrics by type, and what was found in the first documents.

    Args:
        title: What was run.
        examples: The documents that were scored.
        predicted: Spans of each document.
        scores: Figures without a prefix; `f1_X` and `support_X` are those of the type X.
        baseline: The same metrics of what the model has to beat; None leaves its column out.
        baseline_name: What that is.
        shown: How many documents with spans are shown.
    """
    console = Console(width=110)
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("model", justify="right")
    if baseline is not None:
        table.add_column(baseline_name, justify="right")
    table.add_column("gold spans", justify="right")
    gold = sum(len(example.spans) for example in examples)
    types = [name.removeprefix("support_") for name in scores if name.startswith("support_")]
    names = [name for name in scores if not name.startswith(("f1_", "support_"))]
    rows = [(name, name, gold) for name in names]
    rows += [(f"f1 {label}", f"f1_{label}", scores[f"support_{label}"]) for label in types]
    for shown_name, name, support in rows:
        cells = [shown_name, f"{scores[name]:.4f}"]
        if baseline is not None:
            cells.append(f"{baseline.get(name, 0.0):.4f}")
        table.add_row(*cells, f"{support:.0f}")
    console.print(table)
    for example, spans in [pair for pair in zip(examples, predicted) if pair[1]][:shown]:
        for text in filter(None, (example.question or example.text, example.text_pair)):
            console.print(Text(shortened(text, 400)))
        for span in spans:
            surface = shortened(example.text[span.start : span.end])
            console.print(Text(f"    {surface}  [{span.start}:{span.end}]  {span.label}  {span.score:.2f}"))


def shortened(text: str, most: int = 80) -> str:
    """A text of one line, the middle of a long one left out.

    >>> shortened("abcdefghij", 7)
    'abc … ij'
    """
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} … {text[len(text) - (most // 2 - 1) :]}"


GROUP_TITLES = {
    "type": "by type",
    "length": "by length in characters",
    "surface": "by surface in the training data",
    "question word": "by question word",
    "answer length": "by length of the answer in characters",
    "answer": "by answer in the training data",
    "class": "by class",
    "text length": "by length of the text in characters",
    "source": "by source",
}
# The classes of errors as they are, and as analyses see them that lose spaces.
SPACES = {
    "classes": "spaces kept",
    "classes without spaces": "taken out",
    "classes broken at spaces": "breaking spans",
}
# Classes that are no error.
RIGHT = ("correct", "exact")
# Figures whose interval a table leaves out: that of F1 tells as much.
PARTS = ("precision", "recall")


def metrics_and_counts(rows: Sequence[dict]) -> tuple[list[str], list[str]]:
    """Which columns of a table of groups are metrics, those with an interval last, and which are counts.

    >>> row = {"group": "PS", "gold": 2, "f1": 0.5, "f1 interval": [0.4, 0.6], "recall": 0.5, "recall interval": [0, 1]}
    >>> metrics_and_counts([row])
    (['recall', 'f1'], ['gold'])
    """
    metrics = [name for name in rows[0] if f"{name} interval" in rows[0]] if rows else []
    counts = [name for name, value in rows[0].items() if isinstance(value, int)] if rows else []
    return sorted(metrics, key=lambda name: name not in PARTS), counts


def counted_rows(rows: Sequence[dict]) -> list[dict]:
    """The rows of a table of groups that count something."""
    _, counts = metrics_and_counts(rows)
    return [row for row in rows if any(row[name] for name in counts)]


def headline(found: dict) -> dict[str, float]:
    """The metrics of an examination that speak of all there is, without those of single types."""
    labels = found["errors"].get("types", {}).get("labels", [])
    single = {f"{name}_{label}" for name in ("f1", "support") for label in labels}
    return {
        name: value
        for name, value in found["metrics"].items()
        if name not in single and not name.startswith("support_")
    }


def print_examination(title: str, found: dict) -> None:
    """Prints metrics, groups with their 95 % intervals, error classes, and what else was counted of errors.

    Args:
        title: What was scored on what.
        found: What a task's `examine` gives.
    """
    console = Console(width=120)
    _table(console, title, ["metric", ""], [[name, f"{value:.4f}"] for name, value in headline(found).items()])
    for kind, rows in found["groups"].items():
        names, counts = metrics_and_counts(rows)
        cells = [
            [row["group"], *(_with_interval(row, name) for name in names), *(f"{row[name]:,}" for name in counts)]
            for row in counted_rows(rows)
        ]
        header = ["", *(name if name in PARTS else f"{name.replace('_', ' ')}  [95 %]" for name in names), *counts]
        _table(console, GROUP_TITLES[kind], header, cells)
    _print_errors(console, found["errors"])
    if "particles" in found:
        console.print(f"{found['particles']:,} of the wrong answers differ from a gold one by a particle alone")


def _with_interval(row: dict, name: str) -> str:
    if name in PARTS:
        return f"{row[name]:.4f}"
    low, high = row[f"{name} interval"]
    return f"{row[name]:.4f}  [{low:.3f}, {high:.3f}]"


def _print_errors(console: Console, errors: dict) -> None:
    ways = [errors[name] for name in SPACES if name in errors]
    wrong = [sum(count for kind, count in counts.items() if kind not in RIGHT) for counts in ways]
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
    names = [words for name, words in SPACES.items() if name in errors] if len(ways) > 1 else [""]
    _table(console, "classes of errors", ["", *(cell for name in names for cell in (name, "of the errors"))], cells)
    for name, heading in (("shape", "boundary errors"), ("material", "what stands between the ends")):
        cells = [[kind, f"{count:,}"] for kind, count in errors.get("boundaries", {}).get(name, {}).items() if count]
        if cells:
            _table(console, heading, ["", "spans" if name == "shape" else "ends"], cells)
    if "types" in errors:
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
        report: What `kospan.tasks.token_classification.confidence.calibration_report` gives.
    """
    console = Console(width=110)
    fitted, reported = report["fitted"], report["reported"]
    title = (
        f"{name}: temperature {report['temperature']:g}, fitted on {fitted['documents']:,} documents "
        f"({fitted['spans']:,} spans), metrics on {reported['documents']:,} others"
    )
    names = ("ece_mass", "mce", "brier", "auroc")
    cells = [
        [
            f"{part}: {kind}" if when == "before" else f"    after, temperature {described['temperature']:g}",
            f"{described[when]['metrics']['n']:,}",
            _metric(described[when]["metrics"]["ece"]),
            _metric(described[when]["by_chance"]),
            *(_metric(described[when]["metrics"][metric]) for metric in names),
        ]
        for part in ("spans", "tags")
        for kind, described in report[part].items()
        for when in ("before", "after")
    ]
    _table(console, title, ["", "n", "ECE", "by chance", "ECE, equal mass", "MCE", "Brier", "AUROC"], cells)
    cells = [
        [
            label,
            f"{before['n']:,}",
            *(_metric(metrics[name]) for name in ("ece", "brier", "auroc") for metrics in (before, after)),
        ]
        for (label, before), after in zip(
            report["spans"]["posterior"]["before"]["types"].items(),
            report["spans"]["posterior"]["after"]["types"].values(),
        )
    ]
    header = ["", "n", "ECE before", "after", "Brier before", "after", "AUROC before", "after"]
    _table(console, "posteriors of spans by type", header, cells)
    chosen = report.get("threshold")
    if chosen is not None and chosen["value"] is not None:
        cells = [
            [f"threshold {chosen['value']:g}, {name}", f"{kept['all']:,}", f"{kept['kept']:,}"]
            + [_metric(kept["coverage"]), _metric(kept["precision"])]
            for name, kept in (("fitted", chosen["fitted"]), ("reported", chosen["reported"]))
        ]
        title = f"threshold for a precision of {chosen['wished']:g}"
        _table(console, title, ["", "n", "kept", "coverage", "precision"], cells)


def print_subwords(name: str, found: dict) -> None:
    """Prints what a tokenizer does to labelled text.

    Args:
        name: The tokenizer.
        found: What `kospan.evaluation.subword_analysis.examine_subwords` gives.
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


def _metric(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _share(kind: str, count: int, total: int) -> str:
    return "" if kind in RIGHT or not total else f"{count / total:.1%}"


def _table(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console.print(Text(title, style="italic"))  # A table's own title would be broken to the table's width.
    table = Table()
    for at, name in enumerate(header):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
