"""Scores, training record and card of a pretrained encoder."""

import json
from collections import Counter
from pathlib import Path

import torch
from huggingface_hub import ModelCard, ModelCardData
from transformers import AutoConfig

from kospan.card.card import template_environment, unwrapped
from kospan.card.training_record import encoder_on_hub
from kospan.card.values import changed_settings, learning_curve
from kospan.data.text import write_text
from kospan.training.record import NAME, training_record
from kospan.training.run_folder import public_recipe

FOLDER = Path(__file__).parent


def write_results(trainer, folder: Path) -> dict[str, float]:
    """Score a saved model in float32, write `eval_results.json`, `training_record.json` and the card.

    Args:
        trainer: The trainer, with its task and recipe.
        folder: The folder of the model.

    Returns: The scores, with the prefix `eval_`.
    """
    task = trainer.task
    model = task.load(folder).to(trainer.args.device).eval()
    with torch.no_grad():
        sums = [(float(loss) * int(count), int(count)) for loss, count in trainer.validation_loss.batches(model)]
    loss = sum(total for total, _ in sums) / sum(count for _, count in sums)
    scores = {f"eval_{name}": value for name, value in task.loss_metrics(loss).items()}
    write_text(folder / "eval_results.json", json.dumps(scores, indent=2) + "\n")
    record = record_of(trainer)
    write_text(folder / NAME, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_card(folder)
    print("  ".join(f"{name.removeprefix('eval_').replace('_', ' ')} {value:.4f}" for name, value in scores.items()))
    return scores


def record_of(trainer) -> dict:
    """Return the record of a pretraining: the training, the texts and the masks of the evaluation."""
    task, corpus = trainer.task, trainer.task.corpus
    evaluation = task.evaluation
    letters = Counter("가" <= each <= "힣" for text in corpus.splits["validation"] for each in text if each.isalpha())
    return {
        "training": training_record(trainer, len(corpus.splits["train"]), task.windowed),
        "names": {"encoder": encoder_on_hub(trainer.recipe.encoder)},
        "sources": [
            {
                "name": source.name,
                "hub": source.path.removeprefix("hub:") if source.on_hub else None,
                "licence": source.licence,
                "repeats": source.repeats,
                "texts": corpus.counts[source.name][0],
                "characters": corpus.counts[source.name][1],
            }
            for source in corpus.sources
        ],
        "positions": int(task.trained_positions * (trainer.state.epoch or 0)),
        "evaluation": {
            "documents": len(corpus.splits["validation"]),
            "subwords": evaluation.subwords,
            "characters": evaluation.characters,
            "unknown": evaluation.unknown,
            "hangul": letters[True] / max(1, letters.total()),
        },
        "new_head": task.new_head,
        "vocabulary": len(task.tokenizer),
    }


def write_card(folder: Path) -> None:
    """Write README.md of a pretrained encoder from the files of its folder."""
    record, recipe = json.loads((folder / NAME).read_text(encoding="utf-8")), public_recipe(folder / "recipe.yaml")
    # Not the file: types such as DistilBERT name their sizes otherwise.
    config = AutoConfig.from_pretrained(folder)
    results = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    language = "ko" if record["evaluation"]["hangul"] > 0.5 else None
    licences = sorted({source["licence"] for source in record["sources"] if source["licence"]})
    unstated = [source["name"] for source in record["sources"] if not source["licence"]]
    context = {
        **record,
        "title": folder.resolve().name,
        "config": config,
        "recipe": recipe,
        "results": {name.removeprefix("eval_"): value for name, value in results.items()},
        "language": language,
        "unstated": unstated,
        "curve": learning_curve(record["training"]),
        "changed_settings": changed_settings(recipe),
    }
    text = unwrapped(template_environment(FOLDER).get_template("card.en.md.jinja").render(context))
    # Metadata name data sets without their configurations.
    hub = list(dict.fromkeys(source["hub"].partition(":")[0] for source in record["sources"] if source["hub"]))
    data = ModelCardData(
        language=language,
        license=None if unstated else licences[0] if len(licences) == 1 else licences,
        library_name="transformers",
        pipeline_tag="fill-mask",
        base_model=record["names"]["encoder"],
        datasets=hub or None,
        tags=["kospan", "pretraining", "masked-lm"],
    )
    write_text(folder / "README.md", str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n")))
