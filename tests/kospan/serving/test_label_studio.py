"""The routes of Label Studio's ML backend protocol, called as Label Studio calls them."""

import base64
import json
import logging
import shutil

import httpx
import pytest
from export_cases import exported_folder
from serving_cases import client_of, of, post, run_async
from time_limits import SECONDS
from transformers import PretrainedConfig

from kospan.data.formats.labelstudio import read_labelstudio
from kospan.runtime import load
from kospan.serving.app import create_app
from kospan.serving.batching import Batcher
from kospan.serving.graph_pipeline import graph_pipeline
from kospan.serving.models import ServedModel
from kospan.serving.service import version_of
from kospan.serving.settings import ServeSettings

KEY = "0123456789abcdef0123"
NER = (
    '<View><Labels name="entities" toName="body"><Label value="PS"/><Label value="장소" predicted_values="LC"/>'
    '<Label value="사건"/></Labels><Text name="body" value="$news"/></View>'
)
TOPIC = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text" choice="single">'
    '<Choice value="경제"/><Choice value="사회"/><Choice value="정치"/></Choices></View>'
)
NLI = TOPIC.replace("<View>", '<View><Text name="second" value="$hypothesis"/>')
QA = (
    '<View><Header value="$q"/><Text name="context" value="$context"/>'
    '<Labels name="label" toName="context"><Label value="정답"/></Labels></View>'
)


def tasks_of(field: str, texts, **other) -> list[dict]:
    """Tasks as Label Studio sends them."""
    return [
        {"id": 100 + at, "data": {field: text, **other}, "meta": {}, "is_labeled": False}
        for at, text in enumerate(texts)
    ]


def predict(model: ServedModel, config: str, tasks: list[dict], **settings):
    body = {
        "tasks": tasks,
        "label_config": config,
        "project": "1.1700000000",
        "params": {"login": None, "context": None},
    }
    return post([model], "/predict", body, label_studio=True, timeout=SECONDS, **settings)


def predictions(*arguments) -> list[dict]:
    response = predict(*arguments)
    assert response.status_code == 200, response.text
    assert response.json()["model_version"] == "model"
    assert all(each["model_version"] == "model" for each in response.json()["results"])
    return response.json()["results"]


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(encoder_input="units")


def test_entities(model, texts, tmp_path):
    texts = [*texts, "", "비가 😀 온다"]
    results = predictions(of(model), NER, tasks_of("news", texts))
    written = {"PS": "PS", "LC": "장소"}
    tasks = []
    for text, result, spans in zip(texts, results, model.extract(texts), strict=True):
        wanted = [span for span in spans if span.label in written]
        assert [
            (each["value"]["start"], each["value"]["end"], each["value"]["labels"]) for each in result["result"]
        ] == [(span.start, span.end, [written[span.label]]) for span in wanted]
        for region, span in zip(result["result"], wanted):
            assert (region["from_name"], region["to_name"], region["type"]) == ("entities", "body", "labels")
            assert region["value"]["text"] == text[span.start : span.end]
            assert region["score"] == pytest.approx(span.score, abs=1e-5)
        mean = sum(span.score for span in wanted) / len(wanted) if wanted else None
        assert result.get("score") == (pytest.approx(mean, abs=1e-5) if wanted else None)
        tasks.append({"id": 1, "data": {"news": text}, "annotations": [{"result": result["result"]}]})
    assert any(result["result"] for result in results)
    # Accepted by an annotator and exported, they are the same spans.
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    for example, spans in zip(read_labelstudio(path), model.extract(texts), strict=True):
        assert [span[:3] for span in example.spans] == [
            (span.start, span.end, written[span.label]) for span in spans if span.label in written
        ]


def test_exported_models(model, texts, tmp_path):
    folder = exported_folder(model, tmp_path / "exported")
    exported = ServedModel("model", "onnx", "float32", graph_pipeline(load(folder, threads=1)))
    one, other = (predictions(each, NER, tasks_of("news", texts)) for each in (of(model), exported))
    assert [[region["value"] for region in each["result"]] for each in one] == [
        [region["value"] for region in each["result"]] for each in other
    ]


def test_classes(make_text_classifier, texts):
    model = make_text_classifier()
    results = predictions(of(model), TOPIC, tasks_of("text", texts))
    for result, span in zip(results, model.classify(texts), strict=True):
        [choice] = result["result"]
        assert (choice["from_name"], choice["to_name"], choice["type"]) == ("topic", "text", "choices")
        assert choice["value"] == {"choices": [span.label]}
        assert result["score"] == choice["score"] == pytest.approx(span.score, abs=1e-5)
    without = TOPIC.replace('<Choice value="정치"/>', '<Choice value="기타"/>')
    results = predictions(of(model), without, tasks_of("text", texts))
    assert [bool(each["result"]) for each in results] == [span.label != "정치" for span in model.classify(texts)]


def test_pairs(make_text_classifier, texts):
    model = make_text_classifier(pairs=True)
    results = predictions(of(model), NLI, tasks_of("text", texts[:3], hypothesis=texts[3]))
    wanted = model.classify(texts[:3], [texts[3]] * 3)
    assert [each["result"][0]["value"]["choices"][0] for each in results] == [span.label for span in wanted]


def test_answers(make_qa_model, texts):
    model = make_qa_model()
    results = predictions(of(model), QA, tasks_of("context", texts, q="누가 말했나?"))
    for text, result in zip(texts, results, strict=True):
        [wanted] = model.answer("누가 말했나?", text)
        [region] = result["result"]
        assert (region["value"]["start"], region["value"]["end"]) == wanted[:2]
        assert region["value"]["labels"] == ["정답"] and region["to_name"] == "context"
    by_name = QA.replace("$q", "$question").replace("<View>", '<View><Header value="$title"/>')
    tasks = tasks_of("context", texts, question="누가 말했나?", title="제목")
    assert [each["result"] for each in predictions(of(model), by_name, tasks)] == [each["result"] for each in results]


def test_many_tasks_run_in_parts(model, monkeypatch):
    sizes = []
    submit = Batcher.submit

    def counted(self, model, items, parameters):
        sizes.append(len(items))
        return submit(self, model, items, parameters)

    monkeypatch.setattr(Batcher, "submit", counted)
    results = predictions(of(model), NER, tasks_of("news", [f"서울에 {at}명이 왔다" for at in range(70)]))
    assert sizes == [32, 32, 6] and len(results) == 70
    assert len(results[-1]["result"]) == sum(span.label != "OG" for span in model.extract("서울에 69명이 왔다"))
    sizes.clear()
    assert len(predictions(of(model), NER, tasks_of("news", ["서울 " * 3_000] * 3 + ["서울"]))) == 4
    assert sizes == [2, 2]
    assert predictions(of(model), NER, []) == []


def test_the_log_counts_the_texts_of_all_parts(model, caplog):
    with caplog.at_level(logging.INFO, logger="kospan.serving"):
        predictions(of(model), NER, tasks_of("news", ["서울"] * 70))
    [record] = [each for each in caplog.records if each.getMessage() == "request"]
    assert (record.fields["texts"], record.fields["characters"]) == (70, 140)


def test_setup_health_versions_and_webhook(model, caplog):
    async def work():
        async with client_of(of(model), label_studio=True) as client:
            assert (await client.get("/health")).json()["status"] == "UP"
            assert (await client.get("/versions")).json() == {"versions": ["model"]}
            body = {"project": "1.17", "schema": NER, "hostname": "http://localhost:8080", "access_token": "secret"}
            with caplog.at_level(logging.INFO, logger="kospan.serving"):
                response = await client.post("/setup", json=body)
            assert response.json() == {
                "model_version": "model",
                "labels": {"PS": "PS", "LC": "장소"},
                "labels_without_model": ["사건"],
                "labels_without_tag": ["OG"],
            }
            [record] = [each for each in caplog.records if each.getMessage() == "labelling interface"]
            assert record.fields["labels_without_tag"] == ["OG"] and "secret" not in str(record.fields)
            response = await client.post("/webhook", json={"action": "ANNOTATION_CREATED", "annotation": {}})
            assert response.status_code == 200 and response.json()["status"] == "ok"

    run_async(work())


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/setup", [], "expected a JSON object of Label Studio, got list"),
        ("/setup", {}, "expected the labelling interface as a string, got NoneType"),
        ("/setup", {"schema": "<View/>"}, 'expected <Labels name="label" toName="text">'),
        ("/setup", {"schema": TOPIC}, 'expected <Labels name="label" toName="text">'),
        ("/predict", {"label_config": NER}, "expected tasks to be a list, got NoneType"),
        ("/predict", {"label_config": NER, "tasks": [5]}, "task at index 0: expected an object with data"),
        ("/predict", {"label_config": NER, "tasks": [{"id": 7}]}, "task 7: expected an object with data"),
        ("/predict", {"label_config": NER, "tasks": [{"id": 7, "data": {}}]}, "task 7: expected a text under 'news'"),
        (
            "/predict",
            {"label_config": NER, "tasks": tasks_of("news", ["가" * 100_001])},
            "task 100: expected a text of at most 100,000 ch",
        ),
    ],
)
def test_errors(model, path, body, message):
    response = post([of(model)], path, body, label_studio=True)
    assert response.status_code == 422 and message in response.json()["error"]


def test_values_are_refused(make_text_classifier):
    model = make_text_classifier(problem_type="regression")
    response = post([of(model)], "/setup", {"schema": TOPIC}, label_studio=True)
    assert response.status_code == 422 and "got one of values" in response.json()["error"]


def test_without_the_flag_there_are_no_routes(model):
    assert post([of(model)], "/predict", {"tasks": []}).status_code == 404


def test_one_model():
    with pytest.raises(ValueError, match="expected one model for label_studio, got a, b; start a server for each"):
        ServeSettings({"a": "x", "b": "y"}, label_studio=True)


def test_keys_as_passwords(model):
    """Label Studio sends the name and password of HTTP Basic."""

    def header(text: str) -> dict:
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    async def work():
        async with client_of(of(model), label_studio=True, keys=(KEY,)) as client:
            for headers, status in (
                (header(f"user:{KEY}"), 200),
                (header(f":{KEY}"), 200),
                (header(KEY), 401),
                (header(f"user:{KEY}0"), 401),
                ({"Authorization": "Basic \u00e9".encode("latin-1")}, 401),
                ({"Authorization": "Basic /w=="}, 401),
                ({}, 401),
            ):
                assert (await client.get("/health", headers=headers)).status_code == status

    run_async(work())


def test_versions_follow_the_files(model, make_token_classifier, tmp_path, monkeypatch):
    model.save_pretrained(tmp_path / "one")
    make_token_classifier(seed=1, encoder_input="units").save_pretrained(tmp_path / "two")
    model.save_pretrained(tmp_path / "copy")
    one, two, copy = (version_of("model", str(tmp_path / name)) for name in ("one", "two", "copy"))
    assert one == copy != two and one.startswith("model-") and len(one) == len("model-") + 8
    exported_folder(model, tmp_path / "one" / "onnx")
    assert version_of("model", str(tmp_path / "one"), "onnx") != one == version_of("model", str(tmp_path / "one"))
    assert version_of("model", "user/name") == "model"
    monkeypatch.setattr(PretrainedConfig, "get_config_dict", lambda name: ({"_commit_hash": "0123456789ab"}, {}))
    assert version_of("model", "user/name") == "model-01234567"


def test_the_version_is_that_of_the_loaded_files(model, tmp_path):
    """The files may be removed or replaced while the server runs."""
    model.save_pretrained(tmp_path / "model")
    version = version_of("model", str(tmp_path / "model"))

    async def work():
        settings = ServeSettings({"model": str(tmp_path / "model")}, label_studio=True)
        app = create_app(settings, [of(model)])
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")
        async with app.router.lifespan_context(app), client:
            shutil.rmtree(tmp_path / "model")
            assert (await client.get("/versions")).json() == {"versions": [version]}

    run_async(work())
