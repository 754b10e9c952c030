"""Releases with an exported model: files, card, and the endpoint's handler that runs it."""

import importlib.util
import sys
from pathlib import Path

import pytest
from cli_cases import refused
from qa_model_cases import close
from release_cases import save_qa_run, save_run

from kospan.cli import main
from kospan.modeling.spans import Span
from kospan.runtime import load


@pytest.fixture
def handler_of(monkeypatch):
    """Loads the handler of a folder with the exported model."""

    def build(folder: Path):
        monkeypatch.setenv("KOSPAN_ONNX", "1")
        monkeypatch.setattr(sys, "path", [*sys.path])
        for name in [name for name in sys.modules if name.partition(".")[0] == "kospan_runtime"]:
            monkeypatch.delitem(sys.modules, name)
        spec = importlib.util.spec_from_file_location("handler", folder / "handler.py")
        loose = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loose)
        return loose.EndpointHandler(str(folder))

    return build


def entities(found: list[dict]) -> list[Span]:
    return [Span(each["start"], each["end"], each["entity_group"], each["score"]) for each in found]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_release_holds_the_exported_model_and_its_handler_runs_it(
    precision, make_token_classifier, texts, tmp_path, handler_of, capsys
):
    model = make_token_classifier(encoder_input="units", lstm_hidden_size=6)
    folder = save_run(model, tmp_path / "run", texts)
    words = ["push", str(folder), "--repo_id", "mina/tiny", "--dry_run", str(tmp_path / "dry")]
    assert main([*words, "--onnx", *([precision] if precision == "int8" else [])]) == 0
    assert "onnx/model.onnx" in capsys.readouterr().out
    release = tmp_path / "dry" / "model"
    exported = load(release / "onnx")
    assert exported.precision == precision
    card = (release / "README.md").read_text(encoding="utf-8")
    assert f"as an ONNX graph in {precision}" in card and "kospan_runtime.load(folder)" in card
    assert 'snapshot_download("mina/tiny", allow_patterns="onnx/*") + "/onnx"' in card
    assert f"같은 모델을 {precision} ONNX 그래프로 내보낸" in card
    handler = handler_of(release)
    handler.model.encoder.forward = None
    found = handler({"inputs": texts})
    assert any(found)
    for own, wanted in zip(found, exported.extract(texts), strict=True):
        close(entities(own), wanted)


def test_the_handler_of_a_reader(make_qa_model, texts, tmp_path, handler_of):
    model = make_qa_model(encoder_input="units", lstm_hidden_size=6)
    folder = save_qa_run(model, tmp_path / "run", [("누가?", texts[0]), ("어디?", texts[1])])
    words = ["push", str(folder), "--repo_id", "mina/tiny", "--dry_run", str(tmp_path / "dry"), "--onnx"]
    assert main(words) == 0
    handler = handler_of(tmp_path / "dry" / "model")
    handler.model.encoder.forward = None
    found = handler({"inputs": {"question": "누가?", "context": texts[0]}})
    [wanted] = model.answer("누가?", texts[0])
    assert (found["start"], found["end"]) == wanted[:2] and found["score"] == pytest.approx(wanted.score, abs=1e-4)


def test_without_the_option_nothing_is_exported(make_token_classifier, texts, tmp_path):
    folder = save_run(make_token_classifier(encoder_input="units"), tmp_path / "run", texts)
    assert main(["push", str(folder), "--repo_id", "mina/tiny", "--dry_run", str(tmp_path / "dry")]) == 0
    release = tmp_path / "dry" / "model"
    assert not (release / "onnx").exists()
    assert "ONNX" not in (release / "README.md").read_text(encoding="utf-8")


def test_a_handler_without_the_exported_model_says_so(make_token_classifier, tmp_path, handler_of):
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    with pytest.raises(
        ValueError, match=r"expected an exported model in .* for KOSPAN_ONNX=1, found none; publish with"
    ):
        handler_of(tmp_path / "model")


def test_a_model_that_cannot_be_exported_is_not_published(make_token_classifier, texts, tmp_path, capsys):
    with pytest.warns(UserWarning, match="oracle"):
        model = make_token_classifier(
            encoder_input="units", head="positional", head_options={"oracle": True, "heads": 2}
        )
        model.prepare()
        folder = save_run(model, tmp_path / "run", texts)
        words = ["push", str(folder), "--repo_id", "mina/tiny", "--dry_run", str(tmp_path / "dry"), "--onnx"]
        assert "oracle: true, which reads gold labels" in refused(words, capsys)
    assert not (tmp_path / "dry").exists()
