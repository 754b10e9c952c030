"""Tiny seeded models and texts for all tests; nothing here needs a network."""

import math
import os
import shutil

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# On a busy machine even an answer of this machine may take longer than the ten seconds that the client waits.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "900")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "900")

import pytest
import torch
import transformers
from hypothesis import HealthCheck, settings
from time_limits import SECONDS

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
# No example has to be quick, and data may be slow to make: that is the machine, not the code.
settings.register_profile("kospan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kospan")

TEXTS = [
    "이재용 회장이 서울에서 회의를 열었다.",
    "김연아는 지난해 3월 5일 부산 사직 체육관을 찾았다.",
    "오후 세 시 반, 국립 중앙 도서관에 스물세 명이 모였다.",
    "비가 온다.",
    "한국은행이 금리를 0.25%포인트 올렸다고 박민수 기자가 전했다.",
]
LABELS = ["PS", "LC", "OG"]


def pytest_runtest_setup(item):
    """Tests of optional packages are skipped where these are missing, see `optional_cases`."""
    from optional_cases import needs

    for marker in item.iter_markers("optional"):
        needs(*marker.args)


@pytest.fixture
def texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture
def character_tokenizer():
    from kospan.tasks.encoders import character_tokenizer

    return character_tokenizer(TEXTS)


@pytest.fixture
def make_token_classifier(character_tokenizer):
    """Builds a tiny token classifier; keyword arguments are settings of its config, `encoder` those of its ELECTRA."""
    from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
    from kospan.modeling.tags import tag_names

    def build(seed: int = 0, encoder: dict | None = None, labels: list[str] = LABELS, **settings):
        torch.manual_seed(seed)
        tokenizer = settings.pop("tokenizer", character_tokenizer)
        tags = tag_names(list(labels), settings.get("scheme", "BIO"))
        config = KospanTokenClassificationConfig(
            encoder_config=tiny_electra(tokenizer, encoder),
            id2label=dict(enumerate(tags)),
            label2id={tag: at for at, tag in enumerate(tags)},
            **{"max_length": 64, "stride": 8, "dropout": 0.0, **settings},
        )
        return with_large_weights(KospanForTokenClassification(config), tokenizer)

    return build


@pytest.fixture
def make_qa_model(character_tokenizer):
    """Builds a tiny reader, as `make_token_classifier` does."""
    from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig

    def build(seed: int = 0, encoder: dict | None = None, **settings):
        torch.manual_seed(seed)
        tokenizer = settings.pop("tokenizer", character_tokenizer)
        config = KospanQuestionAnsweringConfig(
            encoder_config=tiny_electra(tokenizer, encoder),
            **{
                "max_length": 48,
                "stride": 8,
                "max_query_length": 16,
                "max_answer_length": 6,
                "dropout": 0.0,
                **settings,
            },
        )
        return with_large_weights(KospanForQuestionAnswering(config), tokenizer, 3.0)

    return build


@pytest.fixture
def make_text_classifier(character_tokenizer):
    """Builds a tiny classifier, as `make_token_classifier` does; `classes` names them."""
    from kospan.modeling import KospanForSequenceClassification, KospanSequenceClassificationConfig

    def build(seed: int = 0, encoder: dict | None = None, classes=("경제", "사회", "정치"), **settings):
        torch.manual_seed(seed)
        tokenizer = settings.pop("tokenizer", character_tokenizer)
        names = ["value"] if settings.get("problem_type") == "regression" else classes
        config = KospanSequenceClassificationConfig(
            encoder_config=tiny_electra(tokenizer, encoder),
            id2label=dict(enumerate(names)),
            **{"max_length": 48, "stride": 8, "dropout": 0.0, **settings},
        )
        return with_large_weights(KospanForSequenceClassification(config), tokenizer, 3.0)

    return build


def tiny_electra(tokenizer, encoder: dict | None) -> transformers.ElectraConfig:
    sizes = {
        "vocab_size": len(tokenizer),
        "embedding_size": 16,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    return transformers.ElectraConfig(**{**sizes, **(encoder or {})})


def with_large_weights(model, tokenizer, factor: float = 6.0):
    """Random weights of the usual size treat everything alike; larger ones make predictions worth comparing."""
    model.tokenizer = tokenizer
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(factor)
    return model.eval()


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium of the system. Without it the tests skip; where CI is set that is a failure."""

    def missing(what: str):
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {what} for the browser's tests")
        pytest.skip(f"the browser's tests need {what}")

    names = [os.environ.get("KOSPAN_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    program = next((path for name in names if name and (path := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright")
    if not program:
        missing("Chromium (apt-get install chromium), or its path in KOSPAN_CHROMIUM")
    with sync_playwright() as playwright:
        milliseconds = 1000 * SECONDS
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=milliseconds)
        yield PatientBrowser(started, milliseconds)
        started.close()


class PatientBrowser:
    """A browser whose pages wait for what is asked of them; left alone they would give up after 30 seconds.

    Args:
        browser: Playwright's browser.
        milliseconds: How long a page waits.
    """

    def __init__(self, browser, milliseconds: float):
        self.browser, self.milliseconds = browser, milliseconds

    def new_page(self, **settings):
        """A new page in a context of its own."""
        page = self.browser.new_page(**settings)
        page.set_default_timeout(self.milliseconds)
        return page


@pytest.fixture
def transformers_4() -> str:
    """A Python with transformers 4.51; without it the test skips; where CI is set that is a failure."""
    python = os.environ.get("KOSPAN_TRANSFORMERS_4")
    if not python:
        assert not os.environ.get("CI"), "CI must name a Python with transformers 4.51 in KOSPAN_TRANSFORMERS_4"
        pytest.skip("set KOSPAN_TRANSFORMERS_4 to a Python with torch and transformers 4.51")
    return python


@pytest.fixture(params=["linear", "log"])
def domain(request, monkeypatch):
    """Both ways of summing over paths, each in float64."""
    if request.param == "log":
        # Only the choice of the sweep: the log domain in float64 is what a CPU falls back to.
        monkeypatch.setattr("kospan.modeling.forward_backward.SMALLEST_SUM", math.inf)
    return request.param
