"""The Ray Serve application on a local Ray."""

import socket

import httpx
import pytest
from time_limits import SECONDS


@pytest.mark.optional("ray", "ray")
def test_a_local_cluster(make_token_classifier, texts, tmp_path):
    import ray
    from ray import serve

    from kospan.serving.ray import application

    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(application({"news": str(tmp_path / "model")}))
        address = f"http://127.0.0.1:{port}"
        found = httpx.post(f"{address}/extract", json={"inputs": texts[0]}, timeout=SECONDS)
        assert [(span["start"], span["end"], span["label"]) for span in found.json()] == [
            span[:3] for span in model.extract(texts[0])
        ]
        assert httpx.post(f"{address}/answer", json={"inputs": "a"}, timeout=SECONDS).status_code == 404
    finally:
        serve.shutdown()
        ray.shutdown()
