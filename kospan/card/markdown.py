"""Filters of the templates: values as Markdown, code and words."""

import json
import shlex
from collections.abc import Iterable, Mapping

import yaml


def line(value) -> str:
    r"""A value as one line, which cannot end a block of code; control characters are spaces.

    >>> line("a\n```\x1b[2J")
    'a ``` [2J'
    """
    return " ".join("".join(each if each.isprintable() else " " for each in str(value)).split())


def shell(value) -> str:
    """A value as one word of a shell.

    >>> shell("outputs/mine"), shell("a b; rm")
    ('outputs/mine', "'a b; rm'")
    """
    return shlex.quote(line(value))


def plain(value) -> str:
    r"""A value as text of one line that Markdown and HTML show as it is.

    >>> plain("a|b <i>"), plain("x_1")
    ('a\\|b &lt;i&gt;', 'x\\_1')
    """
    text = line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{each}" if each in "\\`*_[]|{}#~$" else each for each in text)


def code(value) -> str:
    """A value as code between more backticks than it holds; inside a table a bar needs its backslash.

    >>> code("seed: 42"), code("a`b")
    ('`seed: 42`', '`` a`b ``')
    """
    text = (line(value) or " ").replace("|", "\\|")
    fence = "`"
    while fence in text:
        fence += "`"
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def quoted(text: str) -> str:
    r"""A string as Python source in double quotes.

    >>> print(quoted('a "b"'))
    "a \"b\""
    """
    return json.dumps(text, ensure_ascii=False)


def decimal(value: float | None, digits: int = 4) -> str:
    """A score with that many digits; empty for None.

    >>> decimal(0.5), decimal(None)
    ('0.5000', '')
    """
    return "" if value is None else f"{value:.{digits}f}"


def interval(row: Mapping, metric: str = "f1", joiner: str = " – ") -> str:
    """The 95 % interval of a metric in a row.

    >>> interval({"f1 interval": [0.1, 0.25]})
    '0.1000 – 0.2500'
    """
    return joiner.join(f"{end:.4f}" for end in row[f"{metric} interval"])


def thousands(value: float) -> str:
    """A count with separators.

    >>> thousands(1234), thousands(8.0)
    ('1,234', '8')
    """
    return f"{int(value):,}"


def percent(value: float, digits: int = 1) -> str:
    """A share.

    >>> percent(0.625)
    '62.5%'
    """
    return f"{value:.{digits}%}"


def general(value: float) -> str:
    """A number without needless digits.

    >>> general(0.10), general(3.0)
    ('0.1', '3')
    """
    return f"{value:g}"


def listed(words: Iterable[str], limit: int | None = None) -> str:
    """Words as a sentence lists them, at most `limit` by name.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed("abcd", limit=2)
    ('a', 'a, b and c', 'a, b and 2 more')
    """
    words = list(words)
    if limit and len(words) > limit:
        words = [*words[:limit], f"{len(words) - limit} more"]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def each(rows: Iterable[Mapping], pattern: str) -> str:
    r"""Rows by a format string, with commas; strings are escaped.

    >>> each([{"group": "P_S", "f1": 0.5}, {"group": "LC", "f1": 0.25}], "{group} (F1 {f1:.4f})")
    'P\\_S (F1 0.5000), LC (F1 0.2500)'
    """
    escaped = ({key: plain(cell) if isinstance(cell, str) else cell for key, cell in row.items()} for row in rows)
    return ", ".join(pattern.format_map(row) for row in escaped)


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


def as_yaml(value) -> str:
    """A setting as a recipe writes it; a flag is stored as it was typed.

    >>> as_yaml({"encoder": 3e-05}), as_yaml("3e-2"), as_yaml(True)
    ('{encoder: 3.0e-05}', '3e-2', 'true')
    """
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).removesuffix("...\n").strip()


FILTERS = {
    function.__name__: function
    for function in (
        plain,
        line,
        shell,
        code,
        quoted,
        decimal,
        interval,
        thousands,
        percent,
        general,
        listed,
        each,
        duration,
        as_yaml,
    )
}
