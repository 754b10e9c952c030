"""Fixed baseline of the KLUE-NER studies: characters, one BiLSTM, a CRF, nothing pretrained, in a plain torch loop.

No model code of kospan is used, only its metrics, so that the baseline does not change with the project. The data are
cut by position in the file: position % 8 == 0 is validation, the rest is training. The metric of a seed is the mean
over the last three epochs, so that no epoch is selected on the reported data.

    python studies/klue_scratch_baseline.py --data klue-ner.tsv --out docs/studies/klue_scratch_baseline.json
    python studies/klue_scratch_baseline.py --data klue-ner.tsv --batch-size 8 --schedule linear
    --out docs/studies/klue_scratch_baseline_our_schedule.json

The second one has batch size, learning rate and schedule of recipes/klue_ner_char_bilstm_crf.yaml. Each writes the
study after each seed (for its format see `study.py`).
"""

import argparse
import json
import math
import random
import re
import statistics
import time
from pathlib import Path

import torch
from study import run_study
from torch import Tensor, nn
from torchcrf import CRF
from transformers import get_linear_schedule_with_warmup

from kospan.evaluation.span_counts import counts_per_document
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.modeling.tags import spans_to_tags, tag_names, tags_to_spans
from kospan.tasks.token_classification.metrics import score_spans

SCHEDULES = {"constant": "constant", "linear": "linear to 0 after 5 % warm-up"}
LABELS = ["DT", "LC", "OG", "PS", "QT", "TI"]
TAGS = tag_names(LABELS)
RECIPE = {
    "units": "characters, spaces kept",
    "embedding": 128,
    "lstm_per_direction": 256,
    "lstm_layers": 1,
    "crf": "pytorch-crf, mean over sentences",
    "dropout": 0.4,
    "dropout_on": "embeddings and LSTM states",
    "optimizer": "AdamW, weight decay 0.01",
    "learning_rate": 2e-3,
    "schedule": SCHEDULES["constant"],
    "batch_size": 32,
    "epochs": 15,
    "clip": 1.0,
    "split": "position % 8 == 0 validation, rest training",
    "metric": "mean of the last 3 epochs",
}


def read(path: str) -> list[Example]:
    """Sentences of a KLUE-NER file, one `character<tab>tag` line a character."""
    examples = []
    for block in re.split(r"\n\n+", Path(path).read_text(encoding="utf-8").rstrip("\n")):
        lines = block.split("\n")
        rows = [line.split("\t") for line in lines if not line.startswith("## ")]
        text, tags = "".join(row[0] for row in rows), [row[1] for row in rows]
        name = next(line for line in reversed(lines) if line.startswith("## ")).split("\t")[0].removeprefix("## ")
        assert len(text) == len(tags), f"{name}: expected one character a row"
        examples.append(Example(name, text, tuple(Span(*span) for span in tags_to_spans(tags))))
    return examples


class Baseline(nn.Module):
    """Character embedding, one bidirectional LSTM, linear layer, CRF.

    Args:
        vocabulary: Number of ids; 0 is padding, 1 is an unknown character.
    """

    def __init__(self, vocabulary: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, RECIPE["embedding"], padding_idx=0)
        self.lstm = nn.LSTM(RECIPE["embedding"], RECIPE["lstm_per_direction"], batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(RECIPE["dropout"])
        self.linear = nn.Linear(2 * RECIPE["lstm_per_direction"], len(TAGS))
        self.crf = CRF(len(TAGS), batch_first=True)

    def emissions(self, ids: Tensor) -> Tensor:
        embedded = self.dropout(self.embedding(ids))  # shape: (batch, units, hidden)
        lengths = (ids > 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.linear(self.dropout(states))  # shape: (batch, units, tags)


def padded(rows: list[list[int]]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def predict(model: Baseline, ids: list[list[int]]) -> list[list[Span]]:
    """The spans of the best path of each sentence; batches of like length, results in the given order."""
    model.eval()
    predicted: list[list[Span]] = [[] for _ in ids]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        batch = padded([ids[at] for at in chosen])
        with torch.no_grad():
            paths = model.crf.decode(model.emissions(batch), batch > 0)
        for at, path in zip(chosen, paths):
            predicted[at] = [Span(*span) for span in tags_to_spans([TAGS[tag] for tag in path])]
    return predicted


def schedule(optimizer: torch.optim.Optimizer, kind: str, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rate over all steps of a training, of a kind in `SCHEDULES`; the warm-up is as long as the Trainer's."""
    if kind == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    return get_linear_schedule_with_warmup(optimizer, math.ceil(0.05 * steps), steps)


def run(train: list[Example], validation: list[Example], seed: int, epochs: int, batch_size: int, kind: str) -> dict:
    """Train once; returns metrics per epoch, and counts per validation document of the last epoch."""
    random.seed(seed)
    torch.manual_seed(seed)
    characters = sorted({character for example in train for character in example.text})
    place = {character: at for at, character in enumerate(characters, start=2)}
    ids, held_ids = ([[place.get(c, 1) for c in example.text] for example in part] for part in (train, validation))
    tags = [[TAGS.index(tag) for tag in spans_to_tags([s[:3] for s in e.spans], len(e.text))] for e in train]
    model = Baseline(len(place) + 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RECIPE["learning_rate"], weight_decay=0.01)
    rates = schedule(optimizer, kind, epochs * math.ceil(len(train) / batch_size))
    wall = cpu = 0.0
    rows, counts = [], []
    for epoch in range(1, epochs + 1):
        wall, cpu, losses = wall - time.perf_counter(), cpu - time.process_time(), []
        model.train()
        order = random.sample(range(len(train)), len(train))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch, gold = padded([ids[at] for at in chosen]), padded([tags[at] for at in chosen])
            loss = -model.crf(model.emissions(batch), gold, batch > 0, reduction="mean")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), RECIPE["clip"])
            optimizer.step()
            rates.step()
            losses.append(loss.item())
        wall, cpu = wall + time.perf_counter(), cpu + time.process_time()
        predicted = predict(model, held_ids)
        scores = score_spans(validation, predicted, "character", LABELS)
        counts = counts_per_document(validation, predicted).tolist()
        row = {name: round(scores[name], 4) for name in ("klue_entity_f1", "f1", "klue_char_f1", "klue_char_f1_no_o")}
        row |= {"epoch": epoch, "loss": round(statistics.mean(losses), 3)}
        rows.append(row | {"train_cpu_seconds": round(cpu, 1), "train_wall_seconds": round(wall, 1)})
        print(seed, json.dumps(rows[-1]), flush=True)
    return {"epochs": rows, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="KLUE-NER TSV file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--epochs", type=int, default=RECIPE["epochs"])
    parser.add_argument("--batch-size", type=int, default=RECIPE["batch_size"])
    parser.add_argument("--schedule", choices=SCHEDULES, default="constant")
    parser.add_argument("--limit", type=int, help="read only the first N sentences, to try the script")
    given = parser.parse_args()

    examples = read(given.data)[: given.limit]
    validation = [example for at, example in enumerate(examples) if at % 8 == 0]
    train = [example for at, example in enumerate(examples) if at % 8]
    header = {
        "what": "KLUE-NER baseline from scratch; scores on the validation split, each epoch",
        "recipe": RECIPE
        | {"epochs": given.epochs, "batch_size": given.batch_size, "schedule": SCHEDULES[given.schedule]},
        "sentences": {"train": len(train), "validation": len(validation)},
        "gold_spans": sum(len(example.spans) for example in validation),
    }
    settings = given.epochs, given.batch_size, given.schedule
    run_study(given.out, header, given.seeds, lambda seed: run(train, validation, seed, *settings))


if __name__ == "__main__":
    main()
