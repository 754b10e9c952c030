"""Requests: the handler of an endpoint and the server answer any body with a result or a named error."""

import asyncio
import json
from functools import cache
from unittest.mock import patch

import torch
from conftest import LABELS, tiny_electra, with_large_weights
from conftest import TEXTS as SENTENCES
from fuzz.cases import ACCEPTED, REFUSED, Target, checked, is_sentence
from fuzz.mutations import encoded, json_text, mutated, mutated_bytes, mutated_text, texts
from hypothesis import strategies as st
from serving_cases import client_of, of

from kospan.modeling import (
    KospanForQuestionAnswering,
    KospanForSequenceClassification,
    KospanForTokenClassification,
    KospanQuestionAnsweringConfig,
    KospanSequenceClassificationConfig,
    KospanTokenClassificationConfig,
)
from kospan.modeling.handler import EndpointHandler
from kospan.modeling.tags import tag_names
from kospan.tasks.encoders import character_tokenizer

TEXT = SENTENCES[0]
QUESTION = {"question": "누가 열었나?", "context": TEXT}
NER = [
    {"inputs": TEXT},
    {"inputs": [TEXT, ["Kim", "met", "Lee"]], "parameters": {"threshold": 0.1, "batch_size": 2}},
    {"inputs": TEXT, "parameters": {"aggregation_strategy": "none", "ignore_labels": ["O"], "stride": 3}},
    {"inputs": ["가", "나"], "parameters": {"is_split_into_words": True, "delimiter": " "}},
    {"inputs": TEXT, "parameters": {"decode": "posterior", "threshold": {"PS": 0.2}, "overlapping": False}},
    {"inputs": TEXT, "parameters": {"operating_point": "none"}, "options": {"wait_for_model": True}},
]
ANSWERS = [
    {"inputs": QUESTION},
    {"inputs": [QUESTION, QUESTION], "parameters": {"top_k": 3, "threshold": 0.0}},
    {
        "inputs": QUESTION,
        "parameters": {"doc_stride": 4, "max_seq_len": 40, "max_answer_len": 5, "max_question_len": 8},
    },
    {"inputs": QUESTION, "parameters": {"handle_impossible_answer": True, "align_to_words": False, "topk": 2}},
]
CLASSES = [
    {"inputs": TEXT},
    {"inputs": [{"text": TEXT, "text_pair": "둘째"}], "parameters": {"top_k": 2, "function_to_apply": "softmax"}},
    {"inputs": [TEXT, TEXT], "parameters": {"threshold": 0.5}},
]
MASKS = [
    {
        "inputs": f"{TEXT} 010-1234-5678로",
        "parameters": {"policy": {"PS": "alias", "PHONE": {"action": "partial", "keep_first": 1}}},
    },
    {"inputs": [TEXT], "parameters": {"policy": "replace", "rules": ["PHONE"], "threshold": 0.1, "particles": False}},
]
_XML = '<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="PS"/></Labels></View>'
TASKS = [{"label_config": _XML, "tasks": [{"id": 1, "data": {"text": TEXT}}, {"data": {"text": "비"}}], "params": {}}]
SETUP = [{"schema": _XML, "project": "1"}]
KEYS = ("inputs", "parameters", "options", "top_k", "threshold", "question", "context", "text", "text_pair", "policy")


@cache
def models() -> dict:
    """A tiny model of each task, by task."""
    tokenizer = character_tokenizer(SENTENCES)
    torch.manual_seed(0)
    tags = tag_names(LABELS)
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: at for at, tag in enumerate(tags)}}
    sizes = {"encoder_config": tiny_electra(tokenizer, None), "max_length": 48, "stride": 8, "dropout": 0.0}
    ner = KospanForTokenClassification(KospanTokenClassificationConfig(**sizes, **names))
    limits = {"max_query_length": 16, "max_answer_length": 6}
    reader = KospanForQuestionAnswering(KospanQuestionAnsweringConfig(**sizes, **limits))
    classes = KospanSequenceClassificationConfig(**sizes, id2label=dict(enumerate(("경제", "사회", "정치"))))
    classifier = KospanForSequenceClassification(classes)
    found = [with_large_weights(ner, tokenizer)]
    found += [with_large_weights(each, tokenizer, 3.0) for each in (reader, classifier)]
    return dict(zip(("token-classification", "question-answering", "text-classification"), found))


@cache
def handler_of(task: str) -> EndpointHandler:
    """The handler over one of the models, without a folder."""
    handler = object.__new__(EndpointHandler)
    handler.model = models()[task]
    handler.pipeline = handler.model.pipeline()
    return handler


def _strings(value) -> list[str]:
    """All texts in a value, and lists of words as one text."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if not isinstance(value, list):
        return []
    joined = [" ".join(value)] if value and all(isinstance(each, str) for each in value) else []
    return joined + [text for each in value for text in _strings(each)]


def check_offsets(found, body) -> None:
    """Check that every result with offsets has the text between them."""
    if isinstance(found, list):
        for each in found:
            check_offsets(each, body)
    elif isinstance(found, dict):
        surface = next((found[key] for key in ("word", "answer") if key in found), None)
        if "start" in found and surface is not None:
            given = _strings(body)
            assert any(text[found["start"] : found["end"]] == surface for text in given), (found, body)
        assert "score" not in found or 0 <= found["score"] <= 1 + 1e-6, found


@st.composite
def handler_cases(draw) -> dict:
    """A task and a body that is almost valid."""
    bodies = {"token-classification": NER, "question-answering": ANSWERS, "text-classification": CLASSES}
    task = draw(st.sampled_from(sorted(bodies)))
    return {"task": task, "body": draw(mutated(draw(st.sampled_from(bodies[task])), KEYS))}


def check_handler(case: dict) -> str:
    """Serve one request."""

    def run():
        found = handler_of(case["task"])(case["body"])
        json.dumps(found, allow_nan=False)
        check_offsets(found, case["body"])

    return checked(run)


ROUTES = {"/": NER + ANSWERS + CLASSES, "/extract": NER, "/answer": ANSWERS, "/classify": CLASSES, "/mask": MASKS}
STUDIO = {"/predict": TASKS, "/setup": SETUP, "/webhook": [{}], "/extract": NER}
OTHERS = ("/models", "/healthz", "/readyz", "/metrics", "/openapi.json", "/models/token-classification", "/x", "/mask/")
_HEADERS = st.sampled_from(
    (
        *({}, {}, {}, {"content-type": "application/json"}, {"content-type": "text/plain; charset=cp949"}),
        *({"x-request-id": "a b"}, {"content-length": "99999999999999999999"}, {"authorization": "Basic =="}),
        *({"content-encoding": "gzip"}, {"accept": "text/html"}, {"transfer-encoding": "chunked"}),
    )
)


@st.composite
def request_cases(draw) -> dict:
    """A request to the server, with one model of each task or with the routes of Label Studio."""
    studio = draw(st.integers(0, 3)) == 0
    routes = STUDIO if studio else ROUTES
    path = draw(st.sampled_from((*sorted(routes), draw(st.sampled_from(OTHERS)))))
    body = draw(mutated(draw(st.sampled_from(routes.get(path, NER))), KEYS))
    names = ("token-classification", "question-answering", "text-classification", "x", "")
    queries = ["", "", *(f"?model={name}" for name in names), "?model", "?x=%00", "?model=%ff"]
    return {
        "label_studio": studio,
        "path": path + draw(st.sampled_from(queries)),
        "method": draw(st.sampled_from(("POST", "POST", "POST", "POST", "GET", "HEAD", "PUT"))),
        "body": draw(mutated_bytes(encoded(draw(json_text(body))), whole=5)),
        "headers": draw(_HEADERS),
    }


def check_request(case: dict) -> str:
    """Send a request to the application in this process."""

    async def send():
        studio = case["label_studio"]
        served = [of(model, task) for task, model in models().items()][: 1 if studio else None]
        # The version of a model is that of its folder.
        with patch("kospan.serving.service.version_of", lambda *source: "1"):
            async with client_of(*served, label_studio=studio, max_body=200_000) as client:
                return await client.request(case["method"], case["path"], content=case["body"], headers=case["headers"])

    response = asyncio.run(send())
    # 501: the packages of the rules are missing.
    assert response.status_code < 500 or response.status_code == 501, (response.status_code, response.text)
    if response.status_code >= 400:
        if case["method"] != "HEAD":
            message = response.json()["error"]
            assert is_sentence(message) or (response.status_code in (404, 405) and "expected" in message), message
        return REFUSED
    if (
        response.headers.get("content-type") == "application/json"
        and response.content
        and "openapi" not in case["path"]
    ):
        body = json.loads(case["body"].decode("utf-8", "replace"), strict=False) if _is_json(case["body"]) else None
        if "/mask" not in case["path"] and "/predict" not in case["path"]:
            check_offsets(response.json(), body)
    return ACCEPTED


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


_PARTS = ("이재용", "서울", "010-1234-5678", "900101-1234567", "a@b.kr", "[PS_1]", "은", "로 ", "김민수가 ")


@st.composite
def extract_cases(draw) -> dict:
    """Texts for the methods of the models."""
    pieces = st.lists(st.one_of(st.sampled_from(_PARTS), texts(3, surrogates=True)), max_size=8).map("".join)
    given = draw(st.one_of(st.lists(pieces, max_size=3), st.lists(st.lists(pieces, max_size=3), max_size=2)))
    return {
        "texts": given,
        "question": draw(mutated_text("누가 열었나?", " ")),
        "batch_size": draw(st.sampled_from((1, 2, 32, 0))),
        "decode": draw(st.sampled_from((None, "best", "posterior", "viterbi"))),
        "threshold": draw(st.sampled_from((None, 0.0, 0.3, 1.0, 2.0))),
    }


def check_extract(case: dict) -> str:
    """Predict with a tiny model of each task; spans are inside the text, without white space at their ends."""

    def run():
        ner, reader, classifier = models().values()
        settings = {key: case[key] for key in ("decode", "threshold") if case[key] is not None}
        found = ner.extract(case["texts"], batch_size=case["batch_size"], **settings)
        for given, spans in zip(case["texts"], found, strict=True):
            text = given if isinstance(given, str) else " ".join(given)
            for span in spans:
                surface = text[span.start : span.end]
                assert 0 <= span.start < span.end <= len(text) and surface == surface.strip(), (text, span)
                assert -1e-6 <= span.score <= 1 + 1e-6 and span.label in LABELS
        if case["texts"] and isinstance(case["texts"][0], str):
            check_text_models(reader, classifier, case)

    return checked(run)


def check_text_models(reader, classifier, case: dict) -> None:
    """Check the answers and classes for texts."""
    for text in case["texts"]:
        answers = reader.answer(case["question"], text, top_k=3)
        for span in answers if isinstance(answers, list) else [answers]:
            assert 0 <= span.start <= span.end <= len(text) and -1e-6 <= span.score <= 1 + 1e-6, span
    for text, span in zip(case["texts"], classifier.classify(case["texts"]), strict=True):
        assert span[:2] == (0, len(text)) and 0 <= span.score <= 1 + 1e-6, span


TARGETS = {
    "handler": Target(handler_cases(), check_handler, 6),
    "server": Target(request_cases(), check_request, 5),
    "predictions": Target(extract_cases(), check_extract, 2),
}
