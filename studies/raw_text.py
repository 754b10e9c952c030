"""Scores of a word model on raw text: F1 on a file's tokens, and on the same sentences as a newspaper prints them.

    python studies/raw_text.py MODEL --data eng.testa [--dataset conll2003] [--out docs/benchmarks/raw_text.md]

The tokens of each sentence are joined again in three ways, and gold spans keep their characters: by spaces, as token
files are read; "attached", where `. , ; : ! ? ) 's %` follow the word before them without a space; and "printed", where
the other clitics and closing brackets do so too, opening brackets and `$` precede the next word without a space, and
double quotation marks open and close in turn. Tokens are given to the model as lists of words, the two others as texts.
Raw text is split as the model's config says, and once more at white space alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from kospan.data.corpus import read_examples  # noqa: E402
from kospan.example import Example  # noqa: E402
from kospan.modeling.words import WORD_SPLITTINGS, document_words  # noqa: E402
from kospan.tasks.loading import open_saved  # noqa: E402
from kospan.tasks.token_classification.metrics import score_spans  # noqa: E402

ATTACHED = frozenset([".", ",", ";", ":", "!", "?", ")", "'s", "%"])
PRINTED_BEHIND = ATTACHED | frozenset(["]", "...", "'", "'re", "'ve", "'ll", "'d", "'m", "n't", "'S", "N'T"])
PRINTED_BEFORE = frozenset(["(", "[", "$"])


def attached(words: Sequence[str]) -> list[bool]:
    """Return whether each word follows the one before it without a space."""
    return [at > 0 and word in ATTACHED for at, word in enumerate(words)]


def printed(words: Sequence[str]) -> list[bool]:
    """The same as a newspaper has it."""
    found, is_open, follows = [], False, True
    for word in words:
        closes = word == '"' and is_open
        found.append(follows or closes or word in PRINTED_BEHIND)
        is_open ^= word == '"'
        follows = word in PRINTED_BEFORE or (word == '"' and is_open)
    return [glued and at > 0 for at, glued in enumerate(found)]


def joined(example: Example, glued: Sequence[bool]) -> Example:
    """A document of words as a raw text, its spans on the same characters.

    >>> example = Example("a", "in Oslo .", None, words=("in", "Oslo", "."))
    >>> joined(example, attached(example.words)).text
    'in Oslo.'
    """
    text, place, at = "", {}, 0
    for word, is_glued in zip(example.words, glued, strict=True):
        text += "" if is_glued or not text else " "
        for offset in range(len(word)):
            place[at + offset] = len(text) + offset
        text += word
        at += len(word) + 1
    spans = None
    if example.spans is not None:
        spans = tuple(span._replace(start=place[span.start], end=place[span.end - 1] + 1) for span in example.spans)
    return Example(example.id, text, spans)


def touching(example: Example, glued: Sequence[bool]) -> int:
    """Gold spans of a document of words beside which a space is missing where it is joined so."""
    units = document_words(example.words)
    starts = {units[at][0] for at, is_glued in enumerate(glued) if is_glued}
    ends = {units[at - 1][1] for at, is_glued in enumerate(glued) if is_glued}
    return sum(span.start in starts or span.end in ends for span in example.spans)


def found_again(examples: Sequence[Example], raw: Sequence[Example]) -> float:
    """The share of tokens that the rule for raw text finds again."""
    same = total = 0
    for example, text in zip(examples, raw):
        tokens = {(start, end) for start, end in _moved(example, text)}
        total += len(tokens)
        same += len(tokens & set(document_words(text.text)))
    return same / total


def _moved(example: Example, raw: Example) -> list[tuple[int, int]]:
    """Places of a document's words in its raw text."""
    found, at = [], 0
    for word in example.words:
        start = raw.text.index(word, at)
        at = start + len(word)
        found.append((start, at))
    return found


def measure(model, examples: Sequence[Example], labels: Sequence[str]) -> list[list[str]]:
    """The rows of the page's table."""

    def f1(documents: Sequence[Example]) -> float:
        found = model.extract([document.document for document in documents])
        return score_spans(list(documents), found, "word", list(labels))["f1"]

    own = model.config.word_splitting
    rows = [["tokens", "words as they are", "", "", f"{f1(examples):.4f}"]]
    spans = sum(len(example.spans) for example in examples)
    for name, join in (("attached", attached), ("printed", printed)):
        glued = [join(example.words) for example in examples]
        raw = [joined(example, each) for example, each in zip(examples, glued)]
        touched = sum(touching(example, each) for example, each in zip(examples, glued))
        share, again = f"{touched / spans:.1%}", f"{found_again(examples, raw):.2%}"
        for splitting in sorted(WORD_SPLITTINGS, key=lambda each: each != own):
            model.config.word_splitting = splitting
            rows.append([name, splitting, share, again if splitting == "punctuation" else "", f"{f1(raw):.4f}"])
            print(*rows[-1], sep="  ", flush=True)
        model.config.word_splitting = own
    return rows


def main() -> None:
    """Print the scores, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a token classification model with unit: word")
    parser.add_argument("--data", required=True, help="token file, or a split of a set that brings its own data")
    parser.add_argument("--dataset", default="conll2003", help="format of the data (default: conll2003)")
    parser.add_argument("--out", type=Path, help="where the page goes")
    arguments = parser.parse_args()
    task = open_saved(arguments.model, dataset=arguments.dataset)
    if getattr(task.model.config, "unit", "") != "word":
        parser.error(f"expected a model of ours with unit: word, got another in {arguments.model}")
    examples = [each for each in read_examples(arguments.dataset, arguments.data) if each.words]
    if not examples:
        parser.error(f"expected documents that are given word by word, got none in {arguments.data}")
    rows = measure(task.model, examples, task.labels)
    heading = ["sentences", "split at", "gold spans beside a missing space", "tokens found again", "F1"]
    table = [heading, ["---"] * len(heading), *rows]
    page = "\n".join(
        [
            "# Word models on raw text",
            "",
            f"Strict F1 of `{Path(arguments.model).name}` on {Path(arguments.data).name}, {len(examples):,} "
            f"sentences with {sum(len(each.spans) for each in examples):,} gold spans. Training has seen tokens. "
            "`attached`: `. , ; : ! ? ) 's %` follow the word before them without a space; `printed`: brackets, "
            "quotation marks, clitics and `$` stand as in a newspaper too. `punctuation` is the rule of "
            "`split_words` in `modeling/words.py`, which every new model has; `white_space` is how models read text "
            "before there was one.",
            "",
            "Reproduce: `python studies/raw_text.py MODEL --data eng.testa`, MODEL from "
            "`recipes/conll2003_minilm_bilstm_crf.yaml`.",
            "",
            *(f"| {' | '.join(row)} |" for row in table),
            "",
        ]
    )
    print(page)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
