"""LoRA+ on a tiny causal LM that learns to write spans; also started as two processes by torchrun."""

import sys
import tempfile
from pathlib import Path

import torch
import training_cases as cases
from generative_cases import TOKENIZERS, tiny_lm

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.spans import Span
from kospan.tasks.generative_ner.spec import SPEC  # noqa: F401  (gives the task its spec)
from kospan.tasks.generative_ner.task import GenerativeNERTask
from kospan.training.lora import Lora, adapt_causal_lm
from kospan.training.trainer import KospanTrainer

NAMES = {"이재용": "PS", "김연아": "PS", "서울": "LC", "부산": "LC"}
TEXTS = ("이재용은 서울에 갔다.", "김연아가 부산 사직에 있다.", "비가 온다.", "서울은 넓다.", "이재용", "부산 김연아")


def examples(count: int = 16) -> list[Example]:
    """Texts whose replies have different lengths."""
    texts = [f"{TEXTS[at % len(TEXTS)]} {at}" for at in range(count)]
    return [Example(f"text-{at}", text, spans_in(text)) for at, text in enumerate(texts)]


def spans_in(text: str) -> tuple[Span, ...]:
    """The names in a text, by their first places."""
    found = [Span(text.find(name), text.find(name) + len(name), label) for name, label in NAMES.items() if name in text]
    return tuple(sorted(found))


def trainer(folder: str, seed: int = 1, dropout: float = 0.0, **settings) -> KospanTrainer:
    """A trainer over the sixteen texts; `seed` draws the adapters, the base model is always the same."""
    tokenizer = TOKENIZERS["characters"]()
    base = tiny_lm(tokenizer, factor=4.0)
    torch.manual_seed(seed)
    model = adapt_causal_lm(base, Lora(2, 8.0, dropout))
    writer = KospanGenerativeNER(
        model, tokenizer, KospanGenerativeNERConfig(["LC", "PS"], instruction="", max_new_tokens=40)
    )
    data = examples()
    task = GenerativeNERTask(Corpus(("LC", "PS"), {"train": data, "validation": data[:2]}, 0), writer)
    return KospanTrainer(
        model=model,
        args=cases.arguments(folder, **{"learning_rate": 0.1, **settings}),
        train_dataset=task.train_features(data),
        data_collator=task.collate,
        learning_rates={"lora_B": "16x"},
    )


def trained(folder: str, **settings) -> dict:
    """`weights` of the adapters after training, the `losses` that were logged, and how many processes there were."""
    run = trainer(folder, **settings)
    run.train()
    weights = {name: value for name, value in cases.weights(run.model).items() if ".lora_" in name}
    losses = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
    return {"weights": weights, "losses": losses, "world": run.args.world_size, "first": run.is_world_process_zero()}


def main(output: str, batch: int, accumulation: int) -> None:
    """Training in each of two processes."""
    with tempfile.TemporaryDirectory() as folder:
        found = trained(folder, batch=batch, accumulation=accumulation)
    if found.pop("first"):
        torch.save(found, Path(output))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
