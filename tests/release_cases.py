"""A folder as a run leaves it, for the tests of publishing; made in a moment."""

import json
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
    folder = Path(folder)
    model.save_pretrained(folder)
    found = model.extract(texts)
    assert any(found), "a model that finds nothing would prove nothing"
    lines = [record(Example(f"v-{at}", text, None), spans=spans) for at, (text, spans) in enumerate(zip(texts, found))]
    (folder / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    (folder / "eval_results.json").write_text('{"eval_f1": 0.5}\n', encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "notes.txt").write_text("for myself\n", encoding="utf-8")
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "checkpoint-4").mkdir()
    (folder / "checkpoint-4" / "optimizer.pt").write_bytes(b"pickled")
    return folder
