"""The study of continued pretraining: the encoder is made once, scores are paired by seed."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

RECIPE = str(Path(__file__).parent.parent.parent / "recipes" / "wnut17_minilm_linear.yaml")


def test_encoder_is_trained_once_on_the_texts_without_labels(study, monkeypatch, tmp_path):
    train = tmp_path / "train.conll"
    train.write_text("Jo\tB-person\nran\tO\n\nto\tO\nRome\tB-location\n\n", encoding="utf-8")
    texts = study.training_texts(RECIPE, {"train_file": str(train), "max_train_samples": 1})
    assert texts == ["Jo ran", "to Rome"]
    bits, built = iter([9.0, 4.0]), []

    class Trainer:
        task = SimpleNamespace(save=lambda model, folder: (folder / "config.json").write_text("{}"))
        model, state = None, SimpleNamespace(global_step=6)

        def evaluate(self):
            return {"eval_bits_per_character": next(bits)}

        def train(self):
            assert (tmp_path / "encoder" / "texts.txt").read_text(encoding="utf-8") == "Jo ran\nto Rome\n"

    monkeypatch.setattr(study, "build_trainer", lambda recipe: built.append(recipe) or Trainer())
    found = study.pretrain(texts, tmp_path / "encoder", 3)
    assert found == {"texts": 2, "epochs": 3, "steps": 6, "bits_per_character": [9.0, 4.0]}
    assert study.pretrain(texts, tmp_path / "encoder", 3) == found
    assert len(built) == 1 and built[0].trainer["num_train_epochs"] == 3 and built[0].encoder.startswith("package:")


def test_table_pairs_the_seeds_and_a_stopped_study_continues(study, monkeypatch, tmp_path):
    done = []

    def one_seed(path, flags, seed):
        done.append((flags.get("encoder"), seed))
        if (flags.get("encoder"), seed) == (str(tmp_path / "encoder"), 44):
            raise KeyboardInterrupt
        return {"epochs": [{"f1": 0.1}, {"f1": (seed + 10 * ("encoder" in flags)) / 100}], "counts": []}

    record = {"texts": 2, "epochs": 3.0, "steps": 6, "bits_per_character": [9.0, 4.004]}
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "pretraining.json").write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setattr(study, "one_seed", one_seed)
    monkeypatch.setattr(study, "training_texts", lambda path, flags: ["a", "b"])
    words = [RECIPE, str(tmp_path / "out"), "--encoder", str(tmp_path / "encoder")]
    study.main([*words, "--seeds", "42", "43", "--", "--max_train_samples", "50"])
    row = "| wnut17_minilm_linear | 50 | 2 | 42, 43 | 0.4250 ± 0.0071 | 0.5250 ± 0.0071 | +10.00 points | 2 | 3 (6) "
    row += "| 9.00 to 4.00 |"
    assert (tmp_path / "out.md").read_text(encoding="utf-8").splitlines()[-1] == row
    with pytest.raises(KeyboardInterrupt):
        study.main([*words, "--seeds", "42", "44", "--", "--max_train_samples", "50"])
    assert len(done) == 6
    assert study.table(tmp_path / "out").splitlines()[-1] == row
