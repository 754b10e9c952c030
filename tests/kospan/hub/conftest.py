"""A run to publish, once published for all tests that only read it, and a Hub on this machine."""

import shutil
from pathlib import Path

import pytest
from local_hub import OWNER_TOKEN, READER_TOKEN, LocalHub, chain, local_hub, online, unused_address  # noqa: F401
from publish_cases import KEPT
from release_cases import command, save_run

from kospan.hub import publish as publishing
from kospan.hub.hub import Hub

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def closed():
    """Closes the hub that some tests share."""
    yield
    if "hub" in KEPT:
        KEPT["hub"].close()
    KEPT.clear()


@pytest.fixture
def run_folder(make_token_classifier, texts, tmp_path, tmp_path_factory) -> Path:
    """Output folder of a run; made once, a copy for each test."""
    if "run" not in KEPT:
        KEPT["run"] = save_run(
            make_token_classifier(encoder_input="units"), tmp_path_factory.mktemp("run") / "ner_model", texts
        )
    return shutil.copytree(KEPT["run"], tmp_path / "ner_model")


@pytest.fixture
def published(run_folder, tmp_path, tmp_path_factory):
    """A Hub to which push_to_hub.py has pushed, once for all tests that only read it, and what the command printed."""
    if "hub" not in KEPT:
        hub = KEPT["hub"] = LocalHub()
        words = [
            ROOT / "push_to_hub.py",
            KEPT["run"],
            "--repo_id",
            "ner_model",
            "--space",
            "page",
            "--predictions",
        ]
        KEPT["push"] = command(words, hub.environment(tmp_path_factory.mktemp("home")), tmp_path)
    assert KEPT["push"].returncode == 0, KEPT["push"].stderr
    return KEPT["hub"], KEPT["push"]


@pytest.fixture
def checked(monkeypatch) -> list[Path]:
    """Spares the fresh process where a test is about what comes around it; gives the folders it was asked for."""
    asked: list[Path] = []

    def verify(folder, predictions, calls, hub=None):
        asked.append(folder)
        return len(Path(predictions).read_text(encoding="utf-8").splitlines())

    monkeypatch.setattr(publishing, "verify", verify)
    return asked


@pytest.fixture
def hub(local_hub, online) -> Hub:  # noqa: F811
    return Hub(OWNER_TOKEN, local_hub.url, sleep=lambda seconds: None)
