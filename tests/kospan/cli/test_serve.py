"""`kospan serve` as a process: the Hub's client, replaced workers, shutdown, and errors before the start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
from cli_cases import refused
from huggingface_hub import InferenceClient, constants
from time_limits import SECONDS

KEY = "0123456789abcdef"


@contextmanager
def serving(*words: str):
    """A server, its address and its log as events, which grows; it is killed in the end."""
    command = [sys.executable, "-m", "kospan.cli", "serve", *words, "--port", "0"]
    environment = os.environ | {"KOSPAN_API_KEYS": KEY, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield process, re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.kill()
        process.wait(SECONDS)


def events_of(process):
    """Events of the log as they are written."""
    for line in process.stderr:
        if line.startswith("{"):
            yield json.loads(line)


def test_the_hub_client_killed_workers_and_shutdown(model_folder, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    text = "이재용 회장이 서울에서 말했다."
    with serving(model_folder, "--workers", "2") as (process, address):
        events = events_of(process)
        workers = {event["process"] for event in (next_ready(events), next_ready(events))}
        assert len(workers) == 2
        client = InferenceClient(model=address, token=KEY, timeout=SECONDS)
        wanted = client.token_classification(text, aggregation_strategy="simple")
        assert wanted and all(text[each.start : each.end] == each.word for each in wanted)

        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        for _ in workers:
            next(event for event in events if event["event"].endswith("died"))
        # The socket is the supervisor's too: the request waits for a new worker.
        headers = {"Authorization": f"Bearer {KEY}"}
        found = httpx.post(address, json={"inputs": text}, headers=headers, timeout=SECONDS).json()
        assert [each["word"] for each in found] == [each.word for each in wanted]
        replaced = {next_ready(events)["process"], next_ready(events)["process"]}
        assert not replaced & workers

        page = httpx.get(f"{address}/metrics", headers=headers, timeout=SECONDS).text
        # The requests of killed workers count, too.
        assert 'kospan_requests_total{route="/",status="200"} 2.0' in page
        assert httpx.get(f"{address}/metrics", timeout=SECONDS).status_code == 401

        # A request whose body has not arrived yet is in flight when the server is stopped.
        host, port = re.search(r"http://(.+):(\d+)", address).groups()
        body = json.dumps({"inputs": text}).encode()
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port)), SECONDS) as connection:
            connection.sendall(head.encode() + body[:5])
            # Requests to a worker are handled in order of arrival, so both workers know of the first one now.
            for _ in range(20):
                assert httpx.get(f"{address}/readyz", timeout=SECONDS).status_code == 200
            process.send_signal(signal.SIGTERM)
            for _ in workers:
                next(event for event in events if event["event"] == "Shutting down")
            connection.sendall(body[5:])
            response = b""
            while chunk := connection.recv(65536):
                response += chunk
        assert response.startswith(b"HTTP/1.1 200") and json.loads(response.partition(b"\r\n\r\n")[2])
        assert process.wait(SECONDS) == 0


def next_ready(events) -> dict:
    """The next event of a worker that has loaded its models."""
    return next(event for event in events if event["event"] == "ready")


def test_a_model_that_cannot_be_loaded_stops_the_server(model_folder):
    os.remove(os.path.join(model_folder, "model.safetensors"))
    with serving(model_folder) as (process, _):
        log = process.stderr.read()
        assert process.wait(SECONDS) == 1
    [event] = [json.loads(line) for line in log.splitlines() if '"startup failed"' in line]
    assert "expected weights in" in event["message"] and "Traceback" not in log


def test_errors_before_the_start(model_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("KOSPAN_API_KEYS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for words, message in (
            ([str(tmp_path / "missing")], "expected a model's folder at"),
            ([model_folder, "--backend", "onnx"], "for --backend onnx, found none"),
            ([model_folder, model_folder], "expected different names"),
            ([model_folder, "--workers", "0"], "expected workers to be 1 or more"),
            ([f"a={model_folder}", f"b={model_folder}", "--label_studio"], "expected one model for label_studio"),
            ([model_folder, "--api_keys", str(tmp_path / "missing")], "expected a file with API keys"),
            ([model_folder, "--port", str(taken.getsockname()[1])], "expected a free address, got 127.0.0.1:"),
        ):
            assert message in refused(["serve", *words], capsys)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert 'pip install "kospan[serve]"' in refused(["serve", model_folder], capsys)
