"""What a Hugging Face Inference Endpoint runs; it is loaded as a loose file, so it imports nothing beside it.

Of a model that finds spans in texts:

    {"inputs": str | list[str], "parameters": {"threshold": number from 0 to 1, "batch_size": whole number from 1}}

gives a list of `{"entity_group", "score", "word", "start", "end"}` for a str and a list of such lists for a list. Of a
model that answers questions:

    {"inputs": {"question": str, "context": str} | list of them, "parameters": {"top_k": ..., "threshold": ..., ...}}

gives `{"score", "start", "end", "answer"}`, a list of them with `top_k` above 1, and for a list of questions a list of
either, a list of one included. Of a model that classifies texts:

    {"inputs": str | {"text": str, "text_pair": str} | list of them, "parameters": {"top_k": ..., "threshold": ...}}

gives `{"label", "score"}`, a list of them with `top_k` above 1, and for a list a list of either. A payload that
cannot be served raises ValueError with one sentence: the server answers exceptions with status 400 and `{"error":
sentence}`, while a returned dict of that form would leave with status 200.
"""

import os
from collections.abc import Mapping

import torch
from transformers import AutoModel
from transformers.dynamic_module_utils import get_class_from_dynamic_module

# Limits of one request, so that none can hold the server for long; split what is larger.
MAX_TEXTS = 256
MAX_CHARACTERS = 100_000  # of one text
MAX_CHARACTERS_IN_ALL = 200_000
MAX_BATCH_SIZE = 256  # windows at once, which is what memory grows with
MAX_TOP_K = 100
MAX_ANSWER = 1000  # units of an answer, which is what memory grows with too

# What lies beside a language model that writes spans out.
WRITER = "kospan.json"
# "options" is what clients say about caching and waiting; it concerns servers in front of this one.
_KEYS = ("inputs", "parameters", "options")


class EndpointHandler:
    """Loads the model of a folder once and serves requests with it. Threads may call it at once.

    Args:
        path: The model's folder; empty means the one in which this file lies.

    >>> handler = EndpointHandler("outputs/quickstart")  # doctest: +SKIP
    >>> handler({"inputs": "이재용 회장이 서울에서 말했다"})  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    def __init__(self, path: str | os.PathLike = ""):
        folder = os.path.abspath(path or os.path.dirname(os.path.abspath(__file__)))
        if os.path.isfile(os.path.join(folder, WRITER)):
            model = load_writer(folder)
        else:
            model = AutoModel.from_pretrained(folder, trust_remote_code=True).float()
        if model.tokenizer is None:
            raise ValueError(f"expected a tokenizer beside the model in {folder}, found none; copy its files there")
        # Endpoint and evaluation agree only in the precision that evaluation has, on every device.
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.service = SERVICES.get(model.config.model_type)
        if self.service is None:
            raise ValueError(
                f"expected a model of type {' or '.join(SERVICES)} in {folder}, got {model.config.model_type}; take "
                "handler.py from the folder of the model"
            )

    def __call__(self, data: dict) -> dict | list:
        """What the model finds in the texts of one request.

        Args:
            data: The request's body, as above.

        Raises: ValueError where the body, a text or a parameter is not as expected, or a limit is passed.
        """
        items, parameters, single = read_payload(data, self.service)
        try:
            self.service.answer(self.model, [], parameters)  # No text is read; parameters are checked at home.
            found = self.service.answer(self.model, items, parameters)
        except TypeError as error:
            raise ValueError(str(error)) from error
        return found[0] if single else found


def load_writer(folder: str):
    """The language model of a folder that writes spans out, by the code that lies there; an adapter needs peft, and its
    base model from where `adapter_config.json` says."""
    writer = get_class_from_dynamic_module("modeling_writer.SpanWriter", folder)
    return writer.from_pretrained(folder, dtype=torch.float32)


class Tagging:
    """Texts -> spans."""

    one, many = "a text", "texts"
    example = '"your text"'
    parameters = {"threshold": "threshold", "batch_size": "batch_size"}
    limits = {"batch_size": MAX_BATCH_SIZE}

    @staticmethod
    def texts(item) -> tuple[str, ...] | None:
        """The texts of an item; None where it is none."""
        return (item,) if isinstance(item, str) else None

    @staticmethod
    def answer(model, items: list[str], parameters: dict) -> list[list[dict]]:
        """A list of entities for each text."""
        return [_entities(text, spans) for text, spans in zip(items, model.extract(items, **parameters))]


class Reading:
    """Questions with their texts -> answers."""

    one, many = "a question with its context", "questions with their contexts"
    example = '{"question": "your question", "context": "your text"}'
    # What a request calls it, as in the pipeline or as in `model.answer` -> what `model.answer` does.
    parameters = {
        "top_k": "top_k",
        "threshold": "threshold",
        "batch_size": "batch_size",
        "null_answer": "null_answer",
        "handle_impossible_answer": "null_answer",
        "longest_answer": "longest_answer",
        "max_answer_len": "longest_answer",
        "trim_particles": "trim_particles",
    }
    limits = {"batch_size": MAX_BATCH_SIZE, "top_k": MAX_TOP_K, "longest_answer": MAX_ANSWER}

    @staticmethod
    def texts(item) -> tuple[str, ...] | None:
        """Question and context of an item; None where it is none."""
        if not isinstance(item, Mapping) or set(item) != {"question", "context"}:
            return None
        found = (item["question"], item["context"])
        return found if all(isinstance(text, str) for text in found) else None

    @staticmethod
    def answer(model, items: list[dict], parameters: dict) -> list[dict] | list[list[dict]]:
        """The best answer to each question, or a list of the best."""
        contexts = [item["context"] for item in items]
        found = model.answer([item["question"] for item in items], contexts, **parameters)
        answers = [_answers(text, spans) for text, spans in zip(contexts, found)]
        if parameters.get("top_k", 1) > 1:
            return answers
        nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
        return [best[0] if best else dict(nothing) for best in answers]


class Classifying:
    """Texts, or pairs of texts -> classes or values."""

    one, many = "a text or a text with its text_pair", "texts"
    example = '"your text" or {"text": "your text", "text_pair": "what stands before it"}'
    parameters = {"top_k": "top_k", "threshold": "threshold", "batch_size": "batch_size"}
    limits = {"batch_size": MAX_BATCH_SIZE, "top_k": MAX_TOP_K}

    @staticmethod
    def texts(item) -> tuple[str, ...] | None:
        """Text and perhaps text_pair of an item; None where it is none."""
        if isinstance(item, str):
            return (item,)
        if not isinstance(item, Mapping) or not {"text"} <= set(item) <= {"text", "text_pair"}:
            return None
        found = tuple(item[key] for key in ("text", "text_pair") if key in item)
        return found if all(isinstance(text, str) for text in found) else None

    @staticmethod
    def answer(model, items: list, parameters: dict) -> list[dict] | list[list[dict]]:
        """The best class of each text, or a list of the best."""
        top_k, threshold = parameters.get("top_k", 1), parameters.get("threshold", 0.0)
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise ValueError(f"expected top_k of 1 or more, got {top_k!r}; 1 gives the best class alone")
        found = [Classifying.texts(item) for item in items]
        for at, texts in enumerate(found):
            if (len(texts) == 2) != model.config.pairs:
                wanted = "a text_pair beside the text" if model.config.pairs else "a text without a text_pair"
                raise ValueError(f"expected {wanted}, as the model was trained on, got other inputs at index {at}")
        pairs = [texts[1] for texts in found] if model.config.pairs else None
        size = {"batch_size": parameters["batch_size"]} if "batch_size" in parameters else {}
        texts = [each[0] for each in found]
        # What a threshold or a batch may be is checked where it is at home, before a text is read.
        model.classify([], None if pairs is None else [], threshold, **size)
        names, values = model.config.classes, model.config.problem == "regression"
        answers = []
        for row in model.scores(texts, pairs, **size):
            order = sorted(range(len(names)), key=lambda at: -row[at])
            best = [{"label": names[at], "score": float(row[at])} for at in order if values or row[at] >= threshold]
            nothing = {"label": None, "score": float(row[order[0]])}
            answers.append(best[:top_k] if top_k > 1 else best[0] if best else nothing)
        return answers


# By the `model_type` of a model's config.
SERVICES = {
    "kospan-tagger": Tagging,
    "kospan-writer": Tagging,
    "kospan-reader": Reading,
    "kospan-classifier": Classifying,
}


def read_payload(data: dict, service=Tagging) -> tuple[list, dict, bool]:
    """The items and the parameters of a request's body, within the limits, and whether one item came alone.

    Raises: ValueError where they are not as expected. What a number may be is checked by the model.

    >>> read_payload({"inputs": "비가 온다.", "parameters": {"threshold": 0.5}})
    (['비가 온다.'], {'threshold': 0.5}, True)
    """
    if not isinstance(data, Mapping):
        raise ValueError(
            f'expected a JSON object with "inputs", got {_kind(data)}; send {{"inputs": {service.example}}}'
        )
    _refuse_unknown("the request", data, _KEYS)
    if "inputs" not in data:
        raise ValueError(f'expected "inputs" in the request, got none; send {{"inputs": {service.example}}}')
    items, single = _items(data["inputs"], service)
    return items, _parameters(data.get("parameters"), service), single


def _items(inputs, service) -> tuple[list, bool]:
    if service.texts(inputs) is not None:
        items, single = [inputs], True
    elif isinstance(inputs, (list, tuple)):
        items, single = list(inputs), False
    else:
        raise ValueError(
            f"expected inputs to be {service.one} or a list of {service.many}, got {_kind(inputs)}; send "
            f"{service.example}"
        )
    if not items:
        raise ValueError(f"expected inputs to hold {service.one} or more, got an empty list; send at least one")
    for at, item in enumerate(items):
        if service.texts(item) is None:
            raise ValueError(f"expected every item of inputs to be {service.one}, got {_kind(item)} at index {at}")
    _refuse_large([service.texts(item) for item in items])
    return items, single


def _parameters(given, service) -> dict:
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise ValueError(f'expected parameters to be a JSON object, got {_kind(given)}; send {{"threshold": 0.5}}')
    _refuse_unknown("parameters", given, tuple(service.parameters))
    found = {}
    for name, value in given.items():
        ours = service.parameters[name]
        if value is None:
            continue
        if ours in found and found[ours] != value:
            raise ValueError(f"expected one value for {name}, got {found[ours]!r} by its other name too; leave one out")
        most = service.limits.get(ours)
        if most is not None and isinstance(value, int) and value > most:
            raise ValueError(f"expected {name} to be {most} or less, got {value}; leave it out")
        found[ours] = value
    return found


def _refuse_large(items: list[tuple[str, ...]]) -> None:
    """Raises where there are too many items, or too many characters in one or in all."""
    if len(items) > MAX_TEXTS:
        raise ValueError(
            f"expected at most {MAX_TEXTS} texts in a request, got {len(items):,}; send them in several requests"
        )
    sizes = [sum(map(len, texts)) for texts in items]
    for at, size in enumerate(sizes):
        if size > MAX_CHARACTERS:
            raise ValueError(
                f"expected texts of at most {MAX_CHARACTERS:,} characters, got {size:,} at index {at}; split it"
            )
    if sum(sizes) > MAX_CHARACTERS_IN_ALL:
        raise ValueError(
            f"expected at most {MAX_CHARACTERS_IN_ALL:,} characters in a request, got {sum(sizes):,}; send the texts "
            "in several requests"
        )


def _refuse_unknown(name: str, given: Mapping, known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"expected {name} to hold only {', '.join(known)}, got {key!r}; leave it out")


def _kind(value) -> str:
    """What JSON calls the type of a value; its Python name where JSON has none."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


def _entities(text: str, spans: list) -> list[dict]:
    return [
        {
            "entity_group": span.label,
            "score": float(span.score),
            "word": text[span.start : span.end],
            "start": int(span.start),
            "end": int(span.end),
        }
        for span in spans
    ]


def _answers(text: str, spans: list) -> list[dict]:
    return [
        {
            "score": float(span.score),
            "start": int(span.start),
            "end": int(span.end),
            "answer": text[span.start : span.end],
        }
        for span in spans
    ]
