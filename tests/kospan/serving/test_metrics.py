"""Metrics of several workers, and of requests that take several batches."""

import os
import subprocess
import sys

import pytest
from serving_cases import stub_model

from kospan.serving.batching import Job, Part
from kospan.serving.metrics import Metrics
from kospan.serving.settings import METRICS_VARIABLE

# The package reads the variable when it is imported. A worker writes into the folder, and the page is of another one.
WORKER = """
import os, sys
from kospan.serving.metrics import Metrics
metrics = Metrics()
metrics.requests.labels("/", "200").inc()
metrics.waiting.inc(3)
if sys.argv[1:]:
    print(metrics.page().decode())
"""


def worker(folder, *words: str) -> str:
    environment = os.environ | {METRICS_VARIABLE: str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *words], env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_requests_of_ended_workers_count_but_not_what_they_had_in_flight(tmp_path):
    worker(tmp_path)
    assert list(tmp_path.glob("gauge_live*.db"))
    page = worker(tmp_path, "page").splitlines()
    assert 'kospan_requests_total{route="/",status="200"} 2.0' in page
    assert "kospan_waiting_requests 3.0" in page


@pytest.mark.parametrize(("missing", "counted"), [(3, 0), (4, 1)])
def test_only_the_first_batch_of_a_request_ends_its_wait(missing, counted):
    """Two of four texts are in the batch; `missing` counts those without a result before it."""
    metrics, job = Metrics(), Job(stub_model(), list("abcd"), {}, None)
    part = Part(job, [0, 1], 6)
    job.missing = missing - len(part.indices)
    metrics.observe_batch([part], job.entered + 2, 0.5)
    page = metrics.page().decode().splitlines()
    assert f"kospan_queue_seconds_count {counted}.0" in page and f"kospan_queue_seconds_sum {2.0 * counted}" in page
    assert 'kospan_batch_seconds_sum{model="stub"} 0.5' in page
    assert 'kospan_batch_requests_sum{model="stub"} 1.0' in page
