"""Errors of a model in the texts that `kospan suggest` ranks first.

    python benchmarks/suggestions.py --model outputs/klue --data parts/report.tsv [--out docs/benchmarks/suggestions.md]

MODEL is the folder of a token classification model, DATA are labelled texts that it was neither trained nor calibrated
on. A text with an error is one that an annotator has to correct.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from kospan.api import open_labelled
from kospan.data.text import write_text
from kospan.evaluation.uncertainty import STRATEGIES
from kospan.example import Example
from kospan.modeling.spans import Span

HEAD = """# Suggestions

`python benchmarks/suggestions.py --model MODEL --data FILE`. {about} The texts are ranked as by `kospan suggest`,
without skipping similar ones; the rows show the first {share:.0%} of them. An error is a predicted span that is wrong,
or a gold span that was not predicted. One model and one set: other data may rank the strategies differently.

| texts | with an error | errors per text | characters per text | errors per 100 characters |
|---|---|---|---|---|
"""


def errors_of(examples: Sequence[Example], predictions: Sequence[Sequence[Span]]) -> np.ndarray:
    """Number of wrong and missed spans of each text `(texts,)`."""
    pairs = zip(examples, predictions, strict=True)
    return np.array([len({span[:3] for span in one.spans} ^ {span[:3] for span in spans}) for one, spans in pairs])


def row(name: str, chosen: np.ndarray, errors: np.ndarray, lengths: np.ndarray) -> str:
    """One row of the table."""
    wrong, characters = errors[chosen], lengths[chosen].mean()
    return (
        f"| {name} | {(wrong > 0).mean():.3f} | {wrong.mean():.2f} | {characters:.1f} | "
        f"{100 * wrong.mean() / characters:.2f} |\n"
    )


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a token classification model")
    parser.add_argument("--data", required=True, help="labelled file")
    parser.add_argument("--dataset", default="klue_ner", help="format of the file (default: klue_ner)")
    parser.add_argument("--share", type=float, default=0.1, help="share of the texts that are chosen (default: 0.1)")
    parser.add_argument("--about", default="", help="sentences about model and data")
    parser.add_argument("--out", help="file for the table (default: printed)")
    arguments = parser.parse_args()
    task, examples, _, _ = open_labelled(arguments.model, arguments.data, dataset=arguments.dataset)
    errors = errors_of(examples, task.predict(examples))
    lengths = np.array([len(example.text) for example in examples])
    count = round(arguments.share * len(examples))
    page = HEAD.format(about=arguments.about, share=arguments.share)
    page += row(f"all {len(examples):,} (random order)", np.arange(len(examples)), errors, lengths)
    page += row("longest", np.argsort(-lengths, kind="stable")[:count], errors, lengths)
    for total, words in ((False, "mean over units"), (True, "sum over units")):
        for strategy in STRATEGIES:
            order = np.argsort(-task.spec.uncertainty(task, examples, strategy, total, 32), kind="stable")
            page += row(f"{strategy}, {words}", order[:count], errors, lengths)
    if arguments.out:
        write_text(arguments.out, page)
    else:
        print(page)


if __name__ == "__main__":
    main()
