"""Servers in this process, and pipelines that wait for a signal."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
from time_limits import SECONDS

from kospan.serving.app import create_app
from kospan.serving.models import ServedModel
from kospan.serving.settings import ServeSettings


def run_async(coroutine: Coroutine):
    """Run a coroutine in a thread of its own: in the main thread, a browser's loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


class StubPipeline:
    """A pipeline that returns each text in capitals; `calls` holds the texts of each call.

    Args:
        held: Whether calls wait until `release` is set; `running` is set as soon as one has begun.
    """

    task_name = "token-classification"
    model = SimpleNamespace(config=SimpleNamespace(tags=["O", "B-PS", "I-PS"]))

    def __init__(self, held: bool = False):
        self.calls: list[list[str]] = []
        self.running, self.release = threading.Event(), threading.Event()
        if not held:
            self.release.set()

    def items(self, inputs, **_):
        return ([inputs], True) if isinstance(inputs, str) else (list(inputs), False)

    def texts(self, item):
        return (item,)

    def positions(self, items, **_):
        return 0

    def results(self, items, **parameters):
        self.calls.append(list(items))
        self.running.set()
        assert self.release.wait(SECONDS)
        if "bad" in items:
            raise ValueError("expected other texts, got bad")
        if "broken" in items:
            raise RuntimeError("secret text")
        return [item.upper() for item in items]


def stub_model(pipeline: StubPipeline | None = None, **fields) -> ServedModel:
    """A model over a stub whose tokens are characters, with two more per text."""
    return ServedModel(
        **{"name": "stub", "backend": "torch", "precision": "float32", **fields}, pipeline=pipeline or StubPipeline()
    )


def of(model, name: str = "model") -> ServedModel:
    """A served model over a model in torch."""
    return ServedModel(name, "torch", "float32", model.pipeline())


@asynccontextmanager
async def client_of(*models: ServedModel, headers: dict | None = None, **settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process."""
    app = create_app(ServeSettings({model.name: "unused" for model in models}, **settings), list(models))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers)
    async with app.router.lifespan_context(app), client:
        client.app = app
        yield client


async def until(event: threading.Event) -> None:
    """Wait for an event that another thread sets."""
    assert await asyncio.to_thread(event.wait, SECONDS)


def post(models, path: str, body, **settings) -> httpx.Response:
    """The response to one request."""

    async def send() -> httpx.Response:
        async with client_of(*models, **settings) as client:
            return await client.post(path, json=body)

    return run_async(send())
