"""A tiny tagger saved to a folder, a published copy of the Space that serves it, and a headless browser."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import transformers
from space_cases import KOREAN

ROOT = Path(__file__).resolve().parents[2]
# The Space's files lie beside each other and import each other by their bare names, as in a published Space.
sys.path.insert(0, str(ROOT / "space"))

LABELS = ["PS", "LC", "creative-work"]


@pytest.fixture(scope="session")
def tagger_folder(tmp_path_factory) -> Path:
    """A tiny tagger with two layers of attention; one of its labels is none of KLUE's."""
    from kospan.tasks.encoders import character_tokenizer
    from modeling import SpanTagger, SpanTaggerConfig
    from modeling.tags import tag_names

    torch.manual_seed(1)
    tokenizer, tags = character_tokenizer([KOREAN]), tag_names(LABELS)
    encoder = transformers.ElectraConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: at for at, tag in enumerate(tags)}}
    model = SpanTagger(SpanTaggerConfig(encoder_config=encoder, window=64, stride=8, encoder_input="units", **names))
    model.tokenizer = tokenizer
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6.0)
    folder = tmp_path_factory.mktemp("tagger") / "tiny"
    model.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tagger(tagger_folder):
    """The same model in this process."""
    from modeling import SpanTagger

    return SpanTagger.from_pretrained(tagger_folder).eval()


@pytest.fixture(scope="session")
def published(tagger_folder, tmp_path_factory) -> Path:
    """The Space as it is published: its files, modeling/ and space.json in one folder."""
    folder = tmp_path_factory.mktemp("published") / "space"
    shutil.copytree(ROOT / "space", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "modeling", folder / "modeling", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "space.json").write_text(json.dumps({"model": str(tagger_folder)}), encoding="utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Scripted:
    """A model that does what a test needs: finds the whole text, fails, or waits until it is told to go on."""

    def __init__(self, tagger):
        self.config, self.inspect = tagger.config, tagger.inspect
        self.started, self.go_on = threading.Event(), threading.Event()

    def extract(self, texts: list[str]) -> list[list[tuple]]:
        if "실패" in texts[0]:
            raise RuntimeError("a secret of the server")
        if "기다려" in texts[0]:
            self.started.set()
            self.go_on.wait(60)
        return [[(0, len(text), "PS", 0.75)] for text in texts]


@pytest.fixture(scope="session")
def scripted(tagger):
    """A page over a scripted model with room for one call, in this process: `(address, model)`."""
    from page import build_page, launch
    from served import Served
    from tagger import build

    model, port = Scripted(tagger), free_port()
    blocks = build_page(Served(model, "tiny", places=1), build)
    launch(blocks, port, wait=False)
    yield f"http://127.0.0.1:{port}", model
    blocks.close()


@pytest.fixture(scope="session")
def address(published, tmp_path_factory):
    """Where the published copy answers; a process of its own, started in another folder."""
    elsewhere, port = tmp_path_factory.mktemp("elsewhere"), free_port()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(elsewhere / "cache"),
        "GRADIO_TEMP_DIR": str(elsewhere / "gradio"),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    log = (elsewhere / "log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(published / "app.py"), "--port", str(port), "--share", "false"],
        cwd=elsewhere,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
    )
    try:
        for line in process.stdout:
            if "Running on" in line:
                break
        else:
            pytest.fail((elsewhere / "log").read_text(encoding="utf-8")[-3000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()
    # Whatever visitors sent, nothing went wrong inside the server.
    assert "Traceback" not in (elsewhere / "log").read_text(encoding="utf-8")
