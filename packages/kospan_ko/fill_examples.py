"""Write the entities that ko-ner finds in ten sentences into the READMEs.

    python packages/kospan_ko/fill_examples.py

The sentences were written for kospan, with their entities; both are in `examples.jsonl`. The block between the markers
is replaced.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import kospan
from kospan.data.jsonl import read_jsonl
from kospan.data.text import write_text
from kospan.example import Example
from kospan.modeling.spans import Span

HERE = Path(__file__).resolve().parent
PAGES = [HERE.parents[1] / name for name in ("README.md", "README.ko.md")]
BLOCK = re.compile(r"(?<=<!-- ko-ner -->\n```text\n).+?(?=^```$)", re.MULTILINE | re.DOTALL)


def examples() -> list[Example]:
    """Return the sentences with their entities."""
    return read_jsonl(HERE / "examples.jsonl")


def shown(text: str, spans: Sequence[Span]) -> str:
    """Return a text with its spans in brackets.

    >>> shown("서울에 갔다", [Span(0, 2, "LC")])
    '[서울 LC]에 갔다'
    """
    parts, end = [], 0
    for span in spans:
        parts += [text[end : span.start], f"[{text[span.start : span.end]} {span.label}]"]
        end = span.end
    return "".join([*parts, text[end:]])


def block(found: Sequence[Sequence[Span]]) -> str:
    """Return the lines for the READMEs: each sentence with the spans found, and a line with the mistakes below it."""
    lines = []
    for example, spans in zip(examples(), found, strict=True):
        lines.append(shown(example.text, spans))
        gold, own = ({span[:3] for span in each} for each in (example.spans, spans))
        for word, each in (("wrong", own - gold), ("missed", gold - own)):
            if each:
                names = (f"{example.text[start:end]} {label}" for start, end, label in sorted(each))
                lines.append(f"    {word}: {', '.join(names)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fill in the READMEs."""
    text = block(kospan.load("ko-ner").extract([example.text for example in examples()]))
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        if len(BLOCK.findall(old)) != 1:
            raise SystemExit(f"{path}: expected one block of text after <!-- ko-ner -->, found none or several")
        write_text(path, BLOCK.sub(lambda _: text, old))
    print(text, end="")


if __name__ == "__main__":
    main()
