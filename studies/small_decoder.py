"""A decoder of a few million parameters, pretrained on the sets' texts, then trained to write entities out.

    python studies/small_decoder.py --data FOLDER --work WORK [--language ko] [--out FILE]

FOLDER holds the sets as their sources hand them out, see studies/check_data.py. Three steps, each skipped where WORK
holds its result: the decoder reads the training texts (without labels) and exercises in copying words out of them; all
its weights are trained on all labelled sentences; what it has learnt is read with constrained and with free decoding,
in turn in one process, for strict F1, the share of exact replies, and CPU time.
"""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from small_decoder_model import SIZES, small_llama, write_copying
from small_decoder_text import TEXTS, byte_level_tokenizer, rows, texts
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from kospan.data.corpus import read_examples
from kospan.data.jsonl import write_jsonl
from kospan.data.text import write_text
from kospan.modeling import KospanGenerativeNER
from kospan.modeling.code_files import follow_umask
from kospan.recipe import load_recipe
from kospan.task import NotedSpans
from kospan.tasks.generative_ner.task import GenerativeNERTask

VOCABULARY, POSITIONS = 4000, 512
ROW, BATCH, PASSES, RATE, SEED = 256, 8, 2, 2e-3, 42
THRESHOLDS = [at / 20 for at in range(15)]
# The labelled set of each language: its name, what is trained on, what is scored, and the unit.
LABELLED = {
    "en": ("conll2003", "conll2003/eng.train.gz", "conll2003/eng.testa"),
    "ko": ("klue_ner", "klue-ner/klue-ner-v1.1_dev_minus_holdout.tsv", None),
}
GATE = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--language", choices=sorted(TEXTS), default="en")
    parser.add_argument("--passes", type=int, default=PASSES, help="how often each text is read")
    parser.add_argument("--epochs", type=int, default=3, help="of training on labelled sentences")
    parser.add_argument("--sentences", type=int, default=1000, help="that are read for time and F1, and as many before")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    decoder, trained = arguments.work / "decoder", arguments.work / "trained"
    if not (decoder / "config.json").is_file():
        pretrain(arguments, decoder)
    files = labelled(arguments)
    if not (trained / "eval_results.json").is_file():
        fine_tune(arguments, files, decoder, trained)
    text = page(arguments, decoder, trained, read(trained, files[0], files[2], arguments.sentences))
    print(text)
    if arguments.out:
        write_text(arguments.out, text)


def pretrain(arguments, folder: Path) -> None:
    """Trains the decoder on next subwords, from the last checkpoint where there is one, and saves it with its tokenizer
    and `pretraining.json`."""
    lines = texts(arguments.language, arguments.data)
    held_out, lines = lines[::50], [line for at, line in enumerate(lines) if at % 50]
    tokenizer = byte_level_tokenizer(lines, VOCABULARY, POSITIONS)
    torch.manual_seed(SEED)
    model = small_llama(len(tokenizer), POSITIONS, tokenizer.eos_token_id)
    write_copying(model)
    started = time.process_time()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            warmup_steps=0.03,
            adam_beta2=0.98,
            weight_decay=0.05,
            max_grad_norm=1.0,
            save_steps=200,
            save_total_limit=1,
            logging_steps=50,
            seed=SEED,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=items(rows(lines, tokenizer, ROW, arguments.passes, SEED)),
        eval_dataset=items(rows(held_out, tokenizer, ROW, 1, SEED)),
        data_collator=lambda items: {key: torch.tensor([item[key] for item in items]) for key in items[0]},
    )
    begun = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    trainer.train(resume_from_checkpoint=begun)
    costs = {
        "lines": len(lines),
        "parameters": model.num_parameters(),
        "steps": trainer.state.global_step,
        "positions": trainer.state.global_step * BATCH * ROW,
        "held_out_loss": trainer.evaluate()["eval_loss"],
        # Of a training that went on from a checkpoint only the rest has been timed.
        "cpu_seconds": None if begun else time.process_time() - started,
        "threads": arguments.threads,
    }
    write_text(folder / "pretraining.json", json.dumps(costs, indent=1) + "\n")
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    follow_umask(folder)


def items(rows: Iterable[list[int]]) -> list[dict[str, list[int]]]:
    """Rows as a Trainer takes them."""
    return [{"input_ids": row, "labels": row} for row in rows]


def labelled(arguments) -> tuple[str, str, str]:
    """Name of the labelled set, file to train on and file to score; a set without a second file is cut by place."""
    name, train, validation = LABELLED[arguments.language]
    if validation:
        return name, str(arguments.data / train), str(arguments.data / validation)
    examples = read_examples(name, str(arguments.data / train))
    parts = [arguments.work / "train.jsonl", arguments.work / "validation.jsonl"]
    for part, kept in zip(parts, (lambda at: at % 8, lambda at: not at % 8)):
        write_jsonl(part, [each for at, each in enumerate(examples) if kept(at)])
    return "jsonl", *map(str, parts)


def fine_tune(arguments, files: tuple[str, str, str], decoder: Path, folder: Path) -> None:
    """All weights on all labelled sentences."""
    dataset, train, validation = files
    flags = {
        "task": "generative-ner",
        "dataset": dataset,
        "train_file": train,
        "validation_file": validation,
        "encoder": str(decoder),
        "instruction": "",
        "learning_rate": "1e-3",
        "warmup_steps": "0.05",
        "max_grad_norm": "1.0",
        "num_train_epochs": str(arguments.epochs),
        "per_device_train_batch_size": "16",
        "eval_strategy": "no",
        "save_strategy": "epoch",
        "load_best_model_at_end": "false",
        "validation_loss": "false",
        "seed": str(SEED),
        "use_cpu": "true",
        "resume_from_checkpoint": str(get_last_checkpoint(str(folder)) is not None).lower()
        if folder.is_dir()
        else "false",
        "output_dir": str(folder),
    }
    train(load_recipe(None, flags))


def read(folder: Path, dataset: str, validation: str, sentences: int) -> dict[str, dict[str, float]]:
    """Scores of the second `sentences`, with constrained and with free decoding, and constrained with the least score
    that was best on the first `sentences`."""
    model = KospanGenerativeNER.from_pretrained(folder, dtype=torch.float32)
    task = GenerativeNERTask.over(model, dataset)
    examples = read_examples(dataset, validation)[: 2 * sentences]
    chosen_on, examples = examples[:sentences], examples[sentences:]
    before = task.predict(chosen_on, model=model)
    least = max(THRESHOLDS, key=lambda least: task.metrics(chosen_on, surer(before, least))["f1"])
    found = {}
    for name, constrained in (("constrained", True), ("free", False)):
        model.config.constrained_decoding = constrained
        started = time.process_time()
        predicted = task.predict(examples, model=model)
        seconds = time.process_time() - started
        found[name] = task.metrics(examples, predicted) | {"seconds": seconds, "sentences": len(examples)}
        if constrained:
            kept = task.metrics(examples, surer(predicted, least))
            found[f"constrained, scores from {least}"] = kept | {"seconds": seconds}
    return found


def surer(predicted: list[NotedSpans], least: float) -> list[NotedSpans]:
    """Items with this score or a higher one."""
    return [NotedSpans([span for span in each if span.score >= least], each.notes) for each in predicted]


def page(arguments, decoder: Path, trained: Path, found: dict[str, dict[str, float]]) -> str:
    """The results as Markdown."""
    before = json.loads((decoder / "pretraining.json").read_text(encoding="utf-8"))
    whole = json.loads((trained / "eval_results.json").read_text(encoding="utf-8"))
    reached = "reached" if whole["eval_f1"] >= GATE else "missed"
    sets = ", ".join(f"`{name}`" for name, _ in TEXTS[arguments.language])
    lines = [
        f"# A small decoder ({arguments.language})",
        "",
        f"`python studies/small_decoder.py --data DATA --work WORK --language {arguments.language}`: a Llama of "
        f"{before['parameters']:,} parameters ({SIZES['num_hidden_layers']} layers, {SIZES['hidden_size']} wide, "
        f"{VOCABULARY:,} byte-level subwords), seed {SEED}, float32, on a 2-core x86-64 virtual machine. It begins "
        "with heads that copy (studies/small_decoder_model.py).",
        "",
        f"Pretrained on {before['lines']:,} texts of {sets} (training parts, no labels), {arguments.passes} passes, "
        f"half of them as exercises in copying: {before['steps']:,} steps, {before['positions']:,} positions, "
        f"{before['held_out_loss']:.3f} nats a subword on held-out texts, {time_taken(before)}.",
        "",
        f"All weights trained for {arguments.epochs} epochs on all labelled training sentences of "
        f"`{LABELLED[arguments.language][0]}`; on all validation sentences, constrained: strict F1 "
        f"{whole['eval_f1']:.4f}, exact replies {whole['eval_exact_reply']:.4f}. Asked for {GATE}: {reached}.",
        "",
        f"The second {found['free']['sentences']:,} validation sentences, read both ways with the same weights, "
        "batches of 32; the least score is the one with the best F1 on the sentences before them:",
        "",
        "| decoding | strict F1 | precision | recall | exact replies | not parsed | dropped | unmatched | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, metrics in found.items():
        shares = [f"{metrics[key]:.4f}" for key in ("f1", "precision", "recall", "exact_reply", "unparsed")]
        counts = [f"{metrics[key]:.0f}" for key in ("dropped", "unmatched")]
        lines.append(f"| {name} | {' | '.join([*shares, *counts])} | {metrics['seconds']:.1f} |")
    ratio = found["constrained"]["seconds"] / found["free"]["seconds"]
    lines += ["", f"Constrained decoding takes {ratio:.2f} times the CPU time of free decoding."]
    return "\n".join(lines) + "\n"


def time_taken(before: dict) -> str:
    """Cost of pretraining."""
    seconds, threads = before["cpu_seconds"], before["threads"]
    return f"{seconds:,.0f} CPU seconds, threads: {threads}" if seconds else "not timed, since it was resumed"


if __name__ == "__main__":
    main()
