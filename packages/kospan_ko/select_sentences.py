"""Select the sentences of KLUE-NER's development set that ko-ner is trained on.

    python packages/kospan_ko/select_sentences.py klue-ner-v1.1_dev.tsv OUT.tsv

The other 1,000 sentences are never used in training. Numbers of the selected ones are in `sentences.txt`.
"""

import argparse
import hashlib
import re
from pathlib import Path

from kospan.data.text import write_text

HERE = Path(__file__).resolve().parent
# The file that the shipped weights were trained on.
SHA256 = "f5f805e11b65700a80893626460ad6de35e3d3955aa96c25b6c20b93a5a08275"
_NUMBER = re.compile(r"^## klue-ner-v1_dev_(\d+)-", re.MULTILINE)


def selected_numbers(text: str) -> set[int]:
    """Return the numbers in a text of ranges.

    >>> sorted(selected_numbers("1-3 7"))
    [1, 2, 3, 7]
    """
    ranges = [part.split("-") for part in text.split()]
    return {number for each in ranges for number in range(int(each[0]), int(each[-1]) + 1)}


def select(text: str, numbers: set[int]) -> str:
    """Return the head of a KLUE-NER file and the sentences with the given numbers.

    Raises:
        ValueError: If a sentence is missing.
    """
    first = _NUMBER.search(text)
    sentences = re.split(r"(?=^## klue-ner-v1_dev_)", text[first.start() :], flags=re.MULTILINE) if first else []
    sentences = {int(_NUMBER.match(each)[1]): each for each in sentences if each}
    missing = sorted(numbers - sentences.keys())
    if missing:
        raise ValueError(
            f"expected the {len(numbers):,} sentences of sentences.txt, got a file without {len(missing):,} of them "
            f"(first: {missing[0]:05}); take klue-ner-v1.1_dev.tsv of KLUE"
        )
    return text[: first.start()] + "".join(each for number, each in sentences.items() if number in numbers)


def main(words: list[str] | None = None) -> None:
    """Write the selected sentences to a file, and say whether it is the one of the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="klue-ner-v1.1_dev.tsv of KLUE")
    parser.add_argument("output", help="file for the selected sentences")
    arguments = parser.parse_args(words)
    text = Path(arguments.source).read_bytes().decode("utf-8")
    found = select(text, selected_numbers((HERE / "sentences.txt").read_text(encoding="utf-8")))
    write_text(arguments.output, found)
    same = hashlib.sha256(found.encode("utf-8")).hexdigest() == SHA256
    print(f"{arguments.output}: {'the file' if same else 'not the file (another SHA-256)'} that ko-ner is trained on")


if __name__ == "__main__":
    main()
