"""An Inference Endpoint on this machine: an HTTP server around the handler.py of a folder, as the toolkit has it."""

import importlib.util
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import InferenceClient, constants


@contextmanager
def served(folder: Path) -> Iterator[InferenceClient]:
    """The Hub's own client, of a server for a model's folder; its attribute `bodies` holds the requests as they came.

    What the handler raises is answered with status 400 and `{"error": sentence}`, anything else is JSON.
    """
    spec = importlib.util.spec_from_file_location("handler", folder / "handler.py")
    loose = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loose)
    handler, bodies = loose.EndpointHandler(str(folder)), []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            try:
                status, answer = 200, handler(body)
            except Exception as error:  # As the toolkit does.
                status, answer = 400, {"error": str(error)}
            data = json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with pytest.MonkeyPatch.context() as patch, ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        # The suite runs offline; this server is no further away than a file.
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            client = InferenceClient(model=f"http://127.0.0.1:{server.server_address[1]}", token="hf_none")
            client.bodies = bodies
            yield client
        finally:
            server.shutdown()
            thread.join()


def post(client: InferenceClient, body: dict):
    """The answer to a request's body as it is, without what the client adds to it or reads into it."""
    data = json.dumps(body, ensure_ascii=False).encode()
    request = urllib.request.Request(client.model, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
