"""The study of KorSTS: its variants, its page, and that it continues."""

from pathlib import Path

from kospan.recipe import load_recipe
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import check_recipe


def test_every_variant_is_a_valid_recipe(study):
    found = study.variants({"28": "encoder"})
    assert list(found) == ["scratch", "28"]
    for recipe, settings in found.values():
        check_recipe(load_recipe(recipe, settings), task_spec("text-classification"))


def test_page_holds_means_over_seeds_and_a_stopped_study_continues(study, monkeypatch, tmp_path):
    done = []

    def one_seed(path, flags, seed):
        done.append((Path(path).stem, flags.get("encoder"), int(flags["num_train_epochs"]), seed))
        ends = [dict.fromkeys(("spearman", "pearson", "mae"), value) for value in (0.1, seed / 100)]
        return {"trained_parameters": 2_770_000, "epochs": [{**end, "train_cpu_seconds": 7.4} for end in ends]}

    monkeypatch.setattr(study, "one_seed", one_seed)
    pairs = [("가나다라", "가나 마"), ("하나", "둘"), ("가나", "가 나")]  # 2 of 5 characters in common, none, all.
    lines = [f"{at}\tf\t2012\t{at}\t{at}\t{one}\t{other}" for at, (one, other) in enumerate(pairs)]
    file = tmp_path / "dev.tsv"
    file.write_text("\n".join(["genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2", *lines]), encoding="utf-8")
    words = [str(tmp_path / "korsts"), "--encoders", "9=a", "28=b", "--", "--num_train_epochs", "2"]
    words += ["--validation_file", str(file)]
    study.main([*words[:4], "--seeds", "42", *words[4:]])
    assert done == [
        ("korsts_scratch", None, 2, 42),
        ("korsts_pretrained", "a", 2, 42),
        ("korsts_pretrained", "b", 2, 42),
    ]
    study.main([*words[:4], "--seeds", "42", "44", *words[4:]])
    assert len(done) == 6
    rows = [line for line in (tmp_path / "korsts.md").read_text(encoding="utf-8").splitlines() if "| 42" in line]
    scores = "42, 44 | 2 | 43.00 ± 1.41 | 43.00 ± 1.41 | 0.43 ± 0.01 | 10.0 43.0 | 7 |"
    assert rows[0] == f"| scratch | 2.8 M | {scores}"
    assert rows[1:] == [f"| pretrained, {name} million characters | 2.8 M | {scores}" for name in ("9", "28")]
    # Ranks 2, 1, 3 against 1, 2, 3.
    assert "correlation of 50.00 with their similarity" in (tmp_path / "korsts.md").read_text(encoding="utf-8")
    study.main([str(tmp_path / "korsts"), "--seeds"])
    assert len(done) == 6 and "KoELECTRA-small-v3" in (tmp_path / "korsts.md").read_text(encoding="utf-8")
