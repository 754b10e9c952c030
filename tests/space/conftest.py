"""Tiny models saved to folders, published copies of the Space that serve them, and a visitor's browser."""

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
from time_limits import SECONDS

ROOT = Path(__file__).resolve().parents[2]
# The Space's files lie beside each other and import each other by their bare names, as in a published Space.
sys.path.insert(0, str(ROOT / "space"))

LABELS = ["PS", "LC", "creative-work"]


@pytest.fixture(scope="session")
def ner_folder(tmp_path_factory) -> Path:
    """A tiny ner_model with two layers of attention; one of its labels is none of KLUE's."""
    from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
    from kospan.modeling.tags import tag_names

    tags = tag_names(LABELS)
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: at for at, tag in enumerate(tags)}}
    return tiny(
        KospanForTokenClassification,
        KospanTokenClassificationConfig,
        tmp_path_factory.mktemp("ner_model") / "tiny",
        **names,
    )


def tiny(kind, config, folder: Path, **settings) -> Path:
    """Saves a tiny model of a kind, with weights large enough to tell texts apart."""
    from kospan.tasks.encoders import character_tokenizer

    torch.manual_seed(1)
    tokenizer = character_tokenizer([KOREAN])
    encoder = transformers.ElectraConfig(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    model = kind(config(encoder_config=encoder, max_length=64, stride=8, encoder_input="units", **settings))
    model.tokenizer = tokenizer
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6.0)
    model.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ner_model(ner_folder):
    """The same model in this process."""
    from kospan.modeling import KospanForTokenClassification

    return KospanForTokenClassification.from_pretrained(ner_folder).eval()


@pytest.fixture(scope="session")
def qa_folder(tmp_path_factory) -> Path:
    """A tiny qa_model that knows of questions without an answer."""
    from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig

    folder = tmp_path_factory.mktemp("qa_model") / "tiny"
    return tiny(
        KospanForQuestionAnswering,
        KospanQuestionAnsweringConfig,
        folder,
        max_query_length=24,
        allow_no_answer=True,
        exact_match_feature=True,
    )


@pytest.fixture(scope="session")
def qa_model(qa_folder):
    """The same model in this process."""
    from kospan.modeling import KospanForQuestionAnswering

    return KospanForQuestionAnswering.from_pretrained(qa_folder).eval()


def publish(folder: Path, model: Path) -> Path:
    """The Space as it is published: its files, kospan/modeling/ and space.json in one folder."""
    shutil.copytree(ROOT / "space", folder, ignore=shutil.ignore_patterns("__pycache__"))
    code = folder / "kospan" / "modeling"
    shutil.copytree(ROOT / "modeling", code, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "kospan" / "__init__.py").touch()
    (folder / "space.json").write_text(json.dumps({"model": str(model)}), encoding="utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Scripted:
    """A model that does what a test needs: finds the whole text, fails, or waits for a signal."""

    def __init__(self, model):
        self.config, self.inspect = model.config, getattr(model, "inspect", None)
        self.started, self.go_on = threading.Event(), threading.Event()

    def extract(self, texts: list[str]) -> list[list[tuple]]:
        if "실패" in texts[0]:
            raise RuntimeError("a secret of the server")
        if "기다려" in texts[0]:
            self.started.set()
            self.go_on.wait(SECONDS)
        return [[(0, len(text), "PS", 0.75)] for text in texts]


class ScriptedQA(Scripted):
    """The same for a question answering model: the whole text is the answer, or a less probable one than none."""

    def answer(self, questions: list[str], contexts: list[str], top_k: int, threshold: float, **_) -> list:
        from kospan.modeling.question_answering_methods import AnswerScores

        found = []
        for text, [(start, end, _, score)] in zip(contexts, self.extract(contexts)):
            even = [1 / len(text)] * len(text)
            answers = [(start, end, "answer", score)]
            if "없음" in text:
                answers = [(0, 0, "answer", 0.875), (start, end, "answer", 0.125)]
            found.append(AnswerScores(answers[:top_k], even, even, 1 - score))
        return found


def page_in_here(tabs, model):
    """A page over a scripted model with room for one call, in this process: `(address, model)`."""
    from page import build_page, launch

    port = free_port()
    blocks = build_page(tabs.serves(model, "tiny", places=1), tabs.build)
    launch(blocks, port, wait=False)
    yield f"http://127.0.0.1:{port}", model
    blocks.close()


@pytest.fixture(scope="session")
def scripted(ner_model):
    import token_classification as tabs

    yield from page_in_here(tabs, Scripted(ner_model))


@pytest.fixture(scope="session")
def scripted_qa(qa_model):
    import question_answering as tabs

    yield from page_in_here(tabs, ScriptedQA(qa_model))


@pytest.fixture(scope="session")
def address(ner_folder, tmp_path_factory):
    """Address of a published copy that serves the token classifier."""
    yield from serve(ner_folder, tmp_path_factory)


@pytest.fixture(scope="session")
def qa_address(qa_folder, tmp_path_factory):
    """Address of a published copy that serves the question answering model."""
    yield from serve(qa_folder, tmp_path_factory)


def serve(model: Path, tmp_path_factory):
    """A published copy in a process of its own, started in another folder: its address."""
    published = publish(tmp_path_factory.mktemp("published") / "space", model)
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
        process.wait(SECONDS)
        log.close()
    # Whatever visitors sent, nothing went wrong inside the server.
    assert "Traceback" not in (elsewhere / "log").read_text(encoding="utf-8")


@pytest.fixture
def open_page(browser):
    """Opens an address; at the end nobody outside was asked for anything, and the console holds no error."""
    wrong, pages = [], []

    def open_page(address: str, query: str = ""):
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        own = (address, "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(own) else wrong.append(request.url))
        page.goto(f"{address}/{query}")
        page.wait_for_selector("#result .marked-text")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not wrong
