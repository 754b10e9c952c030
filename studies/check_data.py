"""Check of the data readers: counts of the public data sets against counts taken from the files by other means.

    python studies/check_data.py --data FOLDER

FOLDER holds `klue-ner`, `kmounlp-ner`, `conll2003`, `wnut17` and `gmb-kaggle` as their sources distribute them. The
script prints a table and ends with status 1 where a count differs.

KMOU is counted twice: the spans of the marked text, which the reader returns (80,797), and the `B-` of the lines of
morphemes (80,521). The lines lack 276 of the marked entities, among them all that end inside a morpheme.
"""

import argparse
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

from kospan.data.corpus import read_examples

WNUT_TYPES = ("person", "location", "group", "corporation", "product", "creative-work")
CONLL_TYPES = ("LOC", "PER", "ORG", "MISC")
# Data set, file, sentences, entities by type.
EXPECTED = [
    (
        "klue_ner",
        "klue-ner/klue-ner-v1.1_dev_minus_holdout.tsv",
        4_000,
        {"PS": 3_495, "QT": 2_522, "DT": 1_865, "OG": 1_756, "LC": 1_301, "TI": 437},
    ),
    ("conll2003", "conll2003/eng.train.gz", 14_041, dict(zip(CONLL_TYPES, (7_140, 6_600, 6_321, 3_438)))),
    ("conll2003", "conll2003/eng.testa", 3_250, dict(zip(CONLL_TYPES, (1_837, 1_842, 1_341, 922)))),
    ("wnut17", "wnut17/wnut17train.conll", 3_394, dict(zip(WNUT_TYPES, (660, 548, 264, 221, 142, 140)))),
    ("wnut17", "wnut17/emerging.dev.conll", 1_009, dict(zip(WNUT_TYPES, (470, 74, 39, 34, 114, 105)))),
    ("wnut17", "wnut17/emerging.test.annotated", 1_287, dict(zip(WNUT_TYPES, (429, 150, 165, 66, 127, 142)))),
    ("korean_hate_speech", "hate-speech/train.tsv", 7_896, {"none": 3_486, "offensive": 2_499, "hate": 1_911}),
    ("korean_hate_speech", "hate-speech/val.tsv", 471, {"offensive": 189, "none": 160, "hate": 122}),
    (
        "gmb",
        "gmb-kaggle/ner_dataset.csv.zip",
        47_959,
        {
            "geo": 37_644,
            "tim": 20_333,
            "org": 20_143,
            "per": 16_990,
            "gpe": 15_870,
            "art": 402,
            "eve": 308,
            "nat": 201,
        },
    ),
    (
        "kmou",
        "kmounlp-ner/corpus.tar.gz",
        23_964,
        {
            "PER": 18_647,
            "ORG": 17_261,
            "NOH": 16_312,
            "POH": 8_396,
            "LOC": 7_894,
            "DAT": 6_693,
            "PNT": 1_906,
            "MNY": 1_619,
            "DUR": 1_586,
            "TIM": 483,
        },
    ),
]
KMOU_LINES = {
    "PER": 18_544,
    "ORG": 17_208,
    "NOH": 16_227,
    "POH": 8_387,
    "LOC": 7_873,
    "DAT": 6_689,
    "PNT": 1_905,
    "MNY": 1_619,
    "DUR": 1_586,
    "TIM": 483,
}


def kmou_line_counts(path: Path) -> tuple[int, Counter]:
    """Sentences, by the line that ends each, and `B-` tags by type in the lines of morphemes."""
    sentences, counts = 0, Counter()
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                lines = archive.extractfile(member).read().decode("utf-8-sig").split("\n")
                for line, following in zip(lines, [*lines[1:], ""]):
                    columns = line.split("\t")
                    sentences += bool(line) and not following
                    if len(columns) == 4 and columns[3].startswith("B-"):
                        counts[columns[3][2:].strip()] += 1
    return sentences, counts


def compare(title: str, wanted: tuple[int, dict], got: tuple[int, dict], seconds: float) -> bool:
    """Print a row, and the differences below it."""
    same = wanted[0] == got[0] and wanted[1] == dict(got[1])
    totals = f"{got[0]:>9,} {sum(got[1].values()):>9,}"
    print(f"{title:<40} {totals} {len(got[1]):>6} {seconds:>8.1f}  {'equal' if same else 'DIFFERS'}")
    if wanted[0] != got[0]:
        print(f"    sentences: expected {wanted[0]:,}, got {got[0]:,}")
    for label in sorted({*wanted[1], *got[1]}):
        if wanted[1].get(label, 0) != got[1].get(label, 0):
            print(f"    {label}: expected {wanted[1].get(label, 0):,}, got {got[1].get(label, 0):,}")
    return same


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    folder = parser.parse_args().data
    print(f"{'data set and file':<40} {'sentences':>9} {'entities':>9} {'types':>6} {'seconds':>8}")
    fine = True
    for dataset, file, sentences, entities in EXPECTED:
        begun = time.perf_counter()
        examples = read_examples(dataset, str(folder / file))
        counts = Counter(span.label for example in examples for span in example.spans)
        title = f"{dataset} {Path(file).name[:28]}"
        fine &= compare(title, (sentences, entities), (len(examples), counts), time.perf_counter() - begun)
    begun = time.perf_counter()
    found = kmou_line_counts(folder / "kmounlp-ner" / "corpus.tar.gz")
    fine &= compare("kmou, lines of morphemes", (23_964, KMOU_LINES), found, time.perf_counter() - begun)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
