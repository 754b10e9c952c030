"""Models of the package kospan-ko, built from the folders of tiny runs."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import kospan
from kospan.export import export as export_module
from kospan.export import int8_rows
from kospan.modeling.int8_weights import SCALE
from kospan.recipe import load_recipe
from kospan.run import train
from kospan.runtime import load as runtime_load
from packages.kospan_ko import build_model, sources

SENTENCE = "## klue-ner-v1_dev_{number:05}-wikitree\t<{name}:PS>는 <{place}:{label}>에 갔다.\n{rows}\n\n"
NAMES = ["이재용", "김연아", "박민수", "정하윤", "최유진", "한지민", "오세훈", "유재석"]
PLACES = ["서울", "부산", "대구"]


def klue_lines(number: int) -> str:
    # Labels that no model can predict: some predicted spans are wrong, as calibration needs.
    name, place, label = NAMES[number % 8], PLACES[number % 3], "LC" if number % 5 else "OG"
    tags = ["B-PS", "I-PS", "I-PS", "O", "O", f"B-{label}", f"I-{label}", *["O"] * 5]
    rows = "\n".join(f"{letter}\t{tag}" for letter, tag in zip(f"{name}는 {place}에 갔다.", tags, strict=True))
    return SENTENCE.format(number=number, name=name, place=place, label=label, rows=rows)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with data and two runs: `all` has the weights, `part` the scores."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data.tsv").write_text("".join(map(klue_lines, range(60))), encoding="utf-8")
    file = str(folder / "data.tsv")
    settings = {
        "dataset": "klue_ner",
        "train_file": file,
        "encoder": "scratch",
        "encoder_options": {"num_hidden_layers": 0, "embedding_size": 16, "hidden_size": 16},
        "encoder_input": "units",
        "head": "crf",
        "learning_rate": 0.05,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "use_cpu": True,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    part = {"calibration_split": "0.3", "output_dir": str(folder / "part")}
    train(load_recipe(folder / "recipe.yaml", part))
    whole = {"validation_file": file, "max_eval_samples": "2", "output_dir": str(folder / "all")}
    train(load_recipe(folder / "recipe.yaml", whole))
    return folder


@pytest.fixture
def allowed(runs, monkeypatch):
    """The tiny data count as KLUE's."""
    digest = sources.hashlib.sha256((runs / "data.tsv").read_bytes()).hexdigest()
    monkeypatch.setitem(sources.FILES, "data.tsv", sources.File(digest, ("klue",)))


# --- the model --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [7, 8])
def test_built_model_has_int8_weights(runs, allowed, tmp_path, monkeypatch, bits):
    monkeypatch.setattr(int8_rows, "_LEAST_ENTRIES", 64)
    build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part", bits=bits)
    stored, own = (load_file(folder / "model.safetensors") for folder in (tmp_path / "ko-ner", runs / "all"))
    rounded = [name for name, each in stored.items() if each.dtype == torch.int8]
    assert rounded and max(int(stored[name].max()) for name in rounded) <= 2 ** (bits - 1) - 1
    model = kospan.load(tmp_path / "ko-ner")
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    for name, each in own.items():
        error = (model.state_dict()[name] - each).abs()
        bound = 1.001 * stored[name + SCALE] / 2 if name in rounded else each.abs() / 2**10 + 2**-24
        assert (error <= bound).all(), name
    text = (tmp_path / "ko-ner" / "README.md").read_text(encoding="utf-8")
    assert f"stored as int8 ({bits} bits) with a scale per row" in text and "are stored in float16" not in text


def test_built_model_finds_the_same_spans_with_half_the_bytes(runs, allowed, tmp_path):
    lines = build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part", bits=16)
    stored, own = (load_file(folder / "model.safetensors") for folder in (tmp_path / "ko-ner", runs / "all"))
    assert {each.dtype for each in stored.values()} == {torch.float16} and stored.keys() == own.keys()
    model, before = kospan.load(tmp_path / "ko-ner"), kospan.load(runs / "all")
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    for name, each in before.state_dict().items():
        assert model.state_dict()[name].allclose(each, rtol=2**-10, atol=2**-24)
    texts = [f"{name}는 {place}에 갔다." for name in NAMES for place in PLACES]
    found = model.extract(texts)
    assert [[span[:3] for span in spans] for spans in found] == [
        [span[:3] for span in spans] for spans in before.extract(texts)
    ]
    assert any(found) and any(line.startswith("size  ") for line in lines)


def test_built_folder_holds_no_code_and_no_texts(runs, allowed, tmp_path):
    build_model.build(runs / "all", tmp_path, runs / "part")
    assert {path.name for path in tmp_path.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "recipe.yaml", "README.md"),
        *("ATTRIBUTION.md", "sources.json", "eval_results.json"),
    }
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "float32" and not {"auto_map", "custom_pipelines"} & config.keys()
    calibration = json.loads((runs / "part" / "calibration.json").read_text(encoding="utf-8"))
    assert config["calibration_temperature"] == calibration["temperature"]
    assert str(runs) not in "".join(
        path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.suffix in (".json", ".yaml", ".md")
    )
    kospan.load(tmp_path).save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "modeling_token_classification.py").is_file()


def test_card_reports_the_scored_run_and_forbids_scores_on_klue(runs, allowed, tmp_path):
    build_model.build(runs / "all", tmp_path, runs / "part")
    text = " ".join((tmp_path / "README.md").read_text(encoding="utf-8").split())
    scores = json.loads((runs / "part" / "eval_results.json").read_text(encoding="utf-8"))
    assert f"F1은 {scores['eval_f1']:.4f}" in text and f"| {scores['eval_f1']:.4f} |" in text
    assert "license: cc-by-sa-4.0" in text and "trained on all 60 sentences" in text
    assert "development set: KLUE dev scores must not be reported with it" in text
    assert "NLI" not in text
    assert "이 모델의 KLUE dev 점수를 성능으로 보고하면 안 됩니다" in text
    assert "KLUE-benchmark/KLUE" in (tmp_path / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_card_names_development_text_of_pretraining(runs, allowed, tmp_path, monkeypatch):
    used = {"klue": ["klue_ner", "sentences.txt.xz"], "nsmc": ["nsmc-reviews.txt.xz"]}
    monkeypatch.setattr(build_model, "sources_of", lambda *given: used)
    build_model.build(runs / "all", tmp_path, runs / "part")
    text = " ".join((tmp_path / "README.md").read_text(encoding="utf-8").split())
    assert "development set, and development text of KLUE NLI, STS and DP: KLUE dev scores must not be" in text
    assert "rights of the reviewers and of the portal were not verified" in text


def test_same_commands_give_the_same_bytes(runs, allowed, tmp_path):
    file = str(runs / "data.tsv")
    whole = {"validation_file": file, "max_eval_samples": "2", "output_dir": str(tmp_path / "again")}
    train(load_recipe(runs / "recipe.yaml", whole))
    for name, run in (("one", runs / "all"), ("other", tmp_path / "again")):
        build_model.build(run, tmp_path / name, runs / "part")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "sources.json", "ATTRIBUTION.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_graph_beside_the_model(runs, allowed, tmp_path, capsys):
    words = [str(runs / "all"), "--scored", str(runs / "part"), "--target", str(tmp_path / "ko-ner"), "--onnx"]
    build_model.main(words)
    folder = tmp_path / "ko-ner-onnx"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "model.onnx", "runtime.json", "tokenizer.json", "README.md", "ATTRIBUTION.md", "sources.json"),
    }
    texts = [f"{name}는 {place}에 갔다." for name in NAMES for place in PLACES]
    found, own = (load(each).extract(texts) for load, each in ((runtime_load, folder), (kospan.load, runs / "all")))
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in own]
    assert "MB, int8" in capsys.readouterr().out
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert "# ko-ner-onnx `ko-ner-onnx` finds" in card and "graph finds the same spans in 100.0% of the" in card
    assert 'import kospan import kospan.runtime model = kospan.runtime.load(kospan.model_path("ko-ner-onnx"))' in card
    assert "stored as" not in card and "stored as" in (tmp_path / "ko-ner" / "README.md").read_text(encoding="utf-8")
    files = [path for name in ("ko-ner", "ko-ner-onnx") for path in (tmp_path / name).iterdir()]
    with zipfile.ZipFile(tmp_path / "both.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path)
    packed = sum(each.compress_size for each in archive.infolist())
    assert build_model.deflated(tmp_path / "ko-ner", folder) == pytest.approx(packed, abs=8 * len(files))
    size = sum(path.stat().st_size for path in folder.iterdir() if path.name != "README.md")
    assert f"{size / 1e6:.1f} MB) and part of" in card


def test_graph_has_the_weights_of_the_run(runs, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr(int8_rows, "_LEAST_ENTRIES", 64)
    build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part")
    exported, own_export = [], export_module.export

    def export(name, *given, **settings):
        exported.append(load_file(name / "model.safetensors"))
        return own_export(name, *given, **settings)

    monkeypatch.setattr(export_module, "export", export)
    build_model.build_onnx(runs / "all", tmp_path / "ko-ner", tmp_path / "ko-ner-onnx", runs / "part")
    own = load_file(runs / "all" / "model.safetensors")
    assert all(torch.equal(exported[0][name], each) for name, each in own.items())


def test_files_of_an_earlier_model_are_removed(runs, allowed, tmp_path):
    for name in ("ko-ner", "ko-ner-onnx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vocab.txt").write_text("stale", encoding="utf-8")
    build_model.main(
        [str(runs / "all"), "--scored", str(runs / "part"), "--target", str(tmp_path / "ko-ner"), "--onnx"]
    )
    assert not list(tmp_path.glob("*/vocab.txt")) and len(list(tmp_path.glob("*/config.json"))) == 2


def test_encoder_of_the_model_serves_another_recipe(runs, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr(int8_rows, "_LEAST_ENTRIES", 64)
    build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part")
    model = kospan.load(tmp_path / "ko-ner")
    model.encoder.save_pretrained(tmp_path / "encoder")
    model.tokenizer.save_pretrained(tmp_path / "encoder")
    changed = {"encoder": str(tmp_path / "encoder"), "freeze_encoder": "true", "output_dir": str(tmp_path / "run")}
    train(load_recipe(runs / "recipe.yaml", {**changed, "encoder_options": "{}", "calibration_split": "null"}))
    trained = kospan.load(tmp_path / "run")
    for name, each in model.encoder.state_dict().items():
        assert torch.equal(trained.encoder.state_dict()[name], each), name
    assert trained.tokenizer.get_vocab() == model.tokenizer.get_vocab()


# --- refusals ---------------------------------------------------------------------------------------------------------


def altered(runs: Path, tmp_path: Path, **settings) -> Path:
    """A copy of the run with the weights whose recipe has other settings."""
    folder = tmp_path / "altered"
    shutil.copytree(runs / "all", folder)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **settings}), encoding="utf-8")
    return folder


def test_runs_of_different_recipes_are_refused(runs, allowed, tmp_path):
    with pytest.raises(ValueError, match=r"got different values of dropout, head; train one of them again$"):
        build_model.build(altered(runs, tmp_path, head="linear", dropout=0.7), tmp_path / "x", runs / "part")


def test_large_model_is_refused(runs, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr(build_model, "LIMIT", 5_000)
    with pytest.raises(ValueError, match="expected a model of 5,000 bytes or less, got"):
        build_model.build(runs / "all", tmp_path / "x", runs / "part")
    assert not list((tmp_path / "x").iterdir())


def test_large_wheel_is_refused(runs, allowed, tmp_path, monkeypatch):
    build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part")
    monkeypatch.setattr(build_model, "WHEEL", 5_000)
    with pytest.raises(
        ValueError, match=r"expected a wheel of 5,000 bytes or less, got [\d,]+ for model and graph; use"
    ):
        build_model.build_onnx(runs / "all", tmp_path / "ko-ner", tmp_path / "x", runs / "part")
    assert not list((tmp_path / "x").iterdir())


def test_encoder_is_stored_in_float16(tmp_path):
    with pytest.raises(ValueError, match="expected 16 bits for an encoder, which loads without kospan, got 8"):
        build_model.build(tmp_path, tmp_path / "x", bits=8)


def test_model_that_rounding_changes_is_refused(runs, allowed, tmp_path, monkeypatch):
    def wrong(source: Path, target: Path, bits: int) -> float:
        save_file({name: each.half() * 0 for name, each in load_file(source).items()}, target, {"format": "pt"})
        return 1.0

    monkeypatch.setattr(build_model, "store", wrong)
    with pytest.raises(ValueError, match=r"expected equal spans in 95% of the texts after rounding, got \d+\.\d%"):
        build_model.build(runs / "all", tmp_path / "x", runs / "part")


def test_graph_that_rounding_changes_is_refused(runs, allowed, tmp_path, monkeypatch):
    build_model.build(runs / "all", tmp_path / "ko-ner", runs / "part")
    monkeypatch.setattr(build_model, "same_share", lambda *folders: 0.5)
    with pytest.raises(ValueError, match=r"equal spans in 95% of the texts after rounding to int8, got 50\.0%$"):
        build_model.build_onnx(runs / "all", tmp_path / "ko-ner", tmp_path / "x", runs / "part")
    assert not list((tmp_path / "x").iterdir())


def test_local_paths_and_tokens_are_refused(runs, allowed, tmp_path):
    folder = shutil.copytree(runs / "all", tmp_path / "run")
    for name, content, message in (
        ("generation_config.json", '{"a": "/home/kim/x"}', "no path of this machine in generation_config"),
        ("chat_template.jinja", "hf_" + "a" * 34, "no access token in published files, found one in chat_template"),
    ):
        (folder / name).write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=f"expected {message}"):
            build_model.build(folder, tmp_path / "x", runs / "part")
        (folder / name).unlink()


def test_graph_needs_the_run_with_the_scores(capsys):
    with pytest.raises(SystemExit):
        build_model.main(["run", "--onnx"])
    assert "expected --scored beside --onnx" in capsys.readouterr().err


def test_weights_beyond_float16_are_refused(tmp_path):
    save_file({"wide": torch.tensor([1.0, 7e4])}, tmp_path / "in.safetensors")
    with pytest.raises(ValueError, match="expected finite weights within the range of float16, got wide"):
        build_model.store(tmp_path / "in.safetensors", tmp_path / "out.safetensors", 8)


@pytest.mark.parametrize(("values", "error"), [([1.0, 0.5], 0.0), ([1.0, 1 / 3], abs(1 / 3 - 0.333251953125))])
def test_error_of_rounding(values, error, tmp_path):
    save_file({"a": torch.tensor(values), "n": torch.tensor([3])}, tmp_path / "in.safetensors")
    found = build_model.store(tmp_path / "in.safetensors", tmp_path / "out.safetensors", 16)
    assert found == pytest.approx(error, abs=1e-7)
    assert load_file(tmp_path / "out.safetensors")["n"].dtype == torch.int64


def test_command_line(runs, allowed, tmp_path, capsys):
    words = [str(runs / "all"), "--scored", str(runs / "part"), "--target", str(tmp_path / "ko-ner")]
    build_model.main(words)
    assert "sources             klue" in capsys.readouterr().out
    assert build_model.MODELS.parent.name == "src"
