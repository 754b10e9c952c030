"""KorSTS from pretrained encoders and from scratch: Spearman's rank correlation on the development set.

    kospan train recipes/pretraining_ko.yaml
    python studies/korsts.py docs/studies/korsts --encoders 38=outputs/pretraining_ko --seeds 42 43 44 -- \
        --train_file sts-train.tsv --validation_file sts-dev.tsv

An encoder is named by its characters of pretraining in millions. OUT/scratch.json and OUT/MILLIONS.json hold the scores
of every epoch, as `seeds.py` writes them, OUT/overlap.json that of the common characters; OUT.md is the page. Seeds
that a file holds are not run again, so that a stopped study can be continued; without seeds only the page is written.
Flags after `--` override both recipes'.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from seeds import one_seed, settings_of
from study import run_study

from kospan.data.corpus import read_examples
from kospan.data.text import write_text
from kospan.flags import parse_flags
from kospan.recipe import load_recipe
from kospan.tasks.text_classification.metrics import spearman

RECIPES = Path(__file__).parent.parent / "recipes"
SCRATCH, OVERLAP = "scratch", "overlap.json"
HAM = "[Ham et al. 2020](https://arxiv.org/abs/2004.03289)"
KOELECTRA = "[KoELECTRA](https://github.com/monologg/KoELECTRA), README at commit 024fbdd"
# Model, parameters, Spearman's correlation x 100 on the development and on the test set, source.
PUBLISHED = [
    ("Korean RoBERTa-base", "111 M", "84.97", "83.00", HAM),
    ("Korean RoBERTa-large", "338 M", "87.82", "85.27", HAM),
    ("XLM-R-base", "270 M", "83.02", "77.78", HAM),
    ("XLM-R-large", "550 M", "88.37", "84.68", HAM),
    ("DistilKoBERT", "28 M", "", "72.59", KOELECTRA),
    ("KoELECTRA-small-v3", "14 M", "", "80.79", KOELECTRA),
    ("KoELECTRA-base-v3", "110 M", "", "85.53", KOELECTRA),
]
HEAD = """# KorSTS

Similarity of two Korean sentences, from 0 to 5, by regression (KorSTS, {source}). Written by `studies/korsts.py`.

The first row is the recipe [korsts_scratch](../reference/recipes.md#korsts_scratch), four ELECTRA layers over characters
with random weights. The others are [korsts_pretrained](../reference/recipes.md#korsts_pretrained), a ModernBERT of the
same size that was pretrained on the given number of characters by
[pretraining_ko](../reference/recipes.md#pretraining_ko). Trained on the 5,749 pairs of the training set, scored on the
1,500 pairs of the development set; the test set was not used. The pretraining text contains the sentences of all three
sets, one by one and without scores.

For scale, without any training: the share of common characters of two sentences (Jaccard, without spaces) has a
Spearman's correlation of {overlap} with their similarity.

Spearman's and Pearson's correlation x 100 after the last epoch, mean and standard deviation over the seeds; bf16 and
one thread of a 2-core x86-64 virtual machine.

| encoder | parameters | seeds | epochs | Spearman | Pearson | mean absolute error | Spearman per epoch | CPU s of training |
|---|---:|---|---:|---:|---:|---:|---|---:|
"""  # noqa: E501
TAIL = """
## Published scores

Spearman's correlation x 100. These models were pretrained on far more text. KoELECTRA's README has scores on the test
set alone; the development scores of Ham et al. are quoted at second hand. Scores on the two sets do not compare: where
both are known, the test score is 2 to 5 points lower.

| model | parameters | development | test | source |
|---|---:|---:|---:|---|
"""


def variants(encoders: dict[str, str]) -> dict[str, tuple[Path, dict]]:
    """Return recipe and settings of each variant by name."""
    pretrained = {name: (RECIPES / "korsts_pretrained.yaml", {"encoder": path}) for name, path in encoders.items()}
    return {SCRATCH: (RECIPES / "korsts_scratch.yaml", {}), **pretrained}


def overlap(path: str) -> float:
    """Return Spearman's correlation of the share of common characters of pairs with their similarity."""
    examples = read_examples("korsts", path, whole_texts=True)
    sets = [[set("".join(text.split())) for text in (each.text, each.text_pair)] for each in examples]
    shares = [len(one & other) / max(1, len(one | other)) for one, other in sets]
    return float(spearman(np.array([float(each.spans[0].label) for each in examples]), np.array(shares)))


def row(name: str, runs: list[dict]) -> str:
    """Return the row of a variant in the table."""
    ends = [run["epochs"][-1] for run in runs]

    def shown(values: list[float]) -> str:
        return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")

    curve = zip(*([epoch["spearman"] for epoch in run["epochs"]] for run in runs))
    cells = (
        name if name == SCRATCH else f"pretrained, {name} million characters",
        f"{runs[0]['trained_parameters'] / 1e6:.1f} M",
        ", ".join(str(run["seed"]) for run in runs),
        len(runs[0]["epochs"]),
        shown([100 * end["spearman"] for end in ends]),
        shown([100 * end["pearson"] for end in ends]),
        shown([end["mae"] for end in ends]),
        " ".join(f"{100 * mean(values):.1f}" for values in curve),
        round(mean(end["train_cpu_seconds"] for end in ends)),
    )
    return f"| {' | '.join(map(str, cells))} |\n"


def page(folder: Path) -> str:
    """Return the page of all studies in a folder."""
    paths = [path for path in folder.glob("*.json") if path.name != OVERLAP]
    paths.sort(key=lambda path: 0.0 if path.stem == SCRATCH else float(path.stem))
    rows = [row(path.stem, json.loads(path.read_text(encoding="utf-8"))["runs"]) for path in paths]
    published = [f"| {' | '.join(each)} |\n" for each in PUBLISHED]
    common = json.loads((folder / OVERLAP).read_text(encoding="utf-8"))["spearman"]
    return HEAD.format(source=HAM, overlap=f"{100 * common:.2f}") + "".join(rows) + TAIL + "".join(published)


def main(words: list[str] | None = None) -> None:
    """Train all variants, seed by seed, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoders", nargs="+", default=[], metavar="MILLIONS=FOLDER")
    parser.add_argument("--seeds", type=int, nargs="*", default=[42, 43, 44])
    arguments, rest = parser.parse_known_args(words)
    _, flags = parse_flags([word for word in rest if word != "--"])
    torch.set_num_threads(1)
    found = variants(dict(each.split("=", 1) for each in arguments.encoders))
    if arguments.seeds:
        arguments.out.mkdir(parents=True, exist_ok=True)
        validation = load_recipe(RECIPES / "korsts_scratch.yaml", flags).validation_file
        write_text(arguments.out / OVERLAP, json.dumps({"spearman": overlap(validation)}) + "\n")
    for seed in arguments.seeds:
        for name, (recipe, settings) in found.items():
            path, settings = str(recipe), {**flags, **settings}
            header = {"recipe": recipe.name, "settings": settings_of(path, settings)}
            run_study(str(arguments.out / f"{name}.json"), header, [seed], partial(one_seed, path, settings))
            write_text(arguments.out.with_suffix(".md"), page(arguments.out))
    write_text(arguments.out.with_suffix(".md"), page(arguments.out))


if __name__ == "__main__":
    main()
