"""Printed tables: the summary at the end of a run, an analysis, a calibration, subwords and speed."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kospan.evaluation.speed import Speed
from kospan.example import Example
from kospan.modeling.spans import Span

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
# Counts of error classes: of the spans as they are, and as analyses count them that lose spaces.
ERROR_COUNTS = {
    "classes": "spaces kept",
    "classes without spaces": "removed",
    "classes broken at spaces": "breaking spans",
}
# Classes that are no error.
CORRECT = ("correct", "exact")
# Metrics shown without their interval; that of F1 says as much.
WITHOUT_INTERVAL = ("precision", "recall")


def print_report(
    title: str,
    examples: Sequence[Example],
    predicted: Sequence[Sequence[Span]],
    scores: dict[str, float],
    baseline: dict[str, float] | None = None,
    baseline_name: str = "baseline",
    shown: int = 3,
) -> None:
    """Print metrics, metrics by type, and predictions for the first documents.

    Args:
        title: Title of the table.
        examples: The scored documents.
        predicted: Predicted spans of each document.
        scores: Metrics without a prefix; `f1_X` and `support_X` are those of the type X.
        baseline: Metrics of the baseline; None leaves out its column.
        baseline_name: Name of the baseline.
        shown: How many documents with spans to show.
    """
    console = Console(width=110)
    gold = sum(len(example.spans) for example in examples)
    sides = [scores] if baseline is None else [scores, baseline]
    types = [name.removeprefix("support_") for name in scores if name.startswith("support_")]
    names = {name: (name, gold) for name in scores if not name.startswith(("f1_", "support_"))}
    names |= {f"f1_{label}": (f"f1 {label}", round(scores[f"support_{label}"])) for label in types}
    cells = [[words, *(side.get(name, 0.0) for side in sides), f"{n}"] for name, (words, n) in names.items()]
    header = ["metric", "model", *([] if baseline is None else [baseline_name]), "gold spans"]
    print_table(console, title, header, cells)
    for example, spans in [pair for pair in zip(examples, predicted) if pair[1]][:shown]:
        for text in filter(None, (example.question or example.text, example.text_pair)):
            console.print(Text(shortened(text, 400)))
        for span in spans:
            surface = shortened(example.text[span.start : span.end])
            console.print(Text(f"    {surface}  [{span.start}:{span.end}]  {span.label}  {span.score:.2f}"))


def shortened(text: str, most: int = 80) -> str:
    """A text on one line, without the middle if it is long.

    >>> shortened("abcdefghij", 7)
    'abc … ij'
    """
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} … {text[len(text) - (most // 2 - 1) :]}"


def metrics_and_counts(rows: Sequence[dict]) -> tuple[list[str], list[str]]:
    """Names of the columns of a table of groups: metrics, those with an interval last, and counts.

    >>> row = {"group": "PS", "gold": 2, "f1": 0.5, "f1 interval": [0.4, 0.6], "recall": 0.5, "recall interval": [0, 1]}
    >>> metrics_and_counts([row])
    (['recall', 'f1'], ['gold'])
    """
    metrics = [name for name in rows[0] if f"{name} interval" in rows[0]] if rows else []
    counts = [name for name, value in rows[0].items() if isinstance(value, int)] if rows else []
    return sorted(metrics, key=lambda name: name not in WITHOUT_INTERVAL), counts


def counted_rows(rows: Sequence[dict]) -> list[dict]:
    """Rows of a table of groups with a count above 0."""
    _, counts = metrics_and_counts(rows)
    return [row for row in rows if any(row[name] for name in counts)]


def headline(found: dict) -> dict[str, float]:
    """Metrics of an analysis without those of single types."""
    labels = found["errors"].get("types", {}).get("labels", [])
    single = {f"{name}_{label}" for name in ("f1", "support") for label in labels}
    return {
        name: value
        for name, value in found["metrics"].items()
        if name not in single and not name.startswith("support_")
    }


def print_examination(title: str, found: dict) -> None:
    """Print metrics, groups with their 95 % intervals, and errors.

    Args:
        title: Model and data.
        found: Result of a task's `analyze`.
    """
    console = Console(width=120)
    print_table(console, title, ["metric", ""], headline(found).items())
    for kind, rows in found["groups"].items():
        names, counts = metrics_and_counts(rows)
        cells = [
            [row["group"], *(_with_interval(row, name) for name in names), *(row[name] for name in counts)]
            for row in counted_rows(rows)
        ]
        metrics = [name if name in WITHOUT_INTERVAL else f"{name.replace('_', ' ')}  [95 %]" for name in names]
        print_table(console, GROUP_TITLES[kind], ["", *metrics, *counts], cells)
    _print_errors(console, found["errors"])
    if "particles" in found:
        console.print(f"{found['particles']:,} of the wrong answers differ from a gold one by a particle alone")


def _with_interval(row: dict, name: str) -> float | str:
    if name in WITHOUT_INTERVAL:
        return row[name]
    low, high = row[f"{name} interval"]
    return f"{row[name]:.4f}  [{low:.3f}, {high:.3f}]"


def _print_errors(console: Console, errors: dict) -> None:
    ways = [errors[name] for name in ERROR_COUNTS if name in errors]
    cells = [[kind, *(cell for counts in ways for cell in _count_and_share(kind, counts))] for kind in ways[0]]
    names = [words for name, words in ERROR_COUNTS.items() if name in errors] if len(ways) > 1 else [""]
    print_table(
        console, "classes of errors", ["", *(cell for name in names for cell in (name, "of the errors"))], cells
    )
    for name, title, noun in (("shape", "boundary errors", "spans"), ("material", "text between the ends", "ends")):
        counts = {kind: count for kind, count in errors.get("boundaries", {}).get(name, {}).items() if count}
        if counts:
            print_table(console, title, ["", noun], counts.items())
    if "types" in errors:
        labels = [*errors["types"]["labels"], "none"]
        cells = [[label, *(count or None for count in row)] for label, row in zip(labels, errors["types"]["counts"])]
        print_table(console, "types: gold down, predicted across", ["", *labels], cells)


def _count_and_share(kind: str, counts: dict[str, int]) -> tuple[int, str | None]:
    wrong = sum(count for each, count in counts.items() if each not in CORRECT)
    return counts[kind], None if kind in CORRECT or not wrong else f"{counts[kind] / wrong:.1%}"


def print_calibration(name: str, report: dict) -> None:
    """Print metrics of confidence before and after a temperature was fitted.

    Args:
        name: The model.
        report: Result of `kospan.evaluation.confidence.calibration_report`.
    """
    console = Console(width=110)
    fitted, reported = report["fitted"], report["reported"]
    title = (
        f"{name}: temperature {report['temperature']:g}, fitted on {fitted['documents']:,} documents "
        f"({fitted['spans']:,} spans), metrics on {reported['documents']:,} others"
    )
    cells = []
    for part in ("spans", "tags"):
        for kind, described in report[part].items():
            after = f"    after, temperature {described['temperature']:g}"
            for words, found in ((f"{part}: {kind}", described["before"]), (after, described["after"])):
                metrics = [found["metrics"][name] for name in ("ece_mass", "mce", "brier", "auroc")]
                cells.append([words, found["metrics"]["n"], found["metrics"]["ece"], found["by_chance"], *metrics])
    print_table(console, title, ["", "n", "ECE", "by chance", "ECE, equal mass", "MCE", "Brier", "AUROC"], cells)
    before, after = (report["spans"]["posterior"][when]["types"] for when in ("before", "after"))
    cells = [
        [label, before[label]["n"]]
        + [side[label][metric] for metric in ("ece", "brier", "auroc") for side in (before, after)]
        for label in before
    ]
    header = ["", "n", "ECE before", "after", "Brier before", "after", "AUROC before", "after"]
    print_table(console, "posteriors of spans by type", header, cells)
    chosen = report.get("threshold")
    if chosen is not None and chosen["value"] is not None:
        cells = [
            [f"threshold {chosen['value']:g}, {when}"]
            + [chosen[when][name] for name in ("all", "kept", "coverage", "precision")]
            for when in ("fitted", "reported")
        ]
        title = f"threshold for a precision of {chosen['wished']:g}"
        print_table(console, title, ["", "n", "kept", "coverage", "precision"], cells)


def print_comparison(found, shown: int = 5) -> None:
    """Print the scores of two systems, their differences with intervals, and errors fixed and introduced.

    Args:
        found: Result of `kospan.compare.compare`.
        shown: Number of errors of each kind of change to print.
    """
    console = Console(width=120)
    first, second = found.names
    console.print(Text(f"first   {first}\nsecond  {second}\n{len(found.examples):,} documents"))
    if all(found.metrics):
        names = [name for name in found.metrics[0] if name in found.metrics[1]]
        cells = [[name, *(side[name] for side in found.metrics)] for name in names]
        print_table(console, "scores", ["metric", "first", "second"], cells)
    cells = [
        [row["group"], row["gold"], row["first"], row["second"], f"{row['difference']:+.4f}"]
        + ["[{:+.4f}, {:+.4f}]".format(*row["interval"]), row["p_value"], row.get("p_holm")]
        for row in found.differences
    ]
    title = "difference in f1, second minus first, paired bootstrap over documents"
    print_table(console, title, ["", "gold", "first", "second", "difference", "95 %", "p", "p (Holm)"], cells)
    cells = [[kind, *counts.values()] for kind, counts in found.counts.items()]
    cells += [["all", *map(sum, zip(*(row[1:] for row in cells)))]] if len(cells) > 1 else []
    print_table(
        console,
        "errors of the first that the second fixed, and new errors",
        ["", "fixed", "introduced", "both wrong"],
        cells,
    )
    for change in ("fixed", "introduced"):
        chosen = [each for each in found.changes if each.change == change][:shown]
        if chosen:
            console.print(Text(f"{change}, the first {len(chosen)}", style="italic"))
        for each in chosen:
            example = found.examples[each.document]
            sides = [("gold", each.gold), ("first", each.first), ("second", each.second)]
            parts = [f"{name} {_surface(example, span)}" for name, span in sides]
            console.print(Text(f"    {example.id}: {each.kind}; {'; '.join(parts)}"))


def _surface(example: Example, span: Span | None) -> str:
    return "none" if span is None else f"{shortened(example.text[span.start : span.end], 40)!r} {span.label}"


def print_subwords(name: str, found: dict) -> None:
    """Print the analysis of a tokenizer.

    Args:
        name: The tokenizer.
        found: Result of `kospan.evaluation.subword_analysis.examine_subwords`.
    """
    print_table(Console(width=110), name, ["", ""], [(key.replace("_", " "), value) for key, value in found.items()])


def print_speed(name: str, rows: Sequence[Speed]) -> None:
    """Print the speed of a model.

    Args:
        name: The model and its device.
        rows: Result of `kospan.evaluation.speed.measure`.
    """
    cells = [
        [row.length, f"{row.batch}", f"{1000 * row.median:.1f}", f"{1000 * row.slowest:.1f}", f"{row.texts:,.1f}"]
        + [f"{row.characters:,.0f}", f"{row.memory / 1e6:,.0f}"]
        for row in rows
    ]
    header = ["characters", "batch", "ms, median", "ms, 95 %", "texts/s", "characters/s", "memory, MB"]
    print_table(Console(width=110), name, header, cells)


def print_table(console: Console, title: str, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Print a table; whole numbers have separators, others four decimals, and None is empty."""
    console.print(Text(title, style="italic"))  # A table's own title would be broken to the table's width.
    table = Table()
    for at, name in enumerate(header):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    console.print(table)


def _shown(cell: str | float | None) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.4f}"
