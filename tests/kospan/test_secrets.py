"""Canaries in place of secrets: no file and no line that kospan writes holds one."""

import base64
import functools
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from local_hub import OWNER_TOKEN, local_hub, online  # noqa: F401
from time_limits import SECONDS

from kospan import redaction
from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.hub import publish as publishing
from kospan.hub import publisher
from kospan.hub.hub import Hub
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe, save_recipe

ENVIRONMENT = {
    "WANDB_API_KEY": "canary-of-wandb-1",
    "MY_SECRET": "canary-of-mine-2",
    "GITHUB_TOKEN": "canary-of-github-3",
    "KOSPAN_API_KEYS": "canary-of-server-4,canary-of-server-5",
}
PASSWORD = "canary-password-6"
CANARIES = [OWNER_TOKEN, PASSWORD, *(each for value in ENVIRONMENT.values() for each in value.split(","))]


@pytest.fixture
def secrets(monkeypatch):
    """Canaries in the environment; nothing is remembered from other tests."""
    monkeypatch.setattr(redaction, "_REMEMBERED", set())
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def check(folder: Path, text: str = "") -> int:
    """Search all files below a folder, and a text; return the number of files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {str(path): path.read_bytes() for path in files} | {"the output": text.encode()}
    for name, content in contents.items():
        found = [canary for canary in CANARIES if canary.encode() in content]
        assert not found, (name, found)
    return len(files)


@pytest.fixture
def recipe(tmp_path):
    """A recipe of a tiny run with a password in an address and all secrets in a name."""
    examples = [
        Example(f"e-{at}", f"{name} 회장이 {place}에서 말했다.", (Span(0, 3, "PS"), Span(8, 10, "LC")))
        for at, (name, place) in enumerate((name, place) for name in ("이재용", "김민수") for place in ("서울", "부산"))
    ]
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "data.jsonl", examples)
    settings = {
        "dataset": "jsonl",
        **{f"{split}_file": str(tmp_path / "data" / "data.jsonl") for split in ("train", "validation")},
        "encoder_options": {"num_hidden_layers": 0, "hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2},
        **{"encoder_input": "units", "max_length": 40, "stride": 8, "lstm_hidden_size": 8, "use_cpu": True},
        **{"learning_rate": 0.03, "max_steps": 2, "save_strategy": "steps", "save_steps": 2, "report_to": "none"},
        **{"eval_strategy": False, "load_best_model_at_end": False},
        **{"push_to_hub": True, "hub_model_id": "mina/tiny", "hub_token": OWNER_TOKEN},
        "run_name": f"https://kim:{PASSWORD}@host/run {' '.join(ENVIRONMENT.values())}",
        "output_dir": str(tmp_path / "out"),
    }
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "tiny.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return tmp_path / "in" / "tiny.yaml"


def test_train_report_and_push(recipe, secrets, local_hub, online, monkeypatch, capfd, tmp_path):  # noqa: F811
    monkeypatch.setattr(publisher, "Hub", functools.partial(Hub, sleep=lambda seconds: None))
    monkeypatch.setattr(publishing, "verify", lambda folder, predictions, calls, hub: 1)
    out, report = tmp_path / "out", tmp_path / "report"
    assert main(["train", str(recipe)]) == 0
    data = str(tmp_path / "data" / "data.jsonl")
    assert main(["analyze", str(out), "--data", data, "--output", str(report)]) == 0
    assert main(["push", str(out), "--repo_id", "mina/tiny", "--token", OWNER_TOKEN]) == 0
    said = capfd.readouterr()
    assert check(out, said.out + said.err) > 15 and check(report) > 0
    for (_, name), repository in local_hub.repos.items():
        for commit in repository.history():
            for path, blob in commit.files.items():
                assert not any(canary.encode() in blob.data for canary in CANARIES), (name, path)
    names = {path.name for path in out.iterdir()}
    assert {"recipe.yaml", "README.md", "training_record.json", "config.json", "predictions.jsonl"} <= names
    assert yaml.safe_load((out / "recipe.yaml").read_text(encoding="utf-8"))["run_name"].startswith(
        "https://<redacted>@"
    )


def test_a_saved_recipe(recipe, secrets, tmp_path):
    (tmp_path / "saved").mkdir()
    save_recipe(load_recipe(recipe), tmp_path / "saved" / "recipe.yaml")
    check(tmp_path / "saved")
    saved = load_recipe(tmp_path / "saved" / "recipe.yaml")
    assert "hub_token" not in saved.trainer and saved.lstm_hidden_size == 8


def test_messages_of_errors(secrets, capsys, tmp_path):
    secret = ENVIRONMENT["WANDB_API_KEY"]
    for words in (["predict", "model", f"https://kim:{PASSWORD}@host/a.txt"], ["train", f"{secret}.yaml"]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "<redacted>" in said and "expected" in said
        check(tmp_path, said)


def test_a_traceback(secrets):
    program = (
        "import sys, os\nfrom kospan import cli\n"
        "def fail(arguments):\n    raise RuntimeError('Bearer ' + os.environ['MY_SECRET'])\n"
        "cli._module('unmask').run = fail\n"
        "import importlib; module = importlib.import_module('kospan.cli.unmask'); module.run = fail\n"
        "sys.exit(cli.main(['unmask', 'a', '--alias_file', 'b']))\n"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "RuntimeError: Bearer <redacted>" in done.stderr
    check(Path("/nonexistent"), done.stdout + done.stderr)


def test_an_unfinished_run_of_a_study(secrets, tmp_path, capsys):
    from kospan.ablation.child import error_line

    assert error_line(ValueError(f"got {ENVIRONMENT['MY_SECRET']}"), tmp_path) == "got <redacted>"


def test_trackers_log_no_secret(recipe, secrets):
    from kospan.run import _build_task

    _, _, arguments = _build_task(load_recipe(recipe))
    logged = json.dumps(arguments.to_dict(), default=str)
    assert OWNER_TOKEN not in logged and "lstm_hidden_size" in logged


def test_the_key_of_masks(make_token_classifier, texts, secrets, tmp_path, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    key = b"canary-key-of-masks-0123456789"
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_bytes(key)
    (tmp_path / "private" / "key").chmod(0o600)
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    words = ["mask", str(tmp_path / "model"), str(tmp_path / "out" / "a.txt"), "--rules", "none", "--policy", "hash"]
    words += ["--key_file", str(tmp_path / "private" / "key"), "--output", str(tmp_path / "out" / "b.txt")]
    assert main(words) == 0
    said = capsys.readouterr()
    written = (tmp_path / "out" / "b.txt").read_text(encoding="utf-8")
    assert re.search(r"\[[A-Z]+_[0-9a-f]{16}\]", written)
    for form in (key.decode(), key.hex(), base64.b64encode(key).decode()):
        assert form not in said.out + said.err + caplog.text + written
