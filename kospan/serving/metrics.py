"""Metrics in the format of Prometheus, also over several worker processes."""

import os
from collections.abc import Sequence
from pathlib import Path

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from kospan.serving.batching import Part
from kospan.serving.settings import METRICS_VARIABLE

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Metrics of a worker.

    Attributes:
        requests: Requests by route and status.
        seconds: Seconds of each request by route.
        texts: Texts by model.
        characters: Characters by model.
        waiting: Requests that wait or run now.
        queue_seconds: Seconds from a request's entry into the queue to the end of its first batch.
        batch_requests: Requests that share a batch.
        batch_seconds: Seconds of each batch; their sum is the time in which the model works.
    """

    def __init__(self):
        self.registry = registry = CollectorRegistry()
        own = {"namespace": "kospan", "registry": registry}
        self.requests = Counter("requests", "Requests by route and status.", ["route", "status"], **own)
        self.seconds = Histogram("request_seconds", "Seconds of a request.", ["route"], buckets=_SECONDS, **own)
        self.texts = Counter("texts", "Texts by model.", ["model"], **own)
        self.characters = Counter("characters", "Characters by model.", ["model"], **own)
        self.waiting = Gauge("waiting_requests", "Requests that wait or run.", multiprocess_mode="livesum", **own)
        self.queue_seconds = Histogram(
            "queue_seconds", "Seconds from the queue to the end of the first batch.", buckets=_SECONDS, **own
        )
        self.batch_requests = Histogram("batch_requests", "Requests in a batch.", ["model"], buckets=_COUNTS, **own)
        self.batch_seconds = Histogram("batch_seconds", "Seconds of a batch.", ["model"], buckets=_SECONDS, **own)

    def observe_batch(self, parts: Sequence[Part], ended: float, seconds: float) -> None:
        """Count a batch.

        Args:
            parts: Its parts.
            ended: Time of its end, by the clock of `Job.entered`.
            seconds: Seconds that it ran.
        """
        name = parts[0].job.model.name
        self.batch_requests.labels(name).observe(len(parts))
        self.batch_seconds.labels(name).observe(seconds)
        for part in parts:
            if part.job.missing + len(part.indices) >= len(part.job.items):
                self.queue_seconds.observe(ended - part.job.entered)

    def page(self) -> bytes:
        """Return the metrics of all workers as text."""
        folder = os.environ.get(METRICS_VARIABLE)
        if not folder:
            return generate_latest(self.registry)
        _remove_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)
        return generate_latest(registry)


def _remove_dead(folder: Path) -> None:
    """Remove the gauges of workers that have ended."""
    for path in folder.glob("gauge_live*_*.db"):
        if not psutil.pid_exists(int(path.stem.rpartition("_")[2])):
            path.unlink(missing_ok=True)
