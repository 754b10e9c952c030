"""Loading of exported folders: without torch, as loose files, and refusals."""

import json
import subprocess
import sys

import onnx
import pytest
from export_cases import exported_folder
from ngram_cases import NGRAM_SETTINGS, with_ngrams
from time_limits import SECONDS

from kospan.runtime import load

# Refuses every package but those that a target machine needs, and kospan where it is not named.
BLOCKED = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}.split():
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
{code}
print("FOUND" + json.dumps(found))
"""
OTHERS = "torch transformers huggingface_hub safetensors scipy regex onnx sklearn pandas"


def found_by(code: str, folder, *words: str, blocked: str = OTHERS):
    """The value of `found` after running code in a process with blocked packages."""
    command = [sys.executable, "-c", BLOCKED.format(code=code, blocked=blocked), folder, *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("FOUND")[2])


def same(found, wanted) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one[:3] == list(other[:3]) and one[3] == pytest.approx(other[3], abs=1e-4)


@pytest.mark.parametrize("package", ["kospan.runtime", "kospan_runtime"])
def test_extraction_without_torch(package, make_token_classifier, texts, tmp_path):
    model = with_ngrams(make_token_classifier(encoder_input="units", lstm_hidden_size=6, **NGRAM_SETTINGS))
    folder = exported_folder(model, tmp_path / "exported")
    code = f"import {package} as runtime\nmodel = runtime.load(sys.argv[1])\n"
    code += "found = [list(span) for span in model.extract(sys.argv[2])]"
    blocked = OTHERS + (" kospan" if package == "kospan_runtime" else "")
    wanted = model.extract(texts[0])
    assert wanted
    same(found_by(code, folder, texts[0], blocked=blocked), wanted)


def test_other_tasks_as_loose_files(make_qa_model, make_text_classifier, texts, tmp_path):
    reader, classifier = make_qa_model(encoder_input="units"), make_text_classifier(encoder_input="units")
    wanted = [*reader.answer("누가?", texts[0]), classifier.classify(texts[0])]
    folders = [exported_folder(reader, tmp_path / "qa"), exported_folder(classifier, tmp_path / "classes")]
    code = "import kospan_runtime\nreader, classifier = map(kospan_runtime.load, sys.argv[1:3])\n"
    code += "found = [*reader.answer('누가?', sys.argv[3]), classifier.classify(sys.argv[3])]"
    same(found_by(code, *folders, texts[0], blocked=f"{OTHERS} kospan"), wanted)


def test_a_folder_without_its_ngrams_is_refused(make_token_classifier, tmp_path):
    model = with_ngrams(make_token_classifier(encoder_input="units", **NGRAM_SETTINGS))
    folder = exported_folder(model, tmp_path / "exported")
    (folder / "character_ngrams.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no character_ngrams\.txt there"):
        load(folder)


@pytest.fixture
def exported(make_token_classifier, tmp_path):
    return exported_folder(make_token_classifier(encoder={"num_hidden_layers": 0}), tmp_path / "exported")


def test_folder_of_another_version_is_refused(exported):
    settings = json.loads((exported / "runtime.json").read_text(encoding="utf-8"))
    (exported / "runtime.json").write_text(json.dumps(settings | {"format_version": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected format version 1 in .*, got 2; export the model again"):
        load(exported)


def test_another_type_of_model_is_refused(exported):
    settings = json.loads((exported / "runtime.json").read_text(encoding="utf-8"))
    (exported / "runtime.json").write_text(json.dumps(settings | {"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected model_type to be one of kospan-token-.*, got 'bert'; export"):
        load(exported)


@pytest.mark.parametrize("version", ["2", None])
def test_graph_of_another_version_is_refused(exported, version):
    graph = onnx.load(exported / "model.onnx")
    onnx.helper.set_model_props(graph, {"kospan_format_version": version} if version else {})
    onnx.save(graph, exported / "model.onnx")
    with pytest.raises(ValueError, match=rf"expected a graph of format version 1 in .*, got {version or 'a graph'}"):
        load(exported)


@pytest.mark.parametrize("name", ["runtime.json", "model.onnx", "config.json", "tokenizer.json"])
def test_missing_file_is_named(exported, name):
    (exported / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"expected an exported model in .*, found no {name} there"):
        load(exported)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "expected settings of an exported model"), ("[]", "got a list"), ("{}", "format_version")],
)
def test_damaged_settings_are_an_error(exported, text, message):
    (exported / "runtime.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load(exported)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_damaged_file_is_an_error_that_names_it(exported, name):
    content = (exported / name).read_bytes()
    (exported / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"expected a whole file {name}"):
        load(exported)


@pytest.mark.parametrize("threads", [0, True, 1.5])
def test_threads_are_counted(exported, threads):
    with pytest.raises(ValueError, match=r"threads to be a whole number of 1 or more, got .*; leave it out for all"):
        load(exported, threads=threads)
