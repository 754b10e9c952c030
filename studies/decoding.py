"""Strict F1 of decodings: the best path, thresholds on posteriors, and the best expected F1; writes a page.

    python studies/decoding.py --model FOLDER --dataset NAME --data FILE [--report FILE] [--note TEXT] ... [--out PAGE]

Options are repeated for each model. The temperature and the thresholds are chosen on FILE and scores reported on the
file of --report; without one ("-"), the first half of the documents of FILE is the selection and the second half is
reported. Decodings share the model and its emissions.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

import kospan
from kospan.api import read_labelled
from kospan.data.registry import DATASETS
from kospan.evaluation.bootstrap import Difference, holm, paired, span_metrics
from kospan.evaluation.confidence import fit_temperature
from kospan.evaluation.span_counts import counts_per_document
from kospan.example import Example
from kospan.modeling.span_decoding import decode_spans
from kospan.modeling.span_selection import LEAST_POSTERIOR, Candidates, corpus_threshold, decoding_of
from kospan.modeling.tags import labels_of
from kospan.tasks.token_classification.confidence import SpanConfidence

RESULT = Path(__file__).parent.parent / "docs" / "studies" / "decoding.md"
# Thresholds among which the best on selection data is chosen.
GRID = np.round(np.arange(0.1, 0.91, 0.02), 2)
INTRODUCTION = """# Decodings of a CRF

Scores of the best path (`viterbi`), of the disjoint spans with the largest sum of posterior minus threshold
(`decode="posterior"`), and of those with the best plug-in estimate of the expected F1 of each text (`decode="mbr"`).
F1, precision and recall are strict and micro-averaged; the mean F1 is over sentences, and 1 if no span is gold and
none found. All rows of a table are of one model. Its temperature and the thresholds are chosen on selection data: the
plug-in threshold is half the best estimate of the corpus' expected F1 and uses posteriors alone; the other has the
highest F1 on gold spans, from {low} to {high} in steps of 0.02. Report data are disjoint from selection data, and
both from training data. Differences are those of F1 from `viterbi`, with 95 % intervals of the paired bootstrap over
documents (10,000 resamples, seed 0); p-values are adjusted for all {comparisons} comparisons of the page (Holm)."""


class Part:
    """Labelled texts with their emissions, and the document of each text.

    Args:
        model: A `KospanForTokenClassification`.
        examples: Texts with gold spans.
        documents: Index of each text's document `(texts,)`, ascending.
    """

    def __init__(self, model, examples: Sequence[Example], documents: Sequence[int]):
        self.head, self.labels, self.examples = model.head, labels_of(model.config.tags), examples
        _, self.first_texts = np.unique(documents, return_index=True)
        with model.evaluating(), torch.no_grad():
            self.texts = model.aligner.documents([example.document for example in examples])
            self.emissions = model.chains(self.texts, 32)

    def counts(self, **settings) -> np.ndarray:
        """Count correct, predicted and gold spans of each text `(texts, 3)`."""
        return counts_per_document(self.examples, self.spans(**settings))

    def by_document(self, counts: np.ndarray) -> np.ndarray:
        """Sum the counts of the texts of each document `(documents, 3)`."""
        return np.add.reduceat(counts, self.first_texts)

    @torch.no_grad()
    def spans(self, **settings) -> list[list]:
        """Decode the spans of each text; settings as in `extract`."""
        return decode_spans(self.head, self.texts, self.emissions, decoding_of(self.labels, **settings), 32)

    @torch.no_grad()
    def corpus_threshold(self) -> float:
        """Return the threshold whose spans have the best plug-in estimate of the corpus' F1; no gold span is used."""
        ids = {label: at for at, label in enumerate(self.labels)}
        texts, expected = [], 0.0
        for spans in self.spans(threshold=LEAST_POSTERIOR, decode="posterior", overlapping=True):
            rows = np.array([(start, end, ids[label]) for start, end, label, _ in spans], dtype=np.int64).reshape(-1, 3)
            texts.append(Candidates(*rows.T, np.array([span.score for span in spans])))
        for chain in filter(len, self.emissions):
            mask = torch.ones(1, len(chain), dtype=torch.bool)
            expected += float(self.head.span_posteriors(chain.unsqueeze(0), mask).expected_count().sum())
        return corpus_threshold(texts, expected)


def document_ids(examples: Sequence[Example], data: str, dataset: str) -> list[int]:
    """Index of each sentence's document; a sentence is a document of its own in data without documents."""
    if f"{dataset}_documents" not in DATASETS:
        return list(range(len(examples)))
    documents, _ = read_labelled(data, dataset=f"{dataset}_documents")
    ids = [at for at, document in enumerate(documents) for _ in document.text.split("\n")]
    assert len(ids) == len(examples), "sentences and documents differ"
    return ids


def parts(model, dataset: str, data: str, report: str) -> tuple[Part, Part]:
    """Read selection and report, or cut one file into halves by documents."""
    examples, _ = read_labelled(data, dataset=dataset)
    ids = document_ids(examples, data, dataset)
    if report != "-":
        other, _ = read_labelled(report, dataset=dataset)
        assert not {example.text for example in examples} & {example.text for example in other}, "parts share texts"
        return Part(model, examples, ids), Part(model, other, document_ids(other, report, dataset))
    middle = ids.index((ids[-1] + 1) // 2)
    return Part(model, examples[:middle], ids[:middle]), Part(model, examples[middle:], ids[middle:])


def compare(folder: str, dataset: str, data: str, report: str) -> dict:
    """Score all decodings of one model."""
    model = kospan.load(folder)
    selection, reported = parts(model, dataset, data, report)
    model.head.crf.temperature = temperature = fit_temperature(SpanConfidence(model, selection.examples))
    scores = [span_metrics(selection.counts(decode="posterior", threshold=value).sum(axis=0))["f1"] for value in GRID]
    plug_in, best = selection.corpus_threshold(), float(GRID[int(np.argmax(scores))])
    decodings = {
        "viterbi": {},
        "posterior, 0.5": {"decode": "posterior"},
        f"posterior, plug-in F* / 2: {plug_in:.3f}": {"decode": "posterior", "threshold": plug_in},
        f"posterior, best on selection: {best:.2f}": {"decode": "posterior", "threshold": best},
        "mbr": {"decode": "mbr"},
    }
    counts = {name: reported.counts(**settings) for name, settings in decodings.items()}
    recipe = yaml.safe_load((Path(folder) / "recipe.yaml").read_text(encoding="utf-8"))
    return {
        "title": DATASETS[dataset].title,
        "recipe": recipe["name"],
        "seed": recipe["seed"],
        "temperature": temperature,
        "sizes": [(len(part.first_texts), len(part.texts)) for part in (selection, reported)],
        "gold": int(counts["viterbi"][:, 2].sum()),
        "counts": counts,
        "differences": {
            name: paired(reported.by_document(each), reported.by_document(counts["viterbi"]))
            for name, each in counts.items()
            if name != "viterbi"
        },
    }


def page(results: Sequence[dict], notes: Sequence[str], command: str) -> str:
    """Return the result as Markdown."""
    # All comparisons of the page together.
    differences = [each for result in results for each in result["differences"].values()]
    adjusted = holm([each.p_value for each in differences])
    lines = [INTRODUCTION.format(low=GRID[0], high=GRID[-1], comparisons=len(differences))]
    lines += ["", *(summary(differences, adjusted))]
    for result, note in zip(results, notes):
        values = iter(adjusted[: len(result["differences"])])
        adjusted = adjusted[len(result["differences"]) :]
        (chosen, chosen_texts), (shown, shown_texts) = result["sizes"]
        lines += [
            "",
            f"## {result['title']}",
            "",
            f"Recipe `{result['recipe']}`, seed {result['seed']}. {note} Selection: {chosen:,} documents, "
            f"{chosen_texts:,} sentences; report: {shown:,} documents, {shown_texts:,} sentences, {result['gold']:,} "
            f"gold spans. Temperature {result['temperature']:.2f}.",
            "",
            "| decoding | F1 | precision | recall | mean F1 | difference | p | p (Holm) |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, counts in result["counts"].items():
            f1, precision, recall = span_metrics(counts.sum(axis=0)).values()
            mean = np.where(counts[:, 1:].any(axis=1), span_metrics(counts)["f1"], 1.0).mean()
            row = f"| {name} | {f1:.4f} | {precision:.4f} | {recall:.4f} | {mean:.4f} |"
            found = result["differences"].get(name)
            lines.append(
                f"{row} {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}] | {found.p_value:.4f} | "
                f"{next(values):.4f} |"
                if found
                else f"{row} | | |"
            )
    lines += ["", "One thread of a 2-core x86-64 virtual machine, float32 emissions, float64 posteriors.", ""]
    return "\n".join([*lines, "```bash", command, "```", ""])


def summary(differences: Sequence[Difference], adjusted: Sequence[float]) -> list[str]:
    """Return the result in one paragraph."""
    values = [each.difference for each in differences]
    clear = sum(value < 0.05 for value in adjusted)
    alone = [each.difference for each in differences if each.p_value < 0.05]
    return [
        f"{clear or 'None'} of {len(values)} differences {'is' if clear < 2 else 'are'} significant at 0.05 after "
        f"adjustment; they range from {min(values):+.4f} to {max(values):+.4f}. Without adjustment "
        f"{sum(value > 0 for value in alone)} would be significantly positive and {sum(value < 0 for value in alone)} "
        "significantly negative."
    ]


def main() -> None:
    """Score all models and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "dataset", "data", "report", "note"):
        parser.add_argument(f"--{name}", action="append", required=True)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = vars(parser.parse_args())
    out = given.pop("out")
    if len({len(each) for each in given.values()}) > 1:
        parser.error("expected each option once for each model")
    torch.set_num_threads(1)
    runs = list(zip(given["model"], given["dataset"], given["data"], given["report"]))
    words = " \\\n  ".join(
        f"--model {Path(model).name} --dataset {dataset} --data {Path(data).name} --report {Path(report).name} "
        f"--note {shlex.quote(note)}"
        for (model, dataset, data, report), note in zip(runs, given["note"])
    )
    text = page([compare(*run) for run in runs], given["note"], f"python studies/decoding.py \\\n  {words}")
    print(text)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
