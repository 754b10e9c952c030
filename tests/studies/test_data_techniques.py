"""The study of data-side techniques: its variants, its table, and that it continues."""

import json

from kospan.recipe import load_recipe
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import check_recipe


def test_every_variant_is_a_valid_recipe(study):
    found = study.variants("ko.vec", "pseudo.jsonl")
    for settings in found.values():
        check_recipe(load_recipe(study.RECIPE, {**study.SETTINGS, **settings}), task_spec("token-classification"))
    assert set(study.variants(None, None)) == {name for name in found if name.startswith(("base", "mention"))}


def test_the_table_holds_means_and_a_stopped_study_continues(study, monkeypatch, tmp_path):
    done = []

    def one_seed(path, flags, seed):
        done.append((flags.get("mention_replacement", 0), seed))
        scores = dict.fromkeys(study.METRICS, seed / 100)
        epochs = [{**scores, "train_cpu_seconds": 7.0}] * 3
        return {"epochs": [dict.fromkeys(study.METRICS, 0.0) | {"train_cpu_seconds": 1.0}, *epochs], "counts": []}

    monkeypatch.setattr(study, "one_seed", one_seed)
    words = ["klue.tsv", str(tmp_path), "--variants", "baseline", "mention_replacement_0.2", "--seeds", "42"]
    study.main(words)
    study.main([*words, "44"])
    assert done == [(0, 42), (0.2, 42), (0, 44), (0.2, 44)]
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == [
        f"| {name} | 2 | 4 | 0.4300 | 0.4300 ± 0.0141 | 0.4300 | 0.4300 | 7 |"
        for name in ("baseline", "mention replacement 0.2")
    ]
    held = json.loads((tmp_path / "baseline.json").read_text(encoding="utf-8"))
    assert held["settings"]["train_file"] == "klue.tsv" and len(held["runs"]) == 2
