"""Names, backends and loading of served models; exported models against models in torch."""

import asyncio
import gc
import json
import os
import subprocess
import sys

import pytest
from export_cases import exported_folder
from installed_cases import install, site  # noqa: F401
from serving_cases import run_async

from kospan.modeling.handler import read_request
from kospan.runtime import load
from kospan.serving import models
from kospan.serving.graph_pipeline import graph_pipeline
from kospan.serving.models import backend_of, check_sources, load_models, seconds_per_item
from kospan.serving.service import Service
from kospan.serving.settings import ServeSettings


@pytest.mark.parametrize("task", ["ner", "qa", "topic"])
def test_the_pipeline_of_an_exported_model(
    task, make_token_classifier, make_qa_model, make_text_classifier, texts, tmp_path
):
    make = {"ner": make_token_classifier, "qa": make_qa_model, "topic": make_text_classifier}[task]
    model = make()
    pipelines = model.pipeline(), graph_pipeline(load(exported_folder(model, tmp_path / "exported")))
    settings = {
        "ner": [{}, {"threshold": 0.2}, {"decode": "posterior"}, {"aggregation_strategy": "none"}],
        "qa": [{}, {"top_k": 3}, {"doc_stride": 4, "max_seq_len": 32}],
        "topic": [{}, {"top_k": None}, {"function_to_apply": "sigmoid", "top_k": 2}],
    }[task]
    inputs = [{"question": "누가?", "context": text} for text in texts] if task == "qa" else texts
    for parameters in settings:
        one, other = (
            pipeline.results(read_request(pipeline, {"inputs": inputs}).items, **parameters) for pipeline in pipelines
        )
        flat = [[each if isinstance(each, list) else [each] for each in found] for found in (one, other)]
        for wanted, found in zip(*flat, strict=True):
            assert [each | {"score": 0} for each in found] == [each | {"score": 0} for each in wanted]
            assert [each["score"] for each in found] == pytest.approx([each["score"] for each in wanted], abs=1e-4)
    for pipeline in pipelines:
        with pytest.raises((TypeError, ValueError), match="expected only the settings"):
            pipeline.results([], unknown=1)


def test_both_backends_load(make_token_classifier, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "seconds_per_item", lambda *_: (1.1e-6, 1e-6))
    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    exported_folder(model, tmp_path / "model" / "onnx", "int8")
    exported_folder(model, tmp_path / "exported")
    sources = {"torch": tmp_path / "model", "exported": tmp_path / "exported"}
    loaded = load_models({name: str(path) for name, path in sources.items()}, None, 1, None)
    [inner] = load_models({"inner": str(tmp_path / "model")}, "onnx", 1, 99)
    assert [(each.backend, each.precision, each.batches, each.batch_tokens) for each in [*loaded, inner]] == [
        ("torch", "float32", True, 2048),
        ("onnx", "float32", True, 2048),
        ("onnx", "int8", False, 99),
    ]
    one, other = (each.pipeline.results(texts) for each in loaded)
    for wanted, found in zip(one, other, strict=True):
        assert [each["word"] for each in found] == [each["word"] for each in wanted]
    assert loaded[0].about() == {
        **{"name": "torch", "task": "token-classification", "backend": "torch", "precision": "float32"},
        "labels": ["PS", "LC", "OG"],
    }
    # A unit is a character of its own, so a text has about as many tokens as characters.
    assert 0.5 < loaded[0].tokens_per_character < 2
    assert loaded[0].tokens(texts[0]) > loaded[0].tokens(texts[3])


def test_exported_models_are_served_without_torch(make_token_classifier, texts, tmp_path):
    model = make_token_classifier(encoder_input="units")
    folder = exported_folder(model, tmp_path / "exported")
    code = """
import json, sys
sys.modules["torch"] = None
from kospan.serving.app import create_app
from kospan.serving.models import load_models
[model] = load_models({"exported": sys.argv[1]}, None, 1, None)
print(json.dumps([entity["word"] for entity in model.pipeline.results([sys.argv[2]])[0]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), texts[0]],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [texts[0][span.start : span.end] for span in model.extract(texts[0])]


def test_int8_shares_batches_where_that_is_faster(make_token_classifier, tmp_path, monkeypatch):
    folder = exported_folder(make_token_classifier(), tmp_path / "exported", "int8")
    monkeypatch.setattr(models, "seconds_per_item", lambda *_: (1.3, 1.0))
    assert load_models({"int8": str(folder)}, None, 1, None)[0].batches


def test_the_time_of_a_batch(monkeypatch):
    """The clock of the stub counts 10 seconds for a call and 1 for each text."""
    clock = [0.0]

    class Pipeline:
        def results(self, items):
            clock[0] += 10 + len(items)

    monkeypatch.setattr("time.thread_time", lambda: clock[0])
    assert seconds_per_item(Pipeline(), ["a"], size=4) == (11, 14 / 4)


@pytest.mark.parametrize(("seconds", "least", "most"), [(1.0, 256, 256), (0.01, 300, 800), (1e-4, 2048, 2048)])
def test_a_batch_takes_a_tenth_of_a_second(make_token_classifier, tmp_path, monkeypatch, seconds, least, most):
    """Between 256 and 2,048 tokens; the text that is measured has about 50."""
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path)
    monkeypatch.setattr(models, "seconds_per_item", lambda *_: (seconds, seconds))
    [model] = load_models({"model": str(tmp_path)}, None, 1, None)
    assert least <= model.batch_tokens <= most


def test_a_published_export_is_downloaded(make_token_classifier, tmp_path, monkeypatch):
    exported_folder(make_token_classifier(), tmp_path / "onnx")
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    [model] = load_models({"user/name": "user/name"}, "onnx", 1, None)
    assert asked == [("user/name", ["onnx/*"])] and model.backend == "onnx"


def test_sources(tmp_path):
    assert backend_of("user/name", None) == ("user/name", "torch")
    assert backend_of("user/name", "onnx") == ("user/name", "onnx")
    for missing in ("./missing", str(tmp_path / "missing")):
        with pytest.raises(FileNotFoundError, match=r"expected a model's folder at .*missing, found none"):
            backend_of(missing, None)
    with pytest.raises(FileNotFoundError, match=r"found no config\.json"):
        backend_of(str(tmp_path), None)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected an exported model in .* for --backend onnx, found none"):
        backend_of(str(tmp_path), "onnx")
    with pytest.raises(ValueError, match=r"expected a model of kospan in .*, got one of type bert"):
        check_sources({"bert": str(tmp_path)}, None)
    config.write_text("[", encoding="utf-8")
    with pytest.raises(ValueError, match="expected JSON with a model_type"):
        check_sources({"bert": str(tmp_path)}, None)
    (tmp_path / "runtime.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="for --backend torch, got the exported model"):
        backend_of(str(tmp_path), "torch")


def test_installed_models_are_served_by_their_names(site, make_token_classifier, tmp_path, monkeypatch):  # noqa: F811
    model = make_token_classifier(encoder_input="units")
    folder, exported = install(site, "kospan-ko", "ko-ner"), install(site, "kospan-ko-onnx", "ko-ner-onnx")
    model.save_pretrained(folder)
    exported.rmdir()
    exported_folder(model, exported)
    monkeypatch.chdir(tmp_path)
    names = {"ko-ner": "ko-ner", "ko-ner-onnx": "ko-ner-onnx"}
    check_sources(names, None)
    assert [each.backend for each in load_models(names, None, 1, 99)] == ["torch", "onnx"]
    with pytest.raises(ValueError, match="for --backend torch, got the exported model"):
        check_sources({"ko-ner-onnx": "ko-ner-onnx"}, "torch")


def test_a_worker_loads_its_models_and_excludes_their_objects_from_collections(make_token_classifier, tmp_path):
    """Full collections would stop all requests for as long as they visit the objects of torch."""
    make_token_classifier().save_pretrained(tmp_path)
    service = Service(ServeSettings({"news": str(tmp_path)}, batch_tokens=77))

    async def work():
        await service.start(asyncio.get_running_loop().run_in_executor)
        await service.stop()

    try:
        before = gc.get_freeze_count()
        run_async(work())
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
    assert service.models["news"].batch_tokens == 77 and not service.ready
