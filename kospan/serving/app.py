"""The FastAPI application."""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

import kospan
from kospan.serving.label_studio import label_studio_routes
from kospan.serving.logs import LOGGER, described
from kospan.serving.middleware import Keys, RequestMiddleware
from kospan.serving.models import ServedModel
from kospan.serving.requests import error_response
from kospan.serving.routes import routes_of
from kospan.serving.service import Service
from kospan.serving.settings import ServeSettings

_SHORTEST_ADVICE = "GET /openapi.json describes the routes"


def create_app(
    settings: ServeSettings, models: list[ServedModel] | None = None, on_ready: Callable[[], None] = lambda: None
) -> FastAPI:
    """Build the application; it loads the models when it starts.

    Args:
        settings: Settings of the server.
        models: Loaded models, in place of those of the settings.
        on_ready: Function that is called when the models are loaded.

    >>> app = create_app(ServeSettings({"news": "outputs/quickstart"}))  # doctest: +SKIP
    """
    service = Service(settings, models)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        _stop_with_parent()
        try:
            await service.start(asyncio.get_running_loop().run_in_executor)
        except (OSError, ValueError, ImportError) as error:
            # Before the first request; the message names files and packages.
            message = " ".join(str(error).split())
            LOGGER.error("startup failed", extra={"fields": {"message": message} | described(error)})
            raise
        on_ready()
        LOGGER.info("ready", extra={"fields": {"models": list(service.models)}})
        yield
        await service.stop()

    # The pages of FastAPI load scripts from another host; the schema itself is at /openapi.json.
    app = FastAPI(title="kospan", version=kospan.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(routes_of(service))
    if settings.label_studio:
        app.include_router(label_studio_routes(service))
    app.add_middleware(RequestMiddleware, keys=Keys(settings.keys), metrics=service.metrics)

    @app.exception_handler(HTTPException)
    async def failed(_, error: HTTPException):
        detail = error.detail
        if error.status_code in (404, 405) and detail in ("Not Found", "Method Not Allowed"):
            detail = f"expected another path or method; {_SHORTEST_ADVICE}"
        return error_response(error.status_code, detail, error.headers)

    return app


def _stop_with_parent() -> None:
    """Stop this worker, as by SIGTERM, when the process that supervises it has ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        LOGGER.log(logging.ERROR, "the supervisor has ended")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
