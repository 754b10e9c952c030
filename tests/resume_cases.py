"""Tiny runs of every task with checkpoints, for tests of resuming."""

import json
from pathlib import Path

from label_cases import labelled
from question_cases import questions

from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe

NAMES, PLACES = ("한지우", "이도윤", "박서준"), ("부산", "대구", "광주")
ENCODER = {
    "num_hidden_layers": 0,
    "hidden_size": 16,
    "embedding_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
DECODER = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
RUN = {
    "dataset": "jsonl",
    "encoder_options": ENCODER,
    "max_length": 64,
    "stride": 8,
    "per_device_train_batch_size": 4,
    "num_train_epochs": 2,
    "learning_rate": 1e-2,
    "use_cpu": True,
}


def people(count: int, first: str = "PS", second: str = "LC") -> list[Example]:
    """Sentences with a name and a place, under the labels given."""
    found = []
    for at in range(count):
        text = f"{NAMES[at % 3]} 씨가 {PLACES[at // 3 % 3]}에 왔다." + " 비가 온다." * (at % 3)
        found.append(Example(f"text-{at}", text, (Span(0, 3, first), Span(7, 9, second))))
    return found


def data_of(task: str, count: int = 12) -> list[Example]:
    """Examples that the task of this name is trained on."""
    if task == "question-answering":
        return questions(count)
    if task.startswith("text-classification"):
        return labelled(count, values=task.endswith("values"), pairs=task.endswith("pairs"))
    return people(count)


TASKS = {
    "token-classification": {},
    "question-answering": {"max_answer_length": 6},
    "text-classification": {"metric_for_best_model": "macro_f1"},
    "text-classification pairs": {"metric_for_best_model": "macro_f1"},
    "text-classification values": {"metric_for_best_model": "pearson", "problem_type": "regression"},
    "generative-ner": {"encoder_options": DECODER, "max_length": None, "stride": None, "max_new_tokens": 20},
}


def recipe_of(task: str, folder: Path, examples: list[Example] | None = None, **settings):
    """A recipe of a tiny run of a task, its data in `folder`, its output in `folder/out`."""
    data = data_of(task) if examples is None else examples
    folder.mkdir(parents=True, exist_ok=True)
    for split, part in (("train", data[:-3]), ("validation", data[-3:])):
        write_jsonl(folder / f"{split}.jsonl", part)
    files = {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}
    flags = {**RUN, **files, "task": task.split()[0], "output_dir": str(folder / "out"), **TASKS[task], **settings}
    return load_recipe(None, {key: value for key, value in flags.items() if value is not None})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def newest_state(folder: Path) -> dict:
    """Trainer state of the newest checkpoint of a run."""
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))
