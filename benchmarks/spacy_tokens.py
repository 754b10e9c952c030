"""Share of gold spans that begin and end with a token of spaCy, by tokenizer.

    python benchmarks/spacy_tokens.py --data klue-ner-v1.1_dev.tsv [--out docs/benchmarks/spacy_tokens.md]

Needs the extra `spacy`.
"""

import argparse

import spacy

from kospan.api import read_labelled
from kospan.data.text import write_text
from kospan.integrations.spacy_tokenizer import SPLITS, CharacterTokenizer

HEAD = """# Tokens of spaCy

`python benchmarks/spacy_tokens.py --data FILE`. {about} A span is exact if it begins and ends with a token
(`Doc.char_span` is not None).

| tokenizer | exact spans | tokens per text |
|---|---|---|
"""


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="labelled file")
    parser.add_argument("--dataset", default="klue_ner", help="format of the file (default: klue_ner)")
    parser.add_argument("--about", default="", help="sentences about the data")
    parser.add_argument("--out", help="file for the table (default: printed)")
    arguments = parser.parse_args()
    examples, _ = read_labelled(arguments.data, dataset=arguments.dataset)
    blank = spacy.blank("xx")
    tokenizers = {"spaCy, `xx`": blank.tokenizer} | {
        f"`kospan.CharacterTokenizer.v1`, {split}": CharacterTokenizer(blank.vocab, split) for split in SPLITS
    }
    page = HEAD.format(about=arguments.about)
    for name, tokenizer in tokenizers.items():
        exact = spans = tokens = 0
        for example in examples:
            doc = tokenizer(example.text)
            assert doc.text == example.text
            tokens += len(doc)
            spans += len(example.spans)
            exact += sum(doc.char_span(span.start, span.end) is not None for span in example.spans)
        page += f"| {name} | {exact:,} of {spans:,} ({exact / spans:.3f}) | {tokens / len(examples):.1f} |\n"
    if arguments.out:
        write_text(arguments.out, page)
    else:
        print(page)


if __name__ == "__main__":
    main()
