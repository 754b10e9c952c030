"""The table and the extracted spans that a run ends with."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
