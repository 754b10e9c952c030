"""Baseline of the question answering studies: a start/end head, trained by the stock Trainer on the same articles.

`ElectraForQuestionAnswering` of transformers over an encoder from a config, the stock way of making windows
(`return_overflowing_tokens`), the stock loss, the stock Trainer; of every window the best start and end within
`--longest` subwords, of every question the best window. Tokenizer, window, overlap, batch and schedule are those of
recipes/korquad_scratch.yaml; layers and width may be larger, so that it costs the same time.

    python studies/question_answering_baseline.py --data KorQuAD.json.gz --out docs/studies/korquad_baseline.json
    --threads 1

writes the study after each seed (for its format see `study.py`).
"""

import argparse
import json
import tempfile
import time

import numpy as np
import torch
from study import run_study
from transformers import (
    ElectraConfig,
    ElectraForQuestionAnswering,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar

from kospan.data.corpus import load_corpus
from kospan.modeling.spans import Span
from kospan.tasks.encoders import scratch_encoder
from kospan.tasks.question_answering.metrics import metrics_per_question, score_answers

WINDOW, STRIDE, BATCH = 384, 128, 16


def windows(tokenizer, examples: list) -> list[dict]:
    """The stock windows of some questions, with the places of the answer's ends, 0 where a window lacks it."""
    found = tokenizer(
        [example.question for example in examples],
        [example.text for example in examples],
        truncation="only_second",
        max_length=WINDOW,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    rows = []
    for at, owner in enumerate(found["overflow_to_sample_mapping"]):
        offsets, kinds = found["offset_mapping"][at], found.sequence_ids(at)
        start, end, *_ = examples[owner].spans[0]
        first = [place for place, (low, high) in enumerate(offsets) if kinds[place] == 1 and low <= start < high]
        last = [place for place, (low, high) in enumerate(offsets) if kinds[place] == 1 and low < end <= high]
        held = bool(first and last)
        rows.append(
            {
                "input_ids": found["input_ids"][at],
                "token_type_ids": found["token_type_ids"][at],
                "start_positions": first[0] if held else 0,
                "end_positions": last[0] if held else 0,
                "owner": owner,
                "offsets": [pair if kind == 1 else None for pair, kind in zip(offsets, kinds)],
            }
        )
    return rows


def collated(rows: list[dict], padding: int) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)
    batch = {
        key: torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in rows])
        for key, filler in (("input_ids", padding), ("token_type_ids", 0))
    }
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    batch["attention_mask"] = (torch.arange(width) < lengths.unsqueeze(1)).long()
    return batch | {key: torch.tensor([row[key] for row in rows]) for key in ("start_positions", "end_positions")}


@torch.no_grad()
def answers(model, rows: list[dict], questions: int, padding: int, longest: int) -> list[list[Span]]:
    """The best answer to each question."""
    model.eval()
    best: list[tuple[float, int, int]] = [(-np.inf, 0, 0)] * questions
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]["input_ids"]))
    for begin in range(0, len(order), 64):
        chosen = [rows[at] for at in order[begin : begin + 64]]
        output = model(**collated(chosen, padding))
        for row, starts, ends in zip(chosen, output.start_logits.numpy(), output.end_logits.numpy()):
            places = [place for place, pair in enumerate(row["offsets"]) if pair is not None]
            low, high = places[0], places[-1] + 1
            scores = starts[low:high, None] + ends[None, low:high]  # shape: (subwords, subwords)
            span = np.subtract.outer(np.arange(high - low), np.arange(high - low))
            scores[(span > 0) | (span <= -longest)] = -np.inf
            first, last = divmod(int(scores.argmax()), high - low)
            if scores[first, last] > best[row["owner"]][0]:
                ends_at = row["offsets"][low + last][1]
                best[row["owner"]] = (float(scores[first, last]), row["offsets"][low + first][0], ends_at)
    model.train()
    return [[Span(start, end, "answer")] if end else [] for _, start, end in best]


class Clock(TrainerCallback):
    """Seconds spent in training, and the metrics after each epoch."""

    def __init__(self, scored):
        self.scored, self.wall, self.cpu, self.epochs = scored, 0.0, 0.0, []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter(), time.process_time()

    def on_epoch_end(self, args, state, control, model=None, **kwargs):
        self.wall += time.perf_counter() - self.started[0]
        self.cpu += time.process_time() - self.started[1]
        row = {"epoch": state.epoch, "train_wall_seconds": self.wall, "train_cpu_seconds": self.cpu}
        self.epochs.append(row | self.scored(model))
        print(json.dumps(self.epochs[-1]), flush=True)


def run(given, corpus, seed: int) -> dict:
    """Train once; returns metrics per epoch, and F1 of each validation question of the last epoch as counts."""
    train, validation = corpus.splits["train"], corpus.splits["validation"]
    texts = [*dict.fromkeys(example.text for example in train), *(example.question for example in train)]
    options = {
        "num_hidden_layers": given.layers,
        "hidden_size": given.width,
        "num_attention_heads": 4,
        "intermediate_size": 2 * given.width,
        "min_count": 2,
    }
    config, tokenizer = scratch_encoder(texts, options)
    set_seed(seed)
    model = ElectraForQuestionAnswering(ElectraConfig(**{**config.to_dict(), "embedding_size": given.width}))
    rows, held = windows(tokenizer, train), windows(tokenizer, validation)
    padding = tokenizer.pad_token_id

    def predicted(trained) -> list[list[Span]]:
        return answers(trained, held, len(validation), padding, given.longest)

    clock = Clock(lambda trained: score_answers(validation, predicted(trained), "korquad"))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            learning_rate=given.learning_rate,
            num_train_epochs=given.epochs,
            warmup_steps=0.1,
            seed=seed,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=200,
            remove_unused_columns=False,
        )
        trainer = Trainer(
            model, arguments, train_dataset=rows, data_collator=lambda some: collated(some, padding), callbacks=[clock]
        )
        trainer.train()
    values = metrics_per_question(validation, predicted(model), "korquad")["f1"]
    counts = [[value, 1.0, 1.0] for value in values.tolist()]
    return {
        "trained_parameters": sum(each.numel() for each in model.parameters()),
        "windows": len(rows),
        "epochs": clock.epochs,
        "counts": counts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="KorQuAD 1.0 JSON")
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--longest", type=int, default=64, help="most subwords of an answer")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    disable_progress_bar()
    corpus = load_corpus("korquad", given.data, None)
    header = {
        "what": "a plain start/end head with the stock Trainer; metrics on the validation articles, each epoch",
        "recipe": {key: value for key, value in vars(given).items() if key not in ("data", "out", "seeds")},
        "questions": {split: len(examples) for split, examples in corpus.splits.items()},
    }
    run_study(given.out, header, given.seeds, lambda seed: run(given, corpus, seed))


if __name__ == "__main__":
    main()
