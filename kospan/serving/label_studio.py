"""Routes of the ML backend protocol of Label Studio: predictions for the tasks of a project."""

from collections.abc import Iterator, Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kospan.data.formats.labelstudio_config import CLASSES, SPANS, LabelConfig, read_config, text_of
from kospan.data.formats.labelstudio_results import choice_results, prediction, region_results
from kospan.modeling.handler import MAX_CHARACTERS, read_request
from kospan.modeling.spans import Span
from kospan.serving.logs import LOGGER
from kospan.serving.models import ServedModel
from kospan.serving.requests import json_response
from kospan.serving.service import Service

# Texts and characters of the parts of a request, which wait in the queue one after another with a timeout for each:
# Label Studio sends many tasks at once.
_PART_TEXTS, _PART_CHARACTERS = 32, 20_000


def label_studio_routes(service: Service) -> APIRouter:
    """Return the routes over a service, which has one model."""
    router = APIRouter(tags=["Label Studio"])

    @router.get("/health", summary="Whether the ML backend responds")
    async def health() -> Response:
        return json_response({"status": "UP", "model_class": "kospan"})

    @router.get("/versions", summary="Versions of the model")
    async def model_versions() -> Response:
        return json_response({"versions": [service.version]})

    @router.post("/setup", summary="Check the labelling interface of a project")
    async def setup(request: Request) -> Response:
        model = service.choose(None)
        data = _object(await service.read_body(request))
        tag = _config(data.get("schema"), model).tag
        # Label Studio shows none of this; the log does.
        report = {"model_version": service.version, "labels": tag.written, "labels_without_model": tag.without_model()}
        report["labels_without_tag"] = [label for label in _labels(model) if label not in tag.written]
        LOGGER.info("labelling interface", extra={"fields": report | {"model": model.name}})
        return json_response(report)

    @router.post("/predict", summary="Predict the tasks of a project")
    async def predict(request: Request) -> Response:
        model, version = service.choose(None), service.version
        data = _object(await service.read_body(request))
        config = _config(data.get("label_config"), model)
        items, texts = _items(model, config, data.get("tasks"))
        found: list = []
        for part in _parts(items):
            try:
                read = read_request(model.pipeline, {"inputs": part})
            except (TypeError, ValueError) as error:
                raise HTTPException(422, str(error)) from None
            found += await service.results(request, model, read)
        results = [_prediction(model, config, text, each, version) for text, each in zip(texts, found)]
        return json_response({"results": results, "model_version": version})

    @router.post("/webhook", summary="Accept events of a project, without effect")
    async def webhook() -> Response:
        return json_response({"status": "ok", "result": "ignored: the server does not train"})

    return router


def _object(data) -> Mapping:
    if not isinstance(data, Mapping):
        raise HTTPException(422, f"expected a JSON object of Label Studio, got {type(data).__name__}; see the guide")
    return data


def _labels(model: ServedModel) -> Sequence[str]:
    if model.task == "question-answering":
        return [model.pipeline.model.config.id2label[0]]
    return model.about()["labels"]


def _config(xml, model: ServedModel) -> LabelConfig:
    if getattr(model.pipeline.model.config, "problem_type", None) == "regression":
        raise HTTPException(422, "expected a model of classes or spans, got one of values; serve another model")
    try:
        return read_config(xml, _labels(model), CLASSES if model.task == "text-classification" else SPANS)
    except (TypeError, ValueError) as error:
        raise HTTPException(422, str(error)) from None


def _items(model: ServedModel, config: LabelConfig, tasks) -> tuple[list, list[str]]:
    """Return the item of the pipeline and the labelled text for each task."""
    if not isinstance(tasks, list):
        raise HTTPException(422, f"expected tasks to be a list, got {type(tasks).__name__}; send a list of tasks")
    other = _other_field(model, config)
    items, texts = [], []
    for at, task in enumerate(tasks):
        number = task.get("id", f"at index {at}") if isinstance(task, Mapping) else f"at index {at}"
        data = task.get("data") if isinstance(task, Mapping) else None
        try:
            if not isinstance(data, Mapping):
                raise ValueError(f"task {number}: expected an object with data, got none; send tasks of Label Studio")
            text = text_of(data, config.tag.field, f"task {number}")
            second = "" if other is None else text_of(data, other, f"task {number}")
            if len(text) + len(second) > MAX_CHARACTERS:
                raise ValueError(
                    f"task {number}: expected a text of at most {MAX_CHARACTERS:,} characters, got "
                    f"{len(text) + len(second):,}; split it"
                )
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        texts.append(text)
        if model.task == "question-answering":
            items.append({"question": second, "context": text})
        else:
            items.append(text if other is None else {"text": text, "text_pair": second})
    return items, texts


def _other_field(model: ServedModel, config: LabelConfig) -> str | None:
    """Return the field of the question, or of the second text of a pair; None if the model reads one text."""
    if model.task == "question-answering":
        name = "question"
    elif getattr(model.pipeline.model.config, "pairs", False):
        name = "text_pair"
    else:
        return None
    if name in config.others or len(config.others) != 1:
        return name
    return config.others[0]


def _parts(items: Sequence) -> Iterator[list]:
    """Divide items into parts, each with a text at least."""
    part: list = []
    characters = 0
    for item in items:
        size = len(item) if isinstance(item, str) else sum(map(len, item.values()))
        if part and (len(part) == _PART_TEXTS or characters + size > _PART_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(item)
        characters += size
    if part:
        yield part


def _prediction(model: ServedModel, config: LabelConfig, text: str, found, version: str) -> dict:
    """Return the prediction for a task from the result of the pipeline."""
    tag = config.tag
    if model.task == "text-classification":
        best = found[0]
        spans = [Span(0, len(text), best["label"], best["score"])]
    else:
        if model.task == "question-answering":
            answers = found if isinstance(found, list) else [found]
            labelled = [(each, _labels(model)[0]) for each in answers if each["start"] < each["end"]]
        else:
            labelled = [(each, each["entity_group"]) for each in found]
        spans = [Span(each["start"], each["end"], label, each["score"]) for each, label in labelled]
    spans = [span._replace(label=tag.written[span.label]) for span in spans if span.label in tag.written]
    if model.task == "text-classification":
        results = choice_results(next(iter(spans), None), tag.control, scored=True)
    else:
        results = region_results(text, spans, control=tag.control, scored=True)
    return prediction(results, spans, version)
