"""Write the two files of raw text that the encoder and the vectors of ko-ner are learned from.

    python packages/kospan_ko/raw_texts.py CLONES OUT

CLONES holds clones of the repositories at the commits of `sources.py`, in folders that are named as there: nsmc, klue,
kornlu and ud_kaist. OUT/nsmc-reviews.txt.xz has the film reviews in the order of their code points,
OUT/sentences.txt.xz the other sentences in the order of `SENTENCES`.

Texts are composed to NFC, runs of white space become one space. Of equal texts the first is kept; texts of fewer than
`MIN_CHARACTERS` characters are skipped, and so are texts that equal one of KLUE-NER's development set.
"""

import argparse
import hashlib
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kospan.data.corpus import read_examples
from kospan.data.text import open_text, write_text

try:
    from sources import FILES, SOURCES  # (run as a script)
except ImportError:
    from packages.kospan_ko.sources import FILES, SOURCES

MIN_CHARACTERS = 8


def objects(*keys: str) -> Callable[[Path], Iterator[str]]:
    """Return a reader of the values of keys in a JSON file with a list of objects."""

    def read(path: Path) -> Iterator[str]:
        try:
            yield from [each[key] for each in json.loads(open_text(path).read()) for key in keys]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"expected {path} to hold objects with {', '.join(keys)}, got {error!r}") from error

    return read


def columns(first: int) -> Callable[[Path], Iterator[str]]:
    """Return a reader of two neighbouring columns, counted from 0, of a file with a heading, tabs and no quoting."""

    def read(path: Path) -> Iterator[str]:
        for line in open_text(path).read().split("\n")[1:]:
            yield from line.split("\t")[first : first + 2]

    return read


def lines_after(prefix: str, separator: str) -> Callable[[Path], Iterator[str]]:
    """Return a reader of what follows the first separator in lines that begin with a prefix."""

    def read(path: Path) -> Iterator[str]:
        for line in open_text(path).read().split("\n"):
            if line.startswith(prefix):
                yield line.partition(separator)[2]

    return read


KLUE_NER = "klue/klue_benchmark/klue-ner-v1.1/klue-ner-v1.1_dev.tsv"
# Files of sentences in the order in which they are read, each with its reader.
SENTENCES = {
    "klue/klue_benchmark/klue-nli-v1.1/klue-nli-v1.1_dev.json": objects("premise", "hypothesis"),
    "klue/klue_benchmark/klue-sts-v1.1/klue-sts-v1.1_dev.json": objects("sentence1", "sentence2"),
    "klue/klue_benchmark/klue-dp-v1.1/klue-dp-v1.1_dev.tsv": lines_after("## klue-dp", "\t"),
    "kornlu/KorNLI/xnli.dev.ko.tsv": columns(0),
    "kornlu/KorNLI/xnli.test.ko.tsv": columns(0),
    "kornlu/KorSTS/sts-train.tsv": columns(5),
    "kornlu/KorSTS/sts-dev.tsv": columns(5),
    "kornlu/KorSTS/sts-test.tsv": columns(5),
    "ud_kaist/ko_kaist-ud-dev.conllu": lines_after("# text = ", "= "),
    "ud_kaist/ko_kaist-ud-test.conllu": lines_after("# text = ", "= "),
}
REVIEWS = "nsmc/raw"


def folded(text: str) -> str:
    r"""Return a text in NFC with single spaces.

    >>> folded(" 가을\t 밤 ")
    '가을 밤'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def selected(texts: Iterable[str], excluded: set[str]) -> list[str]:
    """Return folded texts, each once, without short ones and those of a set of folded texts."""
    found = dict.fromkeys(map(folded, texts))
    return [text for text in found if len(text) >= MIN_CHARACTERS and text not in excluded]


def sentences(clones: Path) -> Iterator[str]:
    """Yield the sentences of all files of `SENTENCES`, as they are in the files."""
    for name, read in SENTENCES.items():
        yield from read(existing(clones, name))


def reviews(clones: Path) -> Iterator[str]:
    """Yield the reviews of nsmc, which has one JSON file per film."""
    for path in existing(clones, REVIEWS).glob("*.json"):
        yield from objects("review")(path)


def existing(clones: Path, name: str) -> Path:
    """Return the path of a file or folder of a clone.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = clones / name
    if not path.exists():
        key = name.partition("/")[0]
        raise FileNotFoundError(f"expected {path}, found none; clone {SOURCES[key].where} to {clones / key}")
    return path


def write(clones: Path, out: Path) -> None:
    """Write both files; print their sizes, and whether they are those of the shipped weights."""
    scored = {folded(each.text) for each in read_examples("klue_ner", str(existing(clones, KLUE_NER)))}
    found = {
        "nsmc-reviews.txt.xz": sorted(selected(reviews(clones), scored)),
        "sentences.txt.xz": selected(sentences(clones), scored),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, texts in found.items():
        path = out / name
        write_text(path, "".join(f"{text}\n" for text in texts))
        same = hashlib.sha256(path.read_bytes()).hexdigest() == FILES[name].sha256
        known = "the file" if same else "not the file (another SHA-256)"
        print(f"{path}: {len(texts):,} texts; {known} that ko-ner is trained on")


def main(words: list[str] | None = None) -> None:
    """Write the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, help="folder with the clones nsmc, klue, kornlu and ud_kaist")
    parser.add_argument("out", type=Path, help="folder for nsmc-reviews.txt.xz and sentences.txt.xz")
    arguments = parser.parse_args(words)
    try:
        write(arguments.clones, arguments.out)
    except (OSError, ValueError) as error:
        sys.exit(f"raw_texts.py: {error}")


if __name__ == "__main__":
    main()
