"""A few labelled texts to write out, and recipes over them."""

from pathlib import Path

from generative_cases import TEXTS

from kospan.data.corpus import Corpus
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import Recipe, load_recipe

TINY = {
    "task": "generative-ner",
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    "instruction": "",
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.01,
    "use_cpu": True,
    "overwrite_output_dir": True,
}
NAMES = {"이재용": "PS", "김연아": "PS", "서울": "LC", "부산 사직": "LC"}


def labelled(at: int, text: str) -> Example:
    spans = [Span(text.find(name), text.find(name) + len(name), label) for name, label in NAMES.items() if name in text]
    return Example(f"text-{at}", text, tuple(sorted(spans)))


def corpus(long: int = 0) -> Corpus:
    texts = ["이재용은 서울에 갔다.", "김연아가 부산 사직에 있다.", "비가 온다.", "서울은 넓다 [3:15].", *TEXTS[:2]]
    texts += ["이재용이 " + "말했다 " * long] if long else []
    examples = [labelled(at, text) for at, text in enumerate(texts)]
    return Corpus(("LC", "PS"), {"train": examples, "validation": examples[:4]}, 0)


def recipe_over(folder: Path, **flags) -> Recipe:
    """A recipe over these texts in files."""
    for split in ("train", "validation"):
        write_jsonl(folder / f"{split}.jsonl", corpus().splits[split])
    files = {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}
    return load_recipe(None, {**TINY, **files, "output_dir": str(folder / "out"), **flags})
