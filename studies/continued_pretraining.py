"""Continued pretraining of an encoder on the training text of a task, and its effect on the task.

    python studies/continued_pretraining.py recipes/wnut17_minilm_linear.yaml docs/studies/continued_pretraining \
        --encoder outputs/continued --seeds 42 43 44 -- \
        --train_file wnut17train.conll --validation_file emerging.dev.conll

The encoder of `continued_pretraining_minilm.yaml` is trained once, on all texts of the training split without labels
(`max_train_samples` limits the labelled sentences only), and saved in the folder of `--encoder`; a folder with an
encoder is used as it is. Then the recipe is trained with both encoders, seed by seed. OUT/NAME_base.json and
OUT/NAME_continued.json hold the scores of every epoch, as `seeds.py` writes them; OUT.md has the table of all studies
in the folder. Flags after `--` override the recipe's; without a GPU, `--use_cpu true` belongs to them.
"""

import argparse
import json
from functools import partial
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
    """Train the encoder of PRETRAINING further on texts, and save it in a folder.

    Args:
        texts: One line each.
        folder: For the encoder; `pretraining.json` in it holds the result. A folder that has one is not changed.
        epochs: Number of epochs.

    Returns:
        Numbers of texts and epochs, and the bits per character before and after.
    """
    record = folder / "pretraining.json"
    if not record.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        flags = {"sources": {"texts": {"path": str(folder / "texts.txt")}}, "num_train_epochs": epochs}
        flags |= {"output_dir": str(folder / "run"), "save_strategy": "no", "load_best_model_at_end": False}
        trainer = build_trainer(load_recipe(PRETRAINING, flags))
        bits = [trainer.evaluate()["eval_bits_per_character"]]
        trainer.train()
        bits.append(trainer.evaluate()["eval_bits_per_character"])
        trainer.task.save(trainer.model, folder)
        found = {"texts": len(texts), "epochs": epochs, "steps": trainer.state.global_step, "bits_per_character": bits}
        write_text(record, json.dumps(found) + "\n")
    return json.loads(record.read_text(encoding="utf-8"))


def table(folder: Path) -> str:
    """Return a Markdown table of the scores after the last epoch."""
    lines = [
        "# Continued pretraining",
        "",
        "Written by `studies/continued_pretraining.py`. Strict F1 after the last epoch, mean and standard deviation "
        "over the seeds that both encoders were trained with; bits per character of the masked words of held-out texts "
        "of the training set, before (with a new head) and after. One thread of a 2-core x86-64 virtual machine.",
        "",
        "| recipe | labelled texts | epochs | seeds | encoder as it is | pretrained further | difference | texts of "
        "pretraining | epochs (steps) | bits per character |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for path in sorted(folder.glob(f"*_{CONTINUED}.json")):
        after, before = (
            json.loads(each.read_text(encoding="utf-8"))
            for each in (path, path.with_name(path.name.replace(CONTINUED, BASE)))
        )
        runs = [{run["seed"]: run["epochs"] for run in study["runs"]} for study in (before, after)]
        seeds = sorted(runs[0].keys() & runs[1].keys())
        scores = [[epochs[seed][-1][METRIC] for seed in seeds] for epochs in runs]
        shown = [f"{mean(each):.4f}" + (f" ± {stdev(each):.4f}" if len(each) > 1 else "") for each in scores]
        pretraining = after["pretraining"]
        cells = (
            after["recipe"].removesuffix(".yaml"),
            f"{limit:g}" if (limit := after["settings"].get("max_train_samples")) else "all",
            len(runs[1][seeds[0]]),
            ", ".join(map(str, seeds)),
            *shown,
            f"{100 * (mean(scores[1]) - mean(scores[0])):+.2f} points",
            pretraining["texts"],
            f"{pretraining['epochs']:g} ({pretraining['steps']})",
            " to ".join(f"{each:.2f}" for each in pretraining["bits_per_character"]),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> None:
    """Pretrain, then train the recipe with both encoders and all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder that is pretrained further")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--epochs", type=float, default=10, help="epochs of pretraining")
    arguments, rest = parser.parse_known_args(words)
    _, flags = parse_flags([word for word in rest if word != "--"])
    torch.set_num_threads(1)
    recipe, name = arguments.recipe, Path(arguments.recipe).stem
    base = {"recipe": Path(recipe).name, "settings": settings_of(recipe, flags)}
    pretraining = pretrain(training_texts(recipe, flags), arguments.encoder, arguments.epochs)
    continued = {**base, "settings": {**base["settings"], "encoder": "continued"}, "pretraining": pretraining}
    for seed in arguments.seeds:
        for kind, header, more in ((BASE, base, {}), (CONTINUED, continued, {"encoder": str(arguments.encoder)})):
            path = str(arguments.out / f"{name}_{kind}.json")
            run_study(path, header, [seed], partial(one_seed, recipe, {**flags, **more}))
        write_text(arguments.out.with_suffix(".md"), table(arguments.out))


if __name__ == "__main__":
    main()
