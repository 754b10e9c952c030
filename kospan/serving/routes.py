"""Routes of the server."""

import importlib.util

from fastapi import APIRouter, Request
from starlette.responses import Response

from kospan.serving.metrics import CONTENT_TYPE
from kospan.serving.requests import error_response, json_response
from kospan.serving.schema import openapi_of
from kospan.serving.service import Service


def routes_of(service: Service) -> APIRouter:
    """Return the routes over a service."""
    router = APIRouter()

    @router.post("/", summary="Predict, in the form of the Hub's Inference API", **openapi_of("/"))
    async def predict(request: Request, model: str | None = None) -> Response:
        read, found = await service.respond(request, model)
        return json_response(read.response(found))

    @router.post("/models/{name:path}", summary="As `/`, with the model in the path", **openapi_of("/"))
    async def predict_named(request: Request, name: str) -> Response:
        read, found = await service.respond(request, name)
        return json_response(read.response(found))

    @router.post("/extract", summary="Extract spans of texts", **openapi_of("/extract"))
    async def extract(request: Request, model: str | None = None) -> Response:
        read, found = await service.respond(request, model, "token-classification")
        return json_response(read.response([[_span(span) for span in spans] for spans in found]))

    @router.post("/answer", summary="Answer questions, each by a list", **openapi_of("/answer"))
    async def answer(request: Request, model: str | None = None) -> Response:
        read, found = await service.respond(request, model, "question-answering")
        lists = [each if isinstance(each, list) else [each] for each in found]
        return json_response(read.response([[_span(span) for span in spans] for spans in lists]))

    @router.post("/classify", summary="Classify texts", **openapi_of("/classify"))
    async def classify(request: Request, model: str | None = None) -> Response:
        read, found = await service.respond(request, model, "text-classification")
        # At `/` a single text gives a list of lists, as on the Hub.
        return json_response(found[0] if read.single else found)

    # Masking itself needs torch.
    if importlib.util.find_spec("torch") is not None:
        from kospan.serving.masking import mask_route

        summary = "Mask personal data in texts"
        router.add_api_route("/mask", mask_route(service), methods=["POST"], summary=summary, **openapi_of("/mask"))

    @router.get("/models", summary="List the models")
    async def models() -> Response:
        return json_response([model.about() for model in service.models.values()])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Whether the process responds")
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="Whether requests are accepted")
    async def readyz() -> Response:
        if not service.ready:
            return error_response(503, "expected loaded models, got a server that starts or stops; try again later")
        return json_response({"status": "ready", "models": list(service.models)})

    @router.get("/metrics", summary="Metrics for Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type=CONTENT_TYPE)

    return router


def _span(found: dict) -> dict:
    """Return a result of a pipeline as a span."""
    label = found.get("entity_group") or found.get("entity") or "answer"
    text = found["word"] if "word" in found else found["answer"]
    return {"start": found["start"], "end": found["end"], "label": label, "score": found["score"], "text": text}
