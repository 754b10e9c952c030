"""Studies of several seeds keep settings and commit, and refuse a file that holds other settings."""

import importlib
import json
from pathlib import Path

import pytest

from kospan.training.record import commit

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(monkeypatch):
    """Imports a script in the way that Python runs it: its own folder comes first."""
    monkeypatch.syspath_prepend(ROOT / "studies")
    return importlib.import_module


@pytest.fixture
def recipe(tmp_path):
    """A recipe for eight sentences and a tiny encoder."""
    records = [
        {"id": str(at), "text": f"Oslo has {at} hills", "spans": [{"start": 0, "end": 4, "label": "LC"}]}
        for at in range(8)
    ]
    data = tmp_path / "private" / "hills.jsonl"
    data.parent.mkdir()
    data.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    path = tmp_path / "hills.yaml"
    path.write_text(
        f"dataset: jsonl\ntrain_file: {data}\nencoder_input: units\nlearning_rate: 1e-3\nnum_train_epochs: 1\n"
        "encoder_options: {num_hidden_layers: 0, hidden_size: 8, embedding_size: 8}\n",
        encoding="utf-8",
    )
    return path


def test_a_study_holds_the_settings_and_the_commit_of_its_runs(script, recipe, tmp_path):
    out = tmp_path / "study.json"
    words = [str(recipe), "--out", str(out), "--seeds", "1", "--", "--use_cpu", "true", "--dropout", "0.25"]
    script("seeds").main(words)
    study = json.loads(out.read_text(encoding="utf-8"))
    settings = study["settings"]
    assert (settings["dropout"], settings["learning_rate"], settings["train_file"]) == (0.25, 0.001, "hills.jsonl")
    # Defaults are settings too.
    assert (settings["head"], settings["lora_rank"], settings["per_device_train_batch_size"]) == ("crf", 0.0, 32.0)
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    (run,) = study["runs"]
    assert (run["seed"], run["commit"], len(run["epochs"]), len(run["counts"])) == (1, commit(), 1, 1)

    script("seeds").main([*words[:4], "1", "2", *words[5:]])
    both = json.loads(out.read_text(encoding="utf-8"))["runs"]
    assert [each["seed"] for each in both] == [1, 2] and both[0] == run

    before = out.read_bytes()
    with pytest.raises(SystemExit, match=r"settings\.dropout: expected 0\.1, found 0\.25"):
        script("seeds").main([str(recipe), "--out", str(out), "--seeds", "3", "--", "--use_cpu", "true"])
    assert out.read_bytes() == before


def test_where_the_data_are_does_not_matter(script, recipe, tmp_path):
    settings_of = script("seeds").settings_of
    elsewhere = settings_of(str(recipe), {"train_file": "other/hills.jsonl", "encoder": str(tmp_path / "a" / "minilm")})
    assert elsewhere == settings_of(str(recipe), {"encoder": "/b/minilm"})
    assert settings_of(str(recipe), {"encoder": "owner/minilm"})["encoder"] == "owner/minilm"
    assert settings_of(str(recipe), {"train_file": "moors.jsonl"}) != settings_of(str(recipe), {})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"recipe": {"epochs": 3}}, r"recipe\.epochs: expected 3, found 2"),
        ({"recipe": {"epochs": 2}, "settings": {}}, "settings: expected {}, found null"),
        ({"recipe": {"epochs": 2, "clip": 1}}, r"recipe\.clip: expected 1, found null"),
        ({"recipe": {}}, r"recipe\.epochs: expected null, found 2"),
    ],
)
def test_a_file_with_another_header_is_refused_before_training(script, tmp_path, header, message):
    run_study, out = script("study").run_study, tmp_path / "study.json"
    first = run_study(str(out), {"recipe": {"epochs": 2}}, [1], lambda seed: {"counts": [[seed, 1, 1]]})
    before = out.read_bytes()
    with pytest.raises(SystemExit, match=message):
        run_study(str(out), header, [2], lambda seed: pytest.fail("trained"))
    assert out.read_bytes() == before
    assert run_study(str(out), {"recipe": {"epochs": 2}}, [1], lambda seed: pytest.fail("trained")) == first


def test_what_a_file_says_beside_the_header_is_kept(script, tmp_path):
    out = tmp_path / "study.json"
    out.write_text(json.dumps({"what": "old", "recipe": {}, "runs": [{"seed": 1}]}), encoding="utf-8")
    script("study").run_study(str(out), {"recipe": {}}, [1, 2], lambda seed: {"counts": []})
    study = json.loads(out.read_text(encoding="utf-8"))
    assert study["what"] == "old" and study["runs"][0] == {"seed": 1} and study["runs"][1]["seed"] == 2
