"""The application over tiny models: responses, errors and their status, keys, logs, metrics."""

import asyncio
import json
import logging

import pytest
from serving_cases import StubPipeline, client_of, of, post, run_async, stub_model, until

from kospan.modeling.handler import MAX_TEXTS, EndpointHandler
from kospan.serving.logs import JsonFormatter
from kospan.serving.schema import EXAMPLES

KEY = "0123456789abcdef0123"
SECRET = "정하윤의 비밀"


@pytest.fixture
def models(make_token_classifier, make_qa_model, make_text_classifier):
    return {
        "ner": make_token_classifier(encoder_input="units"),
        "qa": make_qa_model(),
        "topic": make_text_classifier(),
        "nli": make_text_classifier(pairs=True),
    }


def bodies(texts) -> dict[str, list]:
    question = {"question": "누가 말했나?", "context": texts[0]}
    pair = {"text": texts[0], "text_pair": texts[1]}
    return {
        "ner": [texts[0], texts, [], [""], "비\0가 온다"],
        "qa": [question, [question], [question, question]],
        "topic": [texts[0], texts],
        "nli": [pair, [pair, pair]],
    }


def test_the_hub_schema_gives_the_responses_of_the_endpoint(models, texts, tmp_path):
    """The handler of a saved model is the oracle, for results and messages alike."""
    served = [of(model, name) for name, model in models.items()]

    async def work():
        async with client_of(*served) as client:
            for name, model in models.items():
                model.save_pretrained(tmp_path / name)
                handler = EndpointHandler(tmp_path / name)
                for inputs in bodies(texts)[name]:
                    body = {"inputs": inputs, "parameters": {"threshold": 0.1, "batch_size": None}}
                    for path in (f"/models/{name}", f"/?model={name}"):
                        response = await client.post(path, json=body)
                        try:
                            wanted = handler(json.loads(json.dumps(body)))
                        except ValueError as error:
                            assert (response.status_code, response.json()) == (422, {"error": str(error)})
                        else:
                            assert response.status_code == 200
                            assert json.dumps(response.json()) == json.dumps(wanted)

    run_async(work())


def test_the_routes_of_tasks_give_the_results_of_the_methods(models, texts):
    question, context = "누가 말했나?", texts[0]

    async def work():
        async with client_of(*[of(model, name) for name, model in models.items()]) as client:

            async def results(path: str, inputs, **parameters):
                response = await client.post(path, json={"inputs": inputs, "parameters": parameters})
                assert response.status_code == 200, response.text
                return response.json()

            spans = models["ner"].extract(texts)
            assert any(spans)
            found = await results("/extract", texts)
            assert [[(span["start"], span["end"], span["label"]) for span in each] for each in found] == [
                [span[:3] for span in each] for each in spans
            ]
            for text, each in zip(texts, found):
                assert all(span["text"] == text[span["start"] : span["end"]] for span in each)
            # Scores depend on the batch in the last digits.
            single = await results("/extract", texts[0])
            assert [span | {"score": 0} for span in single] == [span | {"score": 0} for span in found[0]]
            tags = await results("/extract", texts[0], aggregation_strategy="none", ignore_labels=[])
            assert {span["label"] for span in tags} <= set(models["ner"].config.tags)

            wanted = models["qa"].answer(question, context, top_k=3)
            inputs = {"question": question, "context": context}
            answers = await results("/answer", inputs, top_k=3)
            assert [(each["start"], each["end"], each["label"]) for each in answers] == [each[:3] for each in wanted]
            assert await results("/answer", [inputs], top_k=3) == [answers]
            assert len(await results("/answer", inputs)) == 1

            classes = await results("/classify?model=topic", texts[0])
            assert classes[0]["label"] == models["topic"].classify([texts[0]])[0].label
            assert await results("/classify?model=topic", [texts[0]]) == [classes]

    run_async(work())


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/", b"{", 400, "expected a body in JSON, got: Expecting property name"),
        ("/", b"\xff\xfe{", 400, "expected a body in JSON"),
        ("/", b"[" * 100_000, 400, "expected a body in JSON"),
        ("/", b"\0", 400, "expected a body in JSON"),
        ("/", b"[]", 422, 'expected a JSON object with "inputs", got a list'),
        ("/", b'{"inputs": 5}', 422, "expected inputs to be a str"),
        ("/", b'{"inputs": ["a", null]}', 422, "expected every item of inputs to be a str"),
        ("/", b'{"inputs": "a", "model": "x"}', 422, "expected the request to hold only inputs"),
        ("/", b'{"inputs": "a", "parameters": {"threshold": 2}}', 422, "expected threshold to be a number from 0 to 1"),
        ("/", b'{"inputs": "a", "parameters": {"threshold": NaN}}', 422, "expected threshold to be a number"),
        ("/", b'{"inputs": "a", "parameters": {"treshold": 1}}', 422, "expected only the settings"),
        ("/", b'{"inputs": "a", "parameters": {"self": 1}}', 422, "expected only the settings"),
        ("/", b'{"inputs": "a", "parameters": {"items": 1}}', 422, "expected only the settings"),
        ("/", b'{"inputs": "a", "parameters": {"\\udfff": 1}}', 422, "got \udfff; leave it out"),
        ("/", b'{"inputs": "a", "parameters": {"operating_point": [1]}}', 422, "expected the name of an operating"),
        ("/", b'{"inputs": "a", "parameters": {"decode": {}}}', 422, "expected decode to be one of viterbi"),
        ("/", b'{"inputs": "a", "parameters": {"batch_size": 1e999}}', 422, "expected batch_size to be 256 or less"),
        ("/", b'{"inputs": "a", "parameters": {"batch_size": ' + b"9" * 5000 + b"}}", 400, "expected a body in JSON"),
        ("/", json.dumps({"inputs": ["a"] * (MAX_TEXTS + 1)}).encode(), 422, "expected at most 256 texts"),
        ("/", json.dumps({"inputs": ["a"] * 100_000}).encode(), 422, "expected at most 256 texts"),
        ("/", json.dumps({"inputs": "\ud800"}).encode(), 422, "half of a surrogate pair"),
        ("/", b'"' + b"x" * 10_000_000 + b'"', 413, "expected a body of at most 4,194,304 bytes"),
        ("/?model=other", b'{"inputs": "a"}', 404, "expected a model of this server (ner), got 'other'"),
        ("/models/a/b", b'{"inputs": "a"}', 404, "expected a model of this server (ner), got 'a/b'"),
        ("/answer", b'{"inputs": "a"}', 404, "expected a model for question-answering on this server, found none"),
        (
            "/answer?model=ner",
            b'{"inputs": "a"}',
            422,
            "expected a model for question-answering (none), got one for token",
        ),
        ("/nothing", b"", 404, "GET /openapi.json describes the routes"),
        ("/healthz", b"", 405, "GET /openapi.json describes the routes"),
    ],
)
def test_bad_requests(models, path, body, status, message):
    async def work():
        async with client_of(of(models["ner"], "ner")) as client:
            response = await client.post(path, content=body)
            assert response.status_code == status, response.text
            assert message in response.json()["error"]
            # The server still works.
            assert (await client.post("/", json={"inputs": "비가 온다."})).status_code == 200

    run_async(work())


def test_probes_take_head_as_well():
    async def work():
        async with client_of(stub_model()) as client:
            for path in ("/healthz", "/readyz"):
                assert (await client.head(path)).status_code == 200

    run_async(work())


def test_a_name_is_needed_among_several_models(models):
    served = [of(models["ner"], "one"), of(models["ner"], "two")]
    response = post(served, "/extract", {"inputs": "a"})
    assert response.status_code == 422
    assert response.json()["error"].startswith("expected ?model=NAME with one of one, two, got no name")


def test_a_body_in_chunks_is_limited_too():
    async def chunks():
        for _ in range(20):
            yield b"x" * 100

    async def work():
        async with client_of(stub_model(), max_body=1000) as client:
            response = await client.post("/", content=chunks())
            assert response.status_code == 413 and "at most 1,000 bytes" in response.json()["error"]

    run_async(work())


def test_a_slow_body_is_given_up():
    async def slow():
        yield b'{"inputs'
        await asyncio.Event().wait()

    async def work():
        async with client_of(stub_model(), read_timeout=0.01) as client:
            response = await client.post("/", content=slow())
            assert response.status_code == 408 and "within 0.01 s, got 8 bytes" in response.json()["error"]

    run_async(work())


def test_a_full_queue_and_a_timeout():
    pipeline = StubPipeline(held=True)

    async def work():
        async with client_of(stub_model(pipeline), queue=1) as client:
            first = asyncio.create_task(client.post("/", json={"inputs": "a"}))
            await until(pipeline.running)
            refused = await client.post("/", json={"inputs": "b"})
            assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["error"].startswith("expected fewer requests at once")
            pipeline.release.set()
            assert (await first).json() == "A"
        pipeline.running.clear()
        pipeline.release.clear()
        async with client_of(stub_model(pipeline), timeout=0.01) as client:
            late = await client.post("/", json={"inputs": "a"})
            pipeline.release.set()
            assert late.status_code == 504 and "within 0.01 s" in late.json()["error"]

    run_async(work())


def test_shutdown_finishes_requests():
    pipeline = StubPipeline(held=True)

    async def work():
        async with client_of(stub_model(pipeline)) as client:
            task = asyncio.create_task(client.post("/", json={"inputs": "a"}))
            await until(pipeline.running)
            pipeline.release.set()
            assert (await task).json() == "A"
            assert (await client.get("/readyz")).json() == {"status": "ready", "models": ["stub"]}

    run_async(work())


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {KEY}", 200),
        (f"bearer {KEY}", 200),
        (None, 401),
        ("Bearer", 401),
        (f"Basic {KEY}", 401),
        (f"Bearer {KEY[:-1]}", 401),
        (f"Bearer {KEY}0", 401),
        ("Bearer \xff", 401),
    ],
)
def test_keys(header, status):
    async def work():
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        async with client_of(stub_model(), keys=("another key that is long", KEY), headers=headers) as client:
            for path in ("/", "/models/stub", "/models/unknown"):
                response = await client.post(path, json={"inputs": "a"})
                assert response.status_code == (404 if "unknown" in path and status == 200 else status)
            assert (await client.get("/metrics")).status_code == status
            assert (await client.get("/openapi.json")).status_code == status
            for path in ("/healthz", "/readyz"):
                assert (await client.get(path)).status_code == 200

    run_async(work())


def test_the_log_holds_no_texts(caplog):
    """Not in requests, in paths, in ids, in names of models, nor in errors."""
    caplog.set_level(logging.DEBUG, "kospan.serving")

    async def work():
        async with client_of(stub_model()) as client:
            assert (await client.post("/", json={"inputs": SECRET})).status_code == 200
            assert (await client.post("/", json={"inputs": "bad"}, headers={"X-Request-Id": "a-1"})).status_code == 422
            broken = await client.post("/", json={"inputs": "broken"})
            assert broken.status_code == 500 and "secret" not in broken.text
            assert broken.headers["X-Request-Id"] in broken.json()["error"]
            assert (await client.post(f"/models/{SECRET}", json={"inputs": "a"})).status_code == 404
            assert (await client.get(f"/{SECRET}?text={SECRET}")).status_code == 404

    run_async(work())
    lines = [JsonFormatter().format(record) for record in caplog.records if record.name == "kospan.serving"]
    assert SECRET not in "".join(lines) and "secret" not in "".join(lines)
    events = [json.loads(line) for line in lines]
    requests = [event for event in events if event["event"] == "request"]
    assert [event["status"] for event in requests] == [200, 422, 500, 404, 404]
    assert requests[0] | {"model": "stub", "texts": 1, "characters": len(SECRET), "route": "/"} == requests[0]
    assert requests[1]["id"] == "a-1"
    assert requests[2]["error"] == "RuntimeError" and any("serving_cases.py" in each for each in requests[2]["frames"])
    assert requests[4]["route"] == "other"


def test_metrics():
    async def work():
        async with client_of(stub_model()) as client:
            for text in ("a", "bc", "bad"):
                await client.post("/", json={"inputs": [text, text]})
            page = (await client.get("/metrics")).text
            for line in (
                'kospan_requests_total{route="/",status="200"} 2.0',
                'kospan_requests_total{route="/",status="422"} 1.0',
                'kospan_texts_total{model="stub"} 6.0',
                'kospan_characters_total{model="stub"} 12.0',
                'kospan_batch_seconds_count{model="stub"} 3.0',
                "kospan_waiting_requests 0.0",
            ):
                assert line in page.splitlines(), page

    run_async(work())


def test_openapi_describes_every_route_and_its_examples_are_accepted(models):
    served = {"token-classification": "ner", "question-answering": "qa", "text-classification": "topic"}
    of_route = {"/extract": ["ner"], "/answer": ["qa"], "/classify": ["topic", "nli"], "/": list(models)}

    async def work():
        async with client_of(*[of(model, name) for name, model in models.items()]) as client:
            schema = (await client.get("/openapi.json")).json()
            assert {"/", "/extract", "/answer", "/classify", "/models", "/healthz", "/readyz", "/metrics"} <= set(
                schema["paths"]
            )
            for route, names in of_route.items():
                described = schema["paths"][route]["post"]["requestBody"]["content"]["application/json"]
                assert described["examples"] == EXAMPLES[route][0]
                for example in described["examples"].values():
                    found = [await client.post(f"{route}?model={name}", json=example["value"]) for name in names]
                    assert any(response.status_code == 200 for response in found), (route, example, found[0].text)
            listed = (await client.get("/models")).json()
            assert {each["task"] for each in listed} == set(served)
            assert listed[0]["labels"] == ["PS", "LC", "OG"] and listed[2]["labels"] == ["경제", "사회", "정치"]

    run_async(work())
