"""Data-side techniques on KLUE-NER: mention replacement, n-gram vectors, self-training, and combinations.

    kospan vectors nsmc-reviews.txt.xz sentences.txt.xz sentences.txt.xz sentences.txt.xz sentences.txt.xz --output ko.vec
    python studies/data_techniques.py klue-ner.tsv docs/studies/data_techniques --vectors ko.vec --pseudo_labels pseudo.jsonl

Each variant is the recipe `klue_ner_char_bilstm_crf.yaml` for 8 epochs without R-Drop and multi-sample dropout, with the
settings of the variant; self-training with twice as many texts for 4 epochs. OUT/VARIANT.json holds the scores of every
epoch, as `seeds.py` writes them; OUT/table.md the table. Seeds that a file holds are not run again, so that a stopped
study can be continued.
"""  # noqa: E501

import argparse
import json
from pathlib import Path
from statistics import mean, stdev

import torch
from seeds import one_seed, settings_of
from study import run_study

from kospan.data.text import write_text

RECIPE = Path(__file__).parent.parent / "recipes" / "klue_ner_char_bilstm_crf.yaml"
SETTINGS = {"num_train_epochs": 8, "rdrop_alpha": 0, "multi_sample_dropout": 1, "use_cpu": True}
METRICS = {"klue_entity_f1": "entity F1", "klue_char_f1": "character F1", "f1": "strict F1"}


def variants(vectors: str | None, pseudo_labels: str | None) -> dict[str, dict]:
    """Return the settings of each variant by name; those that need a missing file are left out."""
    replaced = {"mention_replacement": 0.2}
    ngrams, extra = {"ngram_vectors": vectors}, {"extra_train_file": pseudo_labels, "num_train_epochs": 4}
    found = {
        "baseline": {},
        "mention_replacement_0.2": replaced,
        "mention_replacement_0.5": {"mention_replacement": 0.5},
        "mention_replacement_gazetteer_0.2": {**replaced, "mention_source": "gazetteer"},
        "mention_replacement_gazetteer_0.5": {"mention_replacement": 0.5, "mention_source": "gazetteer"},
        "ngram_vectors": ngrams,
        "self_training": extra,
        "ngram_vectors_mention_replacement": {**ngrams, **replaced},
        "ngram_vectors_self_training": {**ngrams, **extra},
        "all": {**ngrams, **extra, **replaced},
    }
    return {name: settings for name, settings in found.items() if None not in settings.values()}


def table(folder: Path, names: list[str]) -> str:
    """Return a Markdown table of the means over seeds, of the last three epochs."""
    lines = [
        "# Data-side techniques on KLUE-NER",
        "",
        "Written by `studies/data_techniques.py`. Means over the seeds, after the last epoch and of the last three; "
        "of the entity F1 also the standard deviation over seeds; CPU seconds of training.",
        "",
        f"| variant | seeds | epochs | entity F1 after the last epoch | {' | '.join(METRICS.values())} | CPU s |",
        "|---|---:|---:|---:|" + "---:|" * (len(METRICS) + 1),
    ]
    for name in names:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        scores = {key: [mean(epoch[key] for epoch in run["epochs"][-3:]) for run in runs] for key in METRICS}
        shown = [f"{mean(each):.4f}" for each in scores.values()]
        if len(runs) > 1:
            shown[0] += f" ± {stdev(scores['klue_entity_f1']):.4f}"
        last = mean(run["epochs"][-1]["klue_entity_f1"] for run in runs)
        seconds = mean(run["epochs"][-1]["train_cpu_seconds"] for run in runs)
        counts = f"{len(runs)} | {len(runs[0]['epochs'])}"
        lines.append(f"| {name.replace('_', ' ')} | {counts} | {last:.4f} | {' | '.join(shown)} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> None:
    """Run what is missing and write the table after each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="KLUE-NER; every eighth sentence, from the first, is the validation split")
    parser.add_argument("out", type=Path)
    parser.add_argument("--vectors")
    parser.add_argument("--pseudo_labels")
    parser.add_argument("--variants", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    known = variants(arguments.vectors, arguments.pseudo_labels)
    for name in arguments.variants or known:
        flags = {**SETTINGS, "train_file": arguments.data, **known[name]}
        header = {"recipe": RECIPE.name, "settings": settings_of(str(RECIPE), flags)}
        out = str(arguments.out / f"{name}.json")
        run_study(out, header, arguments.seeds, lambda seed, flags=flags: one_seed(str(RECIPE), flags, seed))
        write_text(arguments.out / "table.md", table(arguments.out, list(known)))


if __name__ == "__main__":
    main()
