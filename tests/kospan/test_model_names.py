"""Models by the names that installed packages give them."""

import json
import os
import shutil

import pytest
from installed_cases import install, site  # noqa: F401

import kospan
from kospan.card.training_record import encoder_on_hub
from kospan.cli import main
from kospan.model_names import check_not_installed, installed_models, is_installed, model_path
from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.tasks.encoders import is_on_disk, load_config, locate
from kospan.tasks.loading import load_saved

LABELS = ["DT", "LC", "OG", "PS", "QT", "TI"]


@pytest.fixture
def installed(site, make_token_classifier, tmp_path, monkeypatch):  # noqa: F811
    """The model of the package kospan-ko, and its folder; the working directory is empty."""
    folder = install(site, "kospan-ko", "ko-ner")
    model = make_token_classifier(labels=LABELS, encoder_input="units")
    model.save_pretrained(folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return model, folder


# --- resolution -------------------------------------------------------------------------------------------------------


def test_name_of_an_installed_model_is_its_folder(installed):
    _, folder = installed
    assert kospan.model_path("ko-ner") == locate("ko-ner") == str(folder)
    assert kospan.installed_models() == {"ko-ner": str(folder)}
    assert is_installed("ko-ner") and is_on_disk("ko-ner") and encoder_on_hub("ko-ner") is None


@pytest.mark.parametrize(
    "name", ["klue/bert-base", "bert-base", "outputs/ko-ner", "./ko-ner", "/ko-ner", ".", "", "scratch"]
)
def test_other_names_are_folders_or_on_the_hub(name, installed):
    assert model_path(name) == name and not is_installed(name)


def test_folder_of_the_same_name_is_used(installed, make_token_classifier):
    make_token_classifier(seed=5, labels=["PS", "LC"]).save_pretrained("ko-ner")
    assert model_path("ko-ner") == "ko-ner" and not is_installed("ko-ner")
    assert set(kospan.load("ko-ner").config.id2label.values()) == {"O", "B-PS", "I-PS", "B-LC", "I-LC"}


def test_folder_of_the_same_name_without_a_model_is_named_in_the_error(installed):
    os.mkdir("ko-ner")
    with pytest.raises(
        FileNotFoundError, match=r"; the folder ko-ner hides the installed model of this name, rename it$"
    ):
        load_saved("ko-ner")


def test_file_of_the_same_name_hides_nothing(installed):
    _, folder = installed
    with open("ko-ner", "w", encoding="utf-8") as file:
        file.write("a file of texts")
    assert model_path("ko-ner") == str(folder)


def test_missing_package_names_the_extra(site):  # noqa: F811
    for load in (load_saved, locate, lambda name: load_config(name, {})):
        with pytest.raises(
            FileNotFoundError,
            match=r'^expected a package with the model ko-ner, found none; pip install "kospan\[ko\]"',
        ):
            load("ko-ner")
    assert installed_models() == {} and not is_installed("ko-ner")


@pytest.mark.parametrize("name", ["ko_ner", "KO-ner", "ko-nre"])
def test_misspelt_name_gets_the_nearest_one(name, site):  # noqa: F811
    for load in (load_saved, lambda name: load_config(name, {})):
        with pytest.raises(FileNotFoundError, match=r"; did you mean ko-ner\?$"):
            load(name)


def test_other_names_get_no_advice(installed):
    for name in ("user/ko-nre", "xyz"):
        with pytest.raises(FileNotFoundError) as caught:
            load_saved(name)
        assert "did you mean" not in str(caught.value)


def test_any_package_can_add_a_model(installed, site, make_text_classifier):  # noqa: F811
    folder = install(site, "bank-models", "bank-topics", "bank.models")
    make_text_classifier().save_pretrained(folder)
    assert list(installed_models()) == ["bank-topics", "ko-ner"]
    assert kospan.load("bank-topics").config.model_type == "kospan-sequence-classification"


def test_same_name_in_two_packages_is_an_error(installed, site):  # noqa: F811
    install(site, "other", "ko-ner")
    with pytest.raises(ValueError, match=r"got (kospan-ko and other|other and kospan-ko); uninstall one of them$"):
        model_path("ko-ner")


def test_package_without_the_folder_is_damaged(installed, site):  # noqa: F811
    _, folder = installed
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"in the package kospan-ko, found no config.json in .*; install the"):
        model_path("ko-ner")
    install(site, "gone", "lost", "gone.inner")
    (site / "gone" / "inner" / "__init__.py").unlink()
    (site / "gone" / "inner" / "lost").rmdir()
    (site / "gone" / "inner").rmdir()
    with pytest.raises(
        FileNotFoundError, match=r"expected the model lost in the package gone, found no .* gone\.inner;"
    ):
        model_path("lost")
    assert installed_models() == {}


# --- commands ---------------------------------------------------------------------------------------------------------


def test_commands_take_the_name(installed, texts, capsys):
    model, _ = installed
    with open("texts.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(texts) + "\n")
    assert main(["predict", "ko-ner", "texts.txt"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [[(span["start"], span["end"], span["label"]) for span in record["spans"]] for record in records]
    assert found == [[span[:3] for span in spans] for spans in model.extract(texts)] and any(found)
    for words in (["evaluate", "ko-ner"], ["compare", "ko-ner", "ko-ner"]):
        assert main([*words, "--dataset", "sample", "--data", "validation"]) == 0, capsys.readouterr().err
    assert "ko-ner on validation" in capsys.readouterr().out


def test_export_takes_the_name_and_an_exported_model_has_one(installed, site, texts, capsys):  # noqa: F811
    assert main(["export", "ko-ner", "out"]) == 0, capsys.readouterr().err
    shutil.copytree("out", install(site, "kospan-ko-onnx", "ko-ner-onnx"), dirs_exist_ok=True)
    found, own = (kospan.load(name).extract(texts) for name in ("ko-ner-onnx", "ko-ner"))
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in own]
    assert main(["analyze", "ko-ner-onnx", "--dataset", "sample", "--data", "validation"]) == 2
    assert "got the exported model in ko-ner-onnx" in capsys.readouterr().err


def test_installed_files_are_not_changed(installed, capsys):
    for words, advice in (
        (["push", "ko-ner", "--repo_id", "a/b"], "train it further with encoder: ko-ner, and push that run"),
        (["calibrate", "ko-ner", "--data", "x.jsonl"], "copy it first with kospan.load("),
    ):
        assert main(words) == 2
        message = f"expected a folder to {words[0]}, got the name of the installed model ko-ner; {advice}"
        assert message in capsys.readouterr().err
    kospan.load("ko-ner").save_pretrained("copy")
    check_not_installed("copy", "push")


def test_recipe_trains_an_installed_model_further(installed):
    flags = {"encoder": "ko-ner", "output_dir": "out", "use_cpu": "true", "dataset": "sample"}
    trainer = build_trainer(load_recipe(None, flags))
    own, found = installed[0].state_dict(), trainer.model.state_dict()
    assert own.keys() == found.keys() and all(found[name].equal(tensor) for name, tensor in own.items())


def test_recipe_takes_an_installed_encoder(site, make_token_classifier, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    folder, model = install(site, "kospan-ko", "ko-encoder"), make_token_classifier()
    model.encoder.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    flags = {"encoder": "ko-encoder", "output_dir": "out", "use_cpu": "true", "max_length": 64, "stride": 8}
    trainer = build_trainer(load_recipe(None, flags))
    weights = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    assert all(tensor.equal(weights[name]) for name, tensor in trainer.model.encoder.state_dict().items())
