"""KLUE-NER against characters of pretraining and labelled sentences, with frozen and trained encoder.

    kospan train recipes/pretraining_ko.yaml --save_total_limit 100
    python studies/pretrained_encoders.py klue-ner.tsv docs/studies/pretrained_encoders \
        --encoders 10=outputs/ten_million 38=outputs/pretraining_ko --sizes 250 1000 3500 --seeds 42 43 44

An encoder is named by its characters of pretraining in millions. `scratch` is a character embedding with the same head;
with `--vectors` of `kospan vectors`, frozen encoders are also trained with vectors of character n-grams.
All variants train without R-Drop and multi-sample dropout, for as many epochs as EPOCHS gives for the number of
sentences. OUT/VARIANT.json holds the scores of every epoch, as `seeds.py` writes them; OUT/table.md the table and
OUT/curves.png the curves. Seeds that a file holds are not run again, so that a stopped study can be continued.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev

import torch
from seeds import one_seed, settings_of
from study import run_study

from kospan.data.text import write_text
from kospan.drawing import Canvas, draw_curve

RECIPES = Path(__file__).parent.parent / "recipes"
SETTINGS = {"rdrop_alpha": 0, "multi_sample_dropout": 1, "use_cpu": True}
EPOCHS = {250: 40, 1000: 16, 3500: 8}
SCRATCH, FROZEN, NGRAMS, TRAINED = "scratch", "frozen", "frozen-ngrams", "trained"
COLOURS = {FROZEN: "#0072b2", NGRAMS: "#009e73", TRAINED: "#d55e00"}
METRICS = {"klue_entity_f1": "entity F1", "klue_char_f1": "character F1", "f1": "strict F1"}
LAST = 3


def variants(
    encoders: dict[str, str], sizes: list[int], states: str | None = None, vectors: str | None = None
) -> dict[str, tuple[str, dict]]:
    """Return recipe and settings of each variant by name, `SIZE_scratch` or `SIZE_CHARACTERS_frozen`."""
    found, recipe = {}, "klue_ner_pretrained_bilstm_crf.yaml"
    for size in sizes:
        common = {**SETTINGS, "max_train_samples": size, "num_train_epochs": EPOCHS[size]}
        found[f"{size}_{SCRATCH}"] = "klue_ner_char_bilstm_crf.yaml", common
        for characters, folder in encoders.items():
            encoder = {**common, "encoder": folder}
            frozen = {"freeze_encoder": True, "subword_dropout": 0, "learning_rates": {"head": 2.0e-3}}
            if states:
                frozen["feature_cache_dir"] = states
            found[f"{size}_{characters}_{FROZEN}"] = recipe, {**encoder, **frozen}
            if vectors:
                found[f"{size}_{characters}_{NGRAMS}"] = recipe, {**encoder, **frozen, "ngram_vectors": vectors}
            found[f"{size}_{characters}_{TRAINED}"] = recipe, encoder
    return found


def results(folder: Path) -> dict[tuple[int, float, str], dict]:
    """Return epochs, CPU seconds and the mean of the last epochs per seed by size, millions of characters and mode."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        size, *characters, mode = path.stem.split("_")
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        scores = {key: [mean(epoch[key] for epoch in run["epochs"][-LAST:]) for run in runs] for key in METRICS}
        seconds = mean(run["epochs"][-1]["train_cpu_seconds"] for run in runs)
        found[int(size), float(*characters or "0"), mode] = {
            **scores,
            "epochs": len(runs[0]["epochs"]),
            "seconds": seconds,
        }
    return dict(sorted(found.items()))


def table(found: dict) -> str:
    """Return a Markdown table of the means over seeds."""
    lines = [
        "# KLUE-NER against pretraining and labelled sentences",
        "",
        f"Written by `studies/pretrained_encoders.py`. Means over the seeds of the mean of the last {LAST} epochs; of "
        "the entity F1 also the standard deviation over seeds; CPU seconds of training.",
        "",
        f"| sentences | characters (millions) | encoder | seeds | epochs | {' | '.join(METRICS.values())} | CPU s |",
        "|---:|---:|---|---:|---:|" + "---:|" * (len(METRICS) + 1),
    ]
    for (size, characters, mode), row in found.items():
        shown = [f"{mean(row[key]):.4f}" for key in METRICS]
        seeds = len(row["f1"])
        if seeds > 1:
            shown[0] += f" ± {stdev(row['klue_entity_f1']):.4f}"
        cells = (size, f"{characters:g}", mode, seeds, row["epochs"], *shown, f"{row['seconds']:.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", "![curves](curves.png)"]) + "\n"


def curves(found: dict) -> bytes:
    """Draw entity F1 against characters of pretraining, axes per number of sentences, a line per mode."""
    sizes = sorted({size for size, *_ in found})
    with Canvas(2.6 * len(sizes) + 0.6, 2.8, columns=len(sizes)) as canvas:
        for axes, size in zip(canvas.axes, sizes):
            scratch = found.get((size, 0.0, SCRATCH))
            if scratch:
                axes.axhline(mean(scratch["klue_entity_f1"]), color="0.5", linestyle=":", label=SCRATCH)
            for mode, colour in COLOURS.items():
                points = [
                    (characters, mean(row["klue_entity_f1"]))
                    for (other, characters, each), row in found.items()
                    if (other, each) == (size, mode)
                ]
                if points:
                    draw_curve(axes, points, mode, colour)
            axes.set_title(f"{size:,} sentences")
            axes.set_xlabel("characters of pretraining (millions)")
        canvas.axes[0].set_ylabel("entity F1")
        lines = {line.get_label(): line for axes in canvas.axes for line in axes.get_legend_handles_labels()[0]}
        canvas.axes[0].legend(list(lines.values()), list(lines), frameon=False)
    return canvas.png


def main(words: list[str] | None = None) -> None:
    """Run what is missing; write table and curves after each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="KLUE-NER; every eighth sentence, from the first, is the validation split")
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoders", nargs="*", default=[], metavar="MILLIONS=FOLDER")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="run these only")
    parser.add_argument("--vectors", help="vectors of character n-grams")
    parser.add_argument("--states", help="folder for the hidden states of frozen encoders")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    encoders = dict(each.split("=", 1) for each in arguments.encoders)
    known = variants(encoders, arguments.sizes, arguments.states, arguments.vectors)
    for name in arguments.variants or known:
        recipe, settings = known[name]
        path, flags = str(RECIPES / recipe), {**settings, "train_file": arguments.data}
        header = {"recipe": recipe, "settings": settings_of(path, flags)}
        out = str(arguments.out / f"{name}.json")
        run_study(out, header, arguments.seeds, lambda seed, path=path, flags=flags: one_seed(path, flags, seed))
        found = results(arguments.out)
        write_text(arguments.out / "table.md", table(found))
        (arguments.out / "curves.png").write_bytes(curves(found))


if __name__ == "__main__":
    main()
