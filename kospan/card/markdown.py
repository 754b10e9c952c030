"""Subwords of Markdown whose cells hold whatever a file says."""

from collections.abc import Iterable, Sequence


def plain(value) -> str:
    """A value as text of one line that Markdown and HTML take as it is.

    >>> plain("a|b <i>"), plain("x_1")
    ('a\\\\|b &lt;i&gt;', 'x\\\\_1')
    """
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{each}" if each in "\\`*_[]|{}#" else each for each in text)


def code(value) -> str:
    """A value as code, fenced by more backticks than it holds; inside a table a bar needs its backslash.

    >>> code("seed: 42"), code("a`b")
    ('`seed: 42`', '`` a`b ``')
    """
    text = " ".join(str(value).split()).replace("|", "\\|")
    fence = "`"
    while fence in text:
        fence += "`"
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table; the first `left` columns are words, the others metrics.

    >>> print(table(["type", "F1"], [["PS", "0.9"]]))
    | type | F1 |
    |---|---:|
    | PS | 0.9 |
    """
    lines = [header, ["---" if at < left else "---:" for at in range(len(header))]]
    parts = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([parts[0], f"|{'|'.join(lines[1])}|", *parts[1:]])


def decimal(value: float | None, digits: int = 4) -> str:
    """A metric to so many digits; empty where there is none.

    >>> decimal(0.5), decimal(None)
    ('0.5000', '')
    """
    return "" if value is None else f"{value:.{digits}f}"


def listed(words: Sequence[str], joiner: str = "and") -> str:
    """Words as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joiner} {words[-1]}"


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use.

    >>> duration(42.4), duration(143.2), duration(9000)
    ('42 s', '2 min 23 s', '2 h 30 min')
    """
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
