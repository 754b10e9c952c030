"""Hand-made finished folders for the tests of states and reports; no run trains here."""

import json
from pathlib import Path

import yaml

from kospan.study.folders import result_folder
from kospan.study.plan import Experiment, Run, load_study
from kospan.study.settings import fingerprint

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"


def write_study(folder: Path, name: str = "mine", **keys) -> Path:
    """A study file; every key that is not given is left out."""
    path = folder / f"{name}.yaml"
    text = yaml.safe_dump({"recipe": str(RECIPE), "output_dir": str(folder / "out"), **keys}, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def experiment_of(folder: Path, **keys) -> Experiment:
    """The only experiment of a study of these keys."""
    return load_study(write_study(folder, **keys))[0]


def finish_by_hand(
    experiment: Experiment,
    run: Run,
    counts: list,
    cpu: float = 2.0,
    ids: list[str] | None = None,
    curve: list[dict] | None = None,
    **figures,
) -> None:
    """A finished folder with these counts `(documents, 3)` of a single type, and the F1 that follows from them."""
    folder = result_folder(experiment, run)
    folder.mkdir(parents=True)
    correct, predicted, gold = (sum(column) for column in zip(*counts))
    figures = {"f1": 2 * correct / (predicted + gold), "support_PS": float(gold), **figures}
    described = {
        "variant": run.arm,
        "seed": run.seed,
        "fingerprint": fingerprint(experiment.arms[run.arm].recipe, run.seed),
        "figures": figures,
        "parameters": 10,
        "curve": curve or [],
        "seconds": {"wall": 2 * cpu, "cpu": cpu, "starts": 1},
        "machine": "CPU",
        "versions": {"torch": "2"},
        "commit": None,
    }
    by_type = {
        "labels": ["PS"],
        "ids": ids or [f"문서-{at}" for at in range(len(counts))],
        "counts": [[list(row)] for row in counts],
    }
    (folder / "counts.json").write_text(json.dumps(by_type), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(described), encoding="utf-8")
