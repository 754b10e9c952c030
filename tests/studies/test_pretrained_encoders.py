"""The study of pretrained encoders: its variants, its table and curves, and that it continues."""

import pytest

from kospan.recipe import load_recipe
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import check_recipe


def test_every_variant_is_a_valid_recipe(study):
    found = study.variants({"10": "encoder"}, [250, 3500], "states", "ko.vec")
    for recipe, settings in found.values():
        check_recipe(load_recipe(study.RECIPES / recipe, settings), task_spec("token-classification"))
    names = ("scratch", "10_frozen", "10_frozen-ngrams", "10_trained")
    assert list(found) == [f"{size}_{name}" for size in (250, 3500) for name in names]
    assert list(study.variants({"10": "encoder"}, [250])) == ["250_scratch", "250_10_frozen", "250_10_trained"]


def test_table_and_curves_hold_means_and_a_stopped_study_continues(study, monkeypatch, tmp_path):
    done = []

    def one_seed(path, flags, seed):
        frozen = flags.get("freeze_encoder", False)
        done.append((flags.get("encoder"), frozen, seed))
        epochs = [dict.fromkeys(study.METRICS, (seed + 10 * frozen) / 100) | {"train_cpu_seconds": 7.0}] * 3
        return {"epochs": [dict.fromkeys(study.METRICS, 0.0) | {"train_cpu_seconds": 1.0}, *epochs], "counts": []}

    monkeypatch.setattr(study, "one_seed", one_seed)
    words = ["klue.tsv", str(tmp_path), "--encoders", "2.5=a", "10=b", "--sizes", "250", "--seeds", "42"]
    study.main(words)
    study.main([*words, "44"])
    one = [(None, False), ("a", True), ("a", False), ("b", True), ("b", False)]
    assert done == [(*each, seed) for seed in (42, 44) for each in one]
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    rows = [("0", "scratch", 0.43), ("2.5", "frozen", 0.53), ("2.5", "trained", 0.43), ("10", "frozen", 0.53)]
    assert lines[6:10] == [
        f"| 250 | {characters} | {mode} | 2 | 4 | {f1:.4f} ± 0.0141 | {f1:.4f} | {f1:.4f} | 7 |"
        for characters, mode, f1 in rows
    ]
    drawn = []
    monkeypatch.setattr(study, "draw_curve", lambda axes, points, label, colour: drawn.append((label, points)))
    assert study.curves(study.results(tmp_path))[1:4] == b"PNG"
    assert drawn == [("frozen", [(2.5, pytest.approx(0.53)), (10, pytest.approx(0.53))])] + [
        ("trained", [(2.5, pytest.approx(0.43)), (10, pytest.approx(0.43))])
    ]
