"""Tiny training runs for the equivalence tests; also started as two processes by torchrun."""

import sys
import tempfile
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments

from kospan.training.lora import Lora, adapt_encoder
from kospan.training.trainer import KospanTrainer

SENTENCES = 16


def features(seed: int = 0) -> list[dict]:
    """Sixteen windows of different lengths with plausible tags."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for at in range(SENTENCES):
        units = 3 + (at * 5) % 9
        ids = torch.randint(6, 20, (units,), generator=generator).tolist()
        labels = torch.randint(0, 7, (units,), generator=generator).tolist()
        rows.append(
            {
                "input_ids": [2, *ids, 3],
                "unit_positions": list(range(1, units + 1)),
                "unit_places": [0] * units,
                "labels": labels,
                "begins": True,
                "ends": True,
            }
        )
    return rows


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Collate as the token classification task does, with padding id 0."""
    fillers = {"input_ids": 0, "unit_positions": -100, "unit_places": -100, "labels": -100}
    batch = {}
    for key, filler in fillers.items():
        width = max(len(row[key]) for row in rows)
        batch[key] = torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in rows])
    batch["attention_mask"] = (batch["input_ids"] != 0).long()
    batch["begins"] = torch.tensor([row["begins"] for row in rows])
    batch["ends"] = torch.tensor([row["ends"] for row in rows])
    return batch


def arguments(folder: str, batch: int = 4, accumulation: int = 1, **settings) -> TrainingArguments:
    """Settings under which order and noise play no part, unless a case asks for them."""
    defaults = {
        "max_steps": 4,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "report_to": "none",
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "optim": "sgd",
        "seed": 7,
    }
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        **{**defaults, **settings},
    )


def push_copies_apart(head, arguments, output):
    """Forward hook of a head: R-Drop's divergence is far from zero even without dropout."""
    half = output.emissions.shape[0] // 2
    shift = torch.linspace(-1, 1, output.emissions.shape[-1])
    return output._replace(emissions=torch.cat([output.emissions[:half], output.emissions[half:] + shift]))


def trainer(model, folder: str, techniques: dict | None = None, stock: bool = False, rows=None, **settings):
    """A KospanTrainer (or the stock one) over the sixteen windows; `lora` gives adapters, `lora_seed` draws them."""
    techniques = dict(techniques or {})
    seed = techniques.pop("lora_seed", 1)
    if "lora" in techniques:
        torch.manual_seed(seed)
        adapt_encoder(model, Lora(**techniques.pop("lora")))
    if "rdrop" in techniques:
        model.head.register_forward_hook(push_copies_apart)
        techniques |= {"rdrop_alpha": 5.0, "rdrop_level": techniques.pop("rdrop")}
    cls = Trainer if stock else KospanTrainer
    return cls(
        model=model,
        args=arguments(folder, **settings),
        train_dataset=features() if rows is None else rows,
        data_collator=collate,
        **techniques,
    )


def weights(model) -> dict[str, torch.Tensor]:
    """A copy of every weight."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


CASES = {
    "plain": {},
    "rdrop token": {"rdrop": "token"},
    "rdrop marginal": {"rdrop": "marginal"},
    "rdrop sequence": {"rdrop": "sequence"},
    "fgm": {"fgm_epsilon": 0.5},
    "fgm and rdrop": {"fgm_epsilon": 0.5, "rdrop": "token"},
    "fgm and rdrop on both": {"fgm_epsilon": 0.5, "rdrop": "token", "rdrop_on": "both"},
    "lora": {"lora": {"rank": 2, "alpha": 32, "dropout": 0.0}},
    "lora plus": {"lora": {"rank": 2, "alpha": 32, "dropout": 0.0}, "learning_rates": {"lora_B": "16x"}},
    "lora plus, fgm and rdrop": {
        "lora": {"rank": 2, "alpha": 32, "dropout": 0.0},
        "learning_rates": {"lora_B": "16x"},
        "fgm_epsilon": 0.5,
        "rdrop": "token",
    },
    "rates": {"learning_rates": {"encoder": 3e-3, "head": 1e-2, "crf": "2x"}},
}


def main(model_folder: str, output: str, batch: int, accumulation: int) -> None:
    """Trains every case from one saved model and stores the weights; what each of two processes runs."""
    from transformers import AutoModel

    from kospan import modeling  # noqa: F401

    found = {}
    for name, techniques in CASES.items():
        model = AutoModel.from_pretrained(model_folder)
        with tempfile.TemporaryDirectory() as folder:
            run = trainer(model, folder, techniques, batch=batch, accumulation=accumulation)
            run.train()
            found[name] = weights(model)
            world = run.args.world_size
    found["world"] = world
    if run.is_world_process_zero():
        torch.save(found, Path(output))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
