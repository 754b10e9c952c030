"""A folder as a run leaves it, for the tests of publishing; made in a moment."""

import json
import subprocess
import sys
from pathlib import Path

from kospan.data.jsonl import record
from kospan.example import Example

RECIPE = """\
name: tiny
dataset: jsonl
train_file: /home/kim/secret-project/train.jsonl
validation_file: ../private/validation.jsonl
encoder: monologg/koelectra-base-v3-discriminator
encoder_options: {path: 'C:\\Users\\kim\\vocab.txt'}
learning_rate: 5.0e-05
output_dir: outputs/tiny
push_to_hub: true
hub_model_id: mina/tiny
hub_strategy: every_save
"""


def save_run(model, folder: str | Path, texts: list[str]) -> Path:
    """Writes a model, its predictions, figures and recipe, and what else lies about after a run."""
    examples = [Example(f"v-{at}", text, None) for at, text in enumerate(texts)]
    return save_found(model, Path(folder), examples, model.extract(texts), {"eval_f1": 0.5})


def save_reader_run(model, folder: str | Path, asked: list[tuple[str, str]]) -> Path:
    """The same of a reader that is asked pairs of question and text."""
    examples = [Example(f"v-{at}", text, None, question) for at, (question, text) in enumerate(asked)]
    found = [[span for span in model.answer(*each) if span.end] for each in asked]
    return save_found(model, Path(folder), examples, found, {"eval_exact_match": 0.25, "eval_f1": 0.5})


def save_found(model, folder: Path, examples: list[Example], found: list, results: dict[str, float]) -> Path:
    """Writes what lies about after a run."""
    assert any(found), "a model that finds nothing would prove nothing"
    model.save_pretrained(folder)
    lines = [record(example, spans=spans) for example, spans in zip(examples, found)]
    (folder / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    (folder / "eval_results.json").write_text(json.dumps(results) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "notes.txt").write_text("for myself\n", encoding="utf-8")
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "checkpoint-4").mkdir()
    (folder / "checkpoint-4" / "optimizer.pt").write_bytes(b"pickled")
    return folder


def command(words: list, environment: dict, cwd: Path, python: str = sys.executable) -> subprocess.CompletedProcess:
    """A process of its own, with nobody at the keyboard."""
    return subprocess.run(
        [python, *map(str, words)],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
