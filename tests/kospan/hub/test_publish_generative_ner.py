"""Writers on their way out: an adapter as one of its base model, a merged model like any other."""

import io
import json
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from local_hub import OWNER_TOKEN, READER_TOKEN, local_hub, online  # noqa: F401
from release_cases import save_generative_run
from safetensors.torch import load_file

from kospan.cli import main
from kospan.conversion.merge import merge
from kospan.data.jsonl import read_jsonl
from kospan.hub import publish as publishing
from kospan.hub import verify as verifying
from kospan.hub.hub import Hub
from kospan.hub.publish import REPLACED, publish
from kospan.hub.publisher import Publisher
from kospan.hub.release import prepare
from kospan.modeling import KospanGenerativeNER
from kospan.tasks.generative_ner.release import local_copy
from kospan.tasks.generative_ner.spec import SPEC


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Output folder of a training of an adapter over `kim/tiny`, and the folder of the base model."""
    return save_generative_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def base_at_hand(run, monkeypatch):
    monkeypatch.setattr(verifying, "snapshot_download", lambda name, **kwargs: {"kim/tiny": str(run[1])}[name])


def test_adapter_is_published_as_an_adapter_and_checked(run, base_at_hand, tmp_path):
    said = []
    assert publish(run[0], "mina/generator", SPEC, dry_run=tmp_path / "out", say=said.append) == []
    assert any(line.startswith("checked             3 texts") for line in said)
    out = tmp_path / "out" / "model"
    names = {path.name for path in out.iterdir()}
    assert {
        "adapter_config.json",
        "adapter_model.safetensors",
        "kospan.json",
        "handler.py",
        "modeling_generative_ner.py",
    } < names
    assert not names & {"config.json", "model.safetensors", "predictions.jsonl", "training_args.bin"}
    assert "peft>=" in (out / "requirements.txt").read_text(encoding="utf-8")
    card = ModelCard.load(out / "README.md")
    assert "before it was merged" not in card.text and "합치기 전" not in card.text
    data = card.data
    assert (data.base_model, data.library_name, data.base_model_relation) == ("kim/tiny", "peft", "adapter")
    assert {"kospan", "lora", "peft", "named-entity-recognition"} <= set(data.tags)
    assert 'get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", "mina/generator")' in card.text
    assert (
        "torch, transformers and peft are all that is needed" in card.text
        and "are published here without them" in card.text
    )
    # What was checked over the base model of this machine does not name its place.
    assert (
        json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"] == "kim/tiny"
    )


def test_merged_model_is_published_like_any_model(run, tmp_path, capsys):
    merged, found = tmp_path / "merged", tmp_path / "merged" / "predictions.jsonl"
    lines = merge(str(run[0]), merged, base=str(run[1]))
    # It is checked against what it finds itself, not against what its adapter found; and may be kept where a dry run
    # has kept the adapter.
    (tmp_path / "out" / "model").mkdir(parents=True)
    shutil.copyfile(run[0] / "adapter_config.json", tmp_path / "out" / "model" / "adapter_config.json")
    with pytest.raises(
        FileNotFoundError, match=r"expected predictions\.jsonl in .*, and so does `kospan predict FOLDER TEXTS"
    ):
        publish(merged, "mina/generator", SPEC, dry_run=tmp_path / "out", say=lambda line: None)
    command = lines[-1].partition("kospan ")[2].split()
    assert command == ["predict", str(merged), str(run[0] / "predictions.jsonl"), "--output", str(found)]
    assert main(command) == 0
    capsys.readouterr()
    said: list[str] = []
    publish(merged, "mina/generator", SPEC, dry_run=tmp_path / "out", say=said.append)
    assert any(line.startswith("checked             3 texts") for line in said)
    out = tmp_path / "out" / "model"
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "kospan.json", "handler.py", "eval_results.json"} < names
    assert not any(name.startswith("adapter") for name in names)
    card = ModelCard.load(out / "README.md")
    assert card.data.library_name == "transformers" and card.data.base_model == "kim/tiny"
    assert "base_model_relation" not in card.data.to_dict() and "lora" not in card.data.tags
    assert "torch and transformers are all that is needed" in card.text and "are merged into the weights" in card.text
    assert "measured with the adapter, before it was merged" in card.text and "합치기 전에 잰 것" in card.text
    metrics = {each.metric_args["metric"]: each.metric_value for each in card.data.eval_results}
    assert metrics["eval_f1"] == 0.5 and 0 <= metrics["eval_merged_difference"] < 1e-4
    assert "peft" not in (out / "requirements.txt").read_text(encoding="utf-8")
    # An older release as an adapter would make an adapter of it.
    assert {"config.json", "adapter_config.json", "kospan.json"} <= set(REPLACED)


@pytest.mark.parametrize("base", ["/home/kim/tiny", "outputs/base/tiny", "../tiny", None, "C:\\tiny"])
def test_local_base_model_is_refused(base, run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "folder")
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"base_model_name_or_path": base}), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"expected the base model's name on the Hub .*; write its name there, or publi"
    ):
        prepare(folder, tmp_path / "out")


def test_missing_base_model_is_reported(run, tmp_path, monkeypatch):
    def missing(name, **kwargs):
        raise OSError("offline")

    monkeypatch.setattr(verifying, "snapshot_download", missing)
    with pytest.raises(FileNotFoundError, match="expected the adapter's base model kim/tiny in the cache"):
        publish(run[0], "mina/generator", SPEC, dry_run=tmp_path / "out", say=lambda line: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_base_model_is_downloaded_with_the_token_of_the_push(
    kind,
    run,
    local_hub,  # noqa: F811
    online,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    files = {path.name: path.read_bytes() for path in run[1].iterdir()}
    state, pickled = load_file(run[1] / "model.safetensors"), io.BytesIO()
    torch.save(state, pickled)
    if kind == "bin":
        del files["model.safetensors"]
    local_hub.make("mina/base", private=True)
    local_hub.fill("mina/base", files | {"pytorch_model.bin": pickled.getvalue(), "training_args.bin": b"pickled"})
    folder = shutil.copytree(run[0], tmp_path / "run")
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = "mina/base"
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with local_copy(folder, Hub(OWNER_TOKEN, local_hub.url).api.snapshot_download) as place:
        weights = {path.name for path in (tmp_path / "cache").rglob("*") if path.suffix in (".bin", ".safetensors")}
        assert weights == {"safetensors": {"model.safetensors"}, "bin": {"pytorch_model.bin"}}[kind]
        stored = read_jsonl(folder / "predictions.jsonl")
        found = KospanGenerativeNER.from_pretrained(place, dtype=torch.float32).extract([each.text for each in stored])
        assert [[span[:3] for span in each.spans] for each in stored] == [[span[:3] for span in each] for each in found]
    # Another's token may not read it, and what is sent is checked with the token it is sent with.
    shutil.rmtree(tmp_path / "cache")
    other = Hub(READER_TOKEN, local_hub.url)
    with pytest.raises(
        FileNotFoundError, match=r"expected the adapter's base model mina/base .*, and that the token may read it"
    ):
        publish(folder, "mina/w", SPEC, dry_run=tmp_path / "o", hub=other, say=lambda line: None)
    asked = []
    monkeypatch.setattr(publishing, "verify", lambda *paths, hub: asked.append(hub) or 3)
    publish(folder, "mina/w", SPEC, hub=(hub := Hub(OWNER_TOKEN, local_hub.url)), say=lambda line: None)
    assert asked == [hub]


def test_adapter_without_weights_is_refused(run, tmp_path):
    folder = shutil.copytree(run[0], tmp_path / "folder")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected the weights adapter_model\.safetensors"):
        prepare(folder, tmp_path / "out")


def test_pushed_checkpoint_can_be_opened(run, tmp_path):
    checkpoint = shutil.copytree(run[0], tmp_path / "checkpoint-2")
    for name in ("recipe.yaml", "eval_results.json", "training_record.json", "predictions.jsonl", "README.md"):
        (checkpoint / name).unlink(missing_ok=True)
    torch.save({}, checkpoint / "training_args.bin")
    torch.save({}, checkpoint / "optimizer.pt")
    sent = {}

    class Hub:
        secrets = ()

        def commit(self, name, files, message, **settings):
            sent.update(files)
            return type("Pushed", (), {"url": "there"})()

    assert Publisher("mina/generator", Hub(), SPEC).push_step(checkpoint, "step 2", "last-checkpoint") == "there"
    assert {
        "kospan.json",
        "adapter_model.safetensors",
        "modeling_generative_ner.py",
        "last-checkpoint/optimizer.pt",
    } <= set(sent)
    assert not {"optimizer.pt", "last-checkpoint/training_args.bin"} & set(sent)
