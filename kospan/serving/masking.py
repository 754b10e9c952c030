"""Masking of texts of a request."""

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker
from kospan.masking.policy import ACTIONS
from kospan.masking.rules import find_by_rules
from kospan.modeling.handler import ReadRequest, read_payload, read_request
from kospan.modeling.spans import Span
from kospan.serving.models import ServedModel
from kospan.serving.requests import json_response
from kospan.serving.service import Service

_SETTINGS = ("policy", "rules", "operating_point", "threshold", "particles")


def mask_route(service: Service):
    """Return the function of the route `/mask`."""

    async def mask(request: Request, model: str | None = None) -> Response:
        chosen = service.choose(model, "token-classification")
        data = await service.read_body(request)
        try:
            read = read_request(chosen.pipeline, data | {"parameters": None} if isinstance(data, Mapping) else data)
            # Its first use imports the rules.
            masker = await asyncio.to_thread(_masker, chosen, read, read_payload(data)[1])
        except (TypeError, ValueError) as error:
            raise HTTPException(422, str(error)) from None
        decoding = {"operating_point": masker.operating_point, "threshold": masker.threshold}
        decoding = {name: value for name, value in decoding.items() if value is not None}
        found = await service.results(request, chosen, read._replace(parameters=decoding))
        return json_response(read.response(await asyncio.to_thread(_masked, masker, read.items, found)))

    return mask


def _masker(model: ServedModel, read: ReadRequest, parameters: dict) -> Masker:
    """Return the masker of a request; its aliases are numbered by themselves."""
    for name in parameters:
        if name not in _SETTINGS:
            raise ValueError(f"expected only the settings {', '.join(_SETTINGS)}, got {name}; leave it out")
    policy = parameters.get("policy")
    # Another text would be the name of a file of this machine.
    if isinstance(policy, str) and policy not in ACTIONS:
        raise ValueError(f"expected policy to be one of {', '.join(ACTIONS)}, or an object of labels, got {policy!r}")
    if not isinstance(parameters.get("particles", True), bool):
        raise TypeError(f"expected particles to be true or false, got {parameters['particles']!r}; leave it out")
    if any(not isinstance(text, str) for text in read.items):
        raise TypeError("expected texts to mask, got a list of words; join them by spaces")
    return Masker(model.pipeline.model, **parameters)


def _masked(masker: Masker, texts: list[str], found: list[list[dict]]) -> list[dict]:
    """Mask texts with the spans that the pipeline has found, and those of the rules."""
    results = []
    for text, spans in zip(texts, found):
        predicted = [Span(span["start"], span["end"], span["entity_group"], span["score"]) for span in spans]
        masked = masker.mask_spans(text, predicted, find_by_rules(text, masker.rules) if masker.rules else [])
        results.append({"text": masked.text, "spans": [span._asdict() for span in masked.spans], "notice": NOTICE})
    return results
