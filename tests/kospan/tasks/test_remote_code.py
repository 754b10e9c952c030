"""Folders with Python code of their own: no command runs it, whatever its files say, and the error says so."""

import json
import subprocess
import sys

import pytest
from release_cases import save_generative_run
from time_limits import SECONDS
from transformers import AutoConfig, ElectraConfig, ElectraModel

import kospan
from kospan.cli import main
from kospan.modeling.base_models import ADAPTER
from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.tasks.encoders import load_config, load_tokenizer

CODE = "from pathlib import Path\nPath({path!r}).write_text('ran')\nfrom transformers import PretrainedConfig\n"
CODE += "class EvilConfig(PretrainedConfig):\n    model_type = 'evil'\n"
REFUSED = "needs Python code of its own; no setting makes kospan run it"


@pytest.fixture
def evil(tmp_path):
    """A folder whose config names a class in its own Python file, and asks to be trusted."""
    folder = tmp_path / "evil"
    folder.mkdir()
    config = {"model_type": "evil", "trust_remote_code": True, "auto_map": {"AutoConfig": "code.EvilConfig"}}
    config |= {"architectures": ["EvilForTokenClassification"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "code.py").write_text(CODE.format(path=str(tmp_path / "ran.txt")), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path):
    """After each test, the code of the folder has not run."""
    yield
    assert not (tmp_path / "ran.txt").exists()


def test_a_model(evil):
    with pytest.raises(ValueError, match=REFUSED):
        kospan.load(evil)


def test_an_encoder(evil):
    with pytest.raises(ValueError, match=REFUSED):
        load_config(str(evil), {})
    with pytest.raises(ValueError, match=REFUSED):
        build_trainer(load_recipe(None, {"encoder": str(evil), "dataset": "sample"}))


def test_a_tokenizer(tmp_path, evil):
    sizes = {"embedding_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    ElectraModel(ElectraConfig(vocab_size=9, intermediate_size=8, **sizes)).save_pretrained(tmp_path / "encoder")
    config = {"tokenizer_class": "EvilTokenizer", "auto_map": {"AutoTokenizer": ["code.EvilTokenizer", None]}}
    (tmp_path / "encoder" / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "encoder" / "code.py").write_bytes((evil / "code.py").read_bytes())
    with pytest.raises((ValueError, FileNotFoundError)):  # Without its code there is no tokenizer.
        load_tokenizer(str(tmp_path / "encoder"))


def predict(folder, tmp_path) -> subprocess.CompletedProcess:
    """`kospan predict` with a pipe that answers yes."""
    (tmp_path / "texts.txt").write_text("서울\n", encoding="utf-8")
    words = [sys.executable, "-m", "kospan", "predict", str(folder), str(tmp_path / "texts.txt")]
    return subprocess.run(words, input="y\ny\n", capture_output=True, encoding="utf-8", timeout=SECONDS)


def test_no_question_on_the_terminal_is_answered_by_a_pipe(evil, tmp_path):
    done = predict(evil, tmp_path)
    assert done.returncode == 2 and REFUSED in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("is_adapter", [True, False])
def test_a_generative_model(evil, tmp_path, is_adapter):
    """The code of a whole model or of an adapter's base; a pipe answers the question of transformers."""
    folder, base = save_generative_run(tmp_path)
    place = base if is_adapter else folder
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "code.EvilConfig", "AutoModelForCausalLM": "code.Evil"}}
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (place / "code.py").write_bytes((evil / "code.py").read_bytes())
    if is_adapter:
        adapter = json.loads((folder / ADAPTER).read_text(encoding="utf-8")) | {"base_model_name_or_path": str(base)}
        (folder / ADAPTER).write_text(json.dumps(adapter), encoding="utf-8")
    else:
        (folder / ADAPTER).unlink()
    done = predict(folder, tmp_path)
    assert done.returncode == 2 and REFUSED in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["trust_remote_code: true", "encoder_options: {trust_remote_code: true}"])
def test_recipes_and_flags(evil, tmp_path, capsys, form):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"encoder: {evil}\ndataset: sample\n{form}\n", encoding="utf-8")
    assert main(["train", str(recipe), "--output_dir", str(tmp_path / "out")]) == 2
    assert "trust_remote_code" in capsys.readouterr().err or form.startswith("encoder_options")
    with pytest.raises(ValueError, match=r"flags: expected no trust_remote_code, got it"):
        load_recipe(None, {"trust_remote_code": "true"})


def test_a_config_of_ours_that_asks_to_be_trusted(make_token_classifier, texts, tmp_path, evil):
    model = make_token_classifier()
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["trust_remote_code"] = config["encoder_config"]["trust_remote_code"] = True
    config["encoder_config"]["auto_map"] = {"AutoModel": "code.EvilConfig", "AutoConfig": "code.EvilConfig"}
    path.write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "model" / "code.py").write_bytes((evil / "code.py").read_bytes())
    assert kospan.load(tmp_path / "model").extract(texts) == model.extract(texts)


def test_python_callers_may_trust(evil, tmp_path):
    config = AutoConfig.from_pretrained(evil, trust_remote_code=True)
    assert type(config).__name__ == "EvilConfig" and (tmp_path / "ran.txt").exists()
    (tmp_path / "ran.txt").unlink()
