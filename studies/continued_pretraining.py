"""Continued pretraining of an encoder on the training text of a task, and its effect on the task.

    python studies/continued_pretraining.py recipes/wnut17_minilm_linear.yaml docs/studies/continued_pretraining \
        --seeds 42 43 44 -- --train_file wnut17train.conll --validation_file emerging.dev.conll

The encoder of `continued_pretraining_minilm.yaml` is trained once, on all texts of the training split without labels
(`max_train_samples` limits the labelled sentences only); then the recipe is trained with both encoders. OUT/NAME_base.json
and OUT/NAME_continued.json hold the scores of every epoch, as `seeds.py` writes them; OUT/table.md the table of all
studies in the folder. Flags after `--` override the recipe's.
"""  # noqa: E501

import argparse
import json
import tempfile
from pathlib import Path
from statistics import mean, stdev

import torch
from seeds import one_seed, settings_of
from study import run_study

from kospan.data.corpus import read_examples
from kospan.data.text import write_text
from kospan.flags import parse_flags
from kospan.recipe import load_recipe
from kospan.run import build_trainer

PRETRAINING = Path(__file__).parent.parent / "recipes" / "continued_pretraining_minilm.yaml"
BASE, CONTINUED = "base", "continued"
METRIC = "f1"


def training_texts(path: str, flags: dict) -> list[str]:
    """Return the texts of the training split of a recipe, without labels."""
    recipe = load_recipe(path, flags)
    return [" ".join(example.text.split()) for example in read_examples(recipe.dataset, recipe.train_file)]


def pretrain(texts: list[str], folder: Path, epochs: float) -> dict[str, float]:
    """Train the encoder of PRETRAINING further on texts; return the validation metrics before and after.

    Args:
        texts: One line each.
        folder: Folder of the run; the encoder is saved in it as `encoder`.
        epochs: Number of epochs.
    """
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    sources = {"texts": {"path": str(folder / "texts.txt")}}
    flags = {"sources": sources, "num_train_epochs": epochs, "output_dir": str(folder / "run")}
    trainer = build_trainer(load_recipe(PRETRAINING, {**flags, "save_strategy": "no", "load_best_model_at_end": False}))
    before = trainer.evaluate()["eval_bits_per_character"]
    trainer.train()
    trainer.task.save(trainer.model, folder / "encoder")
    return {
        "texts": len(texts),
        "epochs": epochs,
        "bits_per_character": [before, trainer.evaluate()["eval_bits_per_character"]],
    }


def table(folder: Path) -> str:
    """Return a Markdown table of the scores after the last epoch."""
    lines = [
        "# Continued pretraining",
        "",
        "Written by `studies/continued_pretraining.py`. Strict F1 after the last epoch, mean and standard deviation "
        "over the seeds; bits per character of the masked words of held-out training texts, before (with a new head) "
        "and after.",
        "",
        "| recipe | labelled texts | seeds | encoder as it is | pretrained further | difference | texts | epochs of "
        "pretraining | bits per character |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for path in sorted(folder.glob(f"*_{CONTINUED}.json")):
        after, before = (
            json.loads(each.read_text(encoding="utf-8"))
            for each in (path, path.with_name(path.name.replace(CONTINUED, BASE)))
        )
        scores = [[run["epochs"][-1][METRIC] for run in study["runs"]] for study in (before, after)]
        shown = [f"{mean(each):.4f}" + (f" ± {stdev(each):.4f}" if len(each) > 1 else "") for each in scores]
        pretraining = after["pretraining"]
        cells = (
            after["recipe"].removesuffix(".yaml"),
            after["settings"].get("max_train_samples") or "all",
            ", ".join(str(run["seed"]) for run in after["runs"]),
            *shown,
            f"{100 * (mean(scores[1]) - mean(scores[0])):+.2f} points",
            pretraining["texts"],
            pretraining["epochs"],
            " to ".join(f"{each:.2f}" for each in pretraining["bits_per_character"]),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> None:
    """Pretrain, then train the recipe with both encoders and all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--epochs", type=float, default=10, help="epochs of pretraining")
    arguments, rest = parser.parse_known_args(words)
    _, flags = parse_flags([word for word in rest if word != "--"])
    torch.set_num_threads(1)
    name = Path(arguments.recipe).stem
    header = {"recipe": Path(arguments.recipe).name}
    settings = settings_of(arguments.recipe, flags)

    def run(out: str, header: dict, flags: dict) -> None:
        path = str(arguments.out / f"{name}_{out}.json")
        run_study(path, header, arguments.seeds, lambda seed: one_seed(arguments.recipe, flags, seed))

    run(BASE, {**header, "settings": settings}, flags)
    with tempfile.TemporaryDirectory() as folder:
        texts = training_texts(arguments.recipe, flags)
        pretraining = pretrain(texts, Path(folder), arguments.epochs)
        encoder = str(Path(folder) / "encoder")
        pretrained = {**settings, "encoder": "encoder"}
        run(CONTINUED, {**header, "settings": pretrained, "pretraining": pretraining}, {**flags, "encoder": encoder})
    write_text(arguments.out / "table.md", table(arguments.out))


if __name__ == "__main__":
    main()
