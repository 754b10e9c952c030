"""A saved folder, loaded in a fresh process with torch and transformers alone, in another directory, gives equal
spans."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONSUMER = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kospan", "modeling", "torchcrf", "seqeval", "evaluate"):
            raise ModuleNotFoundError(f"not for a consumer: {name}", name=name)
sys.meta_path.insert(0, Refuse())
import transformers
from transformers import AutoModel, AutoModelForTokenClassification
folder, texts = sys.argv[1], json.loads(sys.argv[2])
found = {"version": transformers.__version__}
for auto in (AutoModel, AutoModelForTokenClassification):
    model = auto.from_pretrained(folder, trust_remote_code=True)
    found[auto.__name__] = [[list(span) for span in spans] for spans in model.extract(texts)]
    found["tokenizer"] = model.tokenizer is not None
    views = model.inspect(texts[0]).windows
    found["layers"] = len(views[0].attentions)
model.save_pretrained(sys.argv[3])
again = AutoModel.from_pretrained(sys.argv[3], trust_remote_code=True)
found["again"] = [[list(span) for span in spans] for spans in again.extract(texts)]
print("FOUND" + json.dumps(found))
"""


def consume(python: str, folder: Path, tmp_path: Path, texts: list[str]) -> dict:
    """What a stranger's process finds: nothing of ours on its path, an empty cache, another directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_MODULES_CACHE")}
    environment |= {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [python, "-c", CONSUMER, str(folder), json.dumps(texts), str(tmp_path / "resaved")]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("FOUND")[2])


@pytest.fixture(params=["crf over units", "linear over subwords"])
def saved(request, make_tagger, tmp_path, texts):
    settings = {
        "crf over units": {"head": "crf", "encoder_input": "units", "recurrent_size": 8, "scheme": "BIOES"},
        "linear over subwords": {"head": "linear", "encoder_input": "subwords", "window": 16, "stride": 4},
    }[request.param]
    model = make_tagger(**settings)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model", [[list(span) for span in spans] for spans in model.extract(texts)]


def same(found: list, expected: list) -> None:
    for ours, theirs in zip(expected, found, strict=True):
        assert [span[:3] for span in ours] == [span[:3] for span in theirs]
        assert [span[3] for span in theirs] == pytest.approx([span[3] for span in ours], abs=1e-5)


def check(found: dict, expected: list) -> None:
    assert any(expected), "a model that finds nothing would prove nothing"
    for name in ("AutoModel", "AutoModelForTokenClassification", "again"):
        same(found[name], expected)
    assert found["tokenizer"] and found["layers"] == 1


def test_loads_anywhere_on_this_version(saved, tmp_path, texts):
    folder, expected = saved
    check(consume(sys.executable, folder, tmp_path, texts), expected)


def test_loads_anywhere_on_transformers_4(saved, tmp_path, texts):
    python = os.environ.get("KOSPAN_TRANSFORMERS_4")
    if not python:
        assert not os.environ.get("CI"), "CI must name a Python with transformers 4.51 in KOSPAN_TRANSFORMERS_4"
        pytest.skip("set KOSPAN_TRANSFORMERS_4 to a Python with torch and transformers 4.51")
    folder, expected = saved
    found = consume(python, folder, tmp_path, texts)
    assert found["version"].startswith("4.51")
    check(found, expected)
