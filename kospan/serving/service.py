"""Choice of a model, and results of requests, behind the routes."""

import gc
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from kospan.modeling.handler import ReadRequest, read_request
from kospan.serving.batching import Batcher, QueueFullError
from kospan.serving.metrics import Metrics
from kospan.serving.middleware import FIELDS
from kospan.serving.models import ServedModel, backend_of, load_models
from kospan.serving.requests import read_json, while_connected
from kospan.serving.settings import ServeSettings


class Service:
    """Models of a worker with their queue.

    Args:
        settings: Settings of the server.
        models: Loaded models; None loads those of the settings on `start`.

    Attributes:
        version: Version of the model that Label Studio uses; empty without its routes.
    """

    def __init__(self, settings: ServeSettings, models: list[ServedModel] | None = None):
        self.settings, self.metrics = settings, Metrics()
        self.models = {model.name: model for model in models or ()}
        self.batcher: Batcher | None = None
        self.ready, self.version = False, ""

    async def start(self, run_in_executor) -> None:
        """Load the models and start the queue.

        Args:
            run_in_executor: Method of the event loop.
        """
        settings = self.settings
        self.batcher = Batcher(settings.queue, settings.timeout, settings.batch_wait / 1000, self._observe)
        if not self.models:
            arguments = settings.models, settings.backend, settings.threads, settings.batch_tokens
            # In the thread that will run the models.
            loaded = await run_in_executor(self.batcher.executor, load_models, *arguments)
            self.models = {model.name: model for model in loaded}
            # Otherwise each full collection visits all objects of the imported packages, for 0.2 s and more.
            gc.collect()
            gc.freeze()
        if settings.label_studio:
            # At the start, because the files may change afterwards.
            [(name, source)] = settings.models.items()
            self.version = await run_in_executor(self.batcher.executor, version_of, name, source, settings.backend)
        self.metrics.waiting.set(0)
        self.batcher.start()
        self.ready = True

    async def stop(self) -> None:
        """Stop the queue."""
        self.ready = False
        await self.batcher.stop()

    def _observe(self, parts, seconds: float) -> None:
        self.metrics.observe_batch(parts, time.monotonic(), seconds)

    def choose(self, name: str | None, task: str | None = None) -> ServedModel:
        """Return the model of a name, or the only one.

        Args:
            name: The name; None if the request has none.
            task: The task that the route is for; None for all.

        Raises:
            HTTPException: With status 404 or 422 if there is no such model, another task's, or more than one.
        """
        fitting = [model for model in self.models.values() if task in (None, model.task)]
        names = ", ".join(model.name for model in fitting) or "none"
        if name is None:
            if len(fitting) == 1:
                return fitting[0]
            if not fitting:
                raise HTTPException(
                    404, f"expected a model for {task} on this server, found none; GET /models lists all"
                )
            raise HTTPException(422, f"expected ?model=NAME with one of {names}, got no name; add it to the URL")
        if name not in self.models:
            raise HTTPException(
                404, f"expected a model of this server ({names}), got {name[:100]!r}; GET /models lists all"
            )
        if self.models[name] not in fitting:
            raise HTTPException(
                422, f"expected a model for {task} ({names}), got one for {self.models[name].task}; use its own route"
            )
        return self.models[name]

    async def read_body(self, request: Request):
        """Read JSON within the limits of the settings; raises as `read_json`."""
        return await read_json(request, self.settings.max_body, self.settings.read_timeout)

    async def read(self, request: Request, model: ServedModel) -> ReadRequest:
        """Read the body of a request to a model.

        Raises:
            HTTPException: As `read_json`, and with status 422 if the body is invalid.
        """
        data = await self.read_body(request)
        try:
            return read_request(model.pipeline, data)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    async def results(self, request: Request, model: ServedModel, read: ReadRequest) -> list:
        """Run the items of a request.

        Raises:
            HTTPException: With status 422 if a setting is invalid, 429 if the queue is full, 504 after the timeout.
        """
        characters = sum(len(text) for item in read.items for text in model.pipeline.texts(item))
        fields = request.scope[FIELDS]
        # A request of Label Studio runs in several parts.
        fields["model"] = model.name
        fields["texts"] = fields.get("texts", 0) + len(read.items)
        fields["characters"] = fields.get("characters", 0) + characters
        self.metrics.texts.labels(model.name).inc(len(read.items))
        self.metrics.characters.labels(model.name).inc(characters)
        self.metrics.waiting.inc()
        try:
            return await while_connected(request, self.batcher.submit(model, read.items, read.parameters))
        except (TypeError, ValueError) as error:
            raise HTTPException(422, str(error)) from None
        except QueueFullError as error:
            raise HTTPException(429, str(error), {"Retry-After": str(error.retry_after)}) from None
        except TimeoutError:
            raise HTTPException(
                504, f"expected a result within {self.settings.timeout:g} s, got none; send fewer or shorter texts"
            ) from None
        finally:
            self.metrics.waiting.dec()

    async def respond(
        self, request: Request, name: str | None, task: str | None = None
    ) -> tuple[ReadRequest, list[Any]]:
        """Return a request as it was read, and the result of each of its items; raises as the methods above."""
        model = self.choose(name, task)
        read = await self.read(request, model)
        return read, await self.results(request, model, read)


def version_of(name: str, source: str, backend: str | None = None) -> str:
    """Return the name of a model with the start of its checksum, or of its commit on the Hub.

    Label Studio predicts tasks again when the version has changed.

    Args:
        name: Name of the model.
        source: As in `ServeSettings.models`.
        backend: As in `ServeSettings`.
    """
    # Imports torch where it is installed.
    from kospan.corpus.identity import model_identity

    identity = model_identity(backend_of(source, backend)[0])
    digest = identity.get("sha256") or identity.get("revision")
    return f"{name}-{digest[:8]}" if digest else name
