"""Round trip of every gold sentence through a reply and its parser; writes docs/benchmarks/grammar.md.

    python benchmarks/grammar.py --data FOLDER

FOLDER holds the sets as their sources distribute them, see studies/check_data.py; missing sets are skipped. Replies
hold types and surfaces and no offsets, so what is found again in the text may be another occurrence of the same
surface: the page says how often it is the right one. The script ends with status 1 where a reply does not come back as
the list of types and surfaces that it was written from.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kospan.data.corpus import read_examples
from kospan.data.registry import dataset_spec
from kospan.data.text import write_text
from kospan.example import Example
from kospan.modeling.prompts import entities_of, locate, parse_reply, write_reply
from kospan.modeling.spans import Span

RESULT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks" / "grammar.md"
SETS = [
    ("sample", "train"),
    ("sample", "validation"),
    ("klue_ner", "klue-ner/klue-ner-v1.1_dev_minus_holdout.tsv"),
    ("kmou", "kmounlp-ner/corpus.tar.gz"),
    ("conll2003", "conll2003/eng.train.gz"),
    ("conll2003", "conll2003/eng.testa"),
    ("conll2003_documents", "conll2003/eng.testa"),
    ("wnut17", "wnut17/wnut17train.conll"),
    ("wnut17", "wnut17/emerging.dev.conll"),
    ("wnut17", "wnut17/emerging.test.annotated"),
    ("gmb", "gmb-kaggle/ner_dataset.csv.zip"),
    ("korquad", "korquad-v1/KorQuAD_v1.0_dev_minus_holdout.json.gz"),
]
ODD = ("\\", "]", ":", "[")


def first_unused(text: str, spans: Sequence[Span]) -> list[Span | None]:
    """Simpler rule for comparison: always the first free occurrence of all."""
    found: list[Span | None] = []
    for span in spans:
        taken = [each for each in found if each is not None]
        start = -1
        while (start := text.find(text[span.start : span.end], start + 1)) >= 0:
            if all(start >= each.end or start + span.end - span.start <= each.start for each in taken):
                break
        found.append(None if start < 0 else Span(start, start + span.end - span.start, span.label))
    return found


def measure(examples: Sequence[Example], whole_words: bool = False) -> Counter:
    """Recovered gold spans of these texts; with `whole_words` as models of word data search for them.

    >>> counts = measure([Example("a", "서울 [서울]", (Span(3, 7, "LC"),))])
    >>> counts["same"], counts["order"], counts["]"]
    (1, 1, 1)
    """
    counts = Counter()
    for example in examples:
        spans = sorted(example.spans)
        entities = entities_of(example.text, spans)
        reply = parse_reply(write_reply(entities), sorted({span.label for span in spans}) or ["none"])
        same = [each[:2] for each in reply.entities] == [each[:2] for each in entities] and reply.whole
        counts.update(texts=1, spans=len(spans), same=int(same), empty=int(not spans))
        counts.update({sign: any(sign in each.surface for each in entities) for sign in ODD})
        surfaces = [each.surface for each in entities]
        counts["repeated"] += len(set(surfaces)) < len(surfaces)
        for name, places in (
            ("order", locate(example.text, reply.entities, whole_words)),
            ("first", first_unused(example.text, spans)),
        ):
            right = sum(place is not None and place[:3] == span[:3] for place, span in zip(places, spans))
            counts[name] += right
            counts[f"{name} texts"] += right == len(spans)
            counts[f"{name} nowhere"] += sum(place is None for place in places)
    return counts


def page(rows: list[tuple[str, str, Counter]]) -> str:
    """The page."""
    every = all(counts["same"] == counts["texts"] for _, _, counts in rows)
    lines = [
        "# The grammar of written replies",
        "",
        "Every gold sentence of every set, written as a reply (`[TYPE: surface] ...`, or `[]`) and read again. "
        + (
            "Each comes back as the same list of types and surfaces."
            if every
            else "**Not every one comes back as the same list of types and surfaces.**"
        )
        + " Reproduce: `python benchmarks/grammar.py --data FOLDER`.",
        "",
        "| set | file | texts | spans | come back | without spans | same surface twice | with `\\` | `]` | `:` | `[` |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, file, counts in rows:
        numbers = [counts[key] for key in ("texts", "spans", "same", "empty", "repeated", *ODD)]
        lines.append(f"| `{name}` | {file} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    lines += [
        "",
        "## Offsets",
        "",
        "A reply names no offsets. A surface is taken for its first free occurrence behind the entity that was named "
        "before it, else from the text's beginning; in data whose unit is the word only where words begin and end "
        "with it (*in reading order*, what the models use). Beside it the simpler rule, the first free occurrence of "
        "all. Shares of spans whose offsets come back, and of texts in which all do: the bounds that strict recall "
        "and exact texts have with perfect replies.",
        "",
        "| set | file | spans, in order | spans, first of all | texts, in order | texts, first of all |",
        "|---|---|---|---|---|---|",
    ]
    for name, file, counts in rows:
        cells = [f"{counts[key] / max(1, counts['spans']):.4f}" for key in ("order", "first")]
        cells += [f"{counts[f'{key} texts'] / counts['texts']:.4f}" for key in ("order", "first")]
        lines.append(f"| `{name}` | {file} | " + " | ".join(cells) + " |")
    lost = sum(counts["order nowhere"] for _, _, counts in rows)
    lines += [
        "",
        f"Surfaces for which no free occurrence was left, in all sets: {lost:,} in reading order, "
        f"{sum(counts['first nowhere'] for _, _, counts in rows):,} by the simpler rule. `korquad` has questions about "
        "long paragraphs, one answer each; it stands here for what happens where surfaces are frequent in long texts.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    folder = parser.parse_args().data
    rows = []
    for name, file in SETS:
        place = file if name == "sample" else str(folder / file)
        if name != "sample" and not Path(place).exists():
            print(f"not there, left out: {place}", file=sys.stderr)
            continue
        counts = measure(read_examples(name, place, "longest"), dataset_spec(name).unit == "word")
        rows.append((name, Path(file).name, counts))
        print(f"{name:20} {Path(file).name:45} {counts['same']:,} of {counts['texts']:,} texts come back", flush=True)
    write_text(RESULT, page(rows))
    return int(any(counts["same"] != counts["texts"] for _, _, counts in rows))


if __name__ == "__main__":
    sys.exit(main())
