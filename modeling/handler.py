"""What a Hugging Face Inference Endpoint runs; it is loaded as a loose file, so it imports nothing beside it.

    {"inputs": str | list[str], "parameters": {"threshold": number from 0 to 1, "batch_size": whole number from 1}}

gives a list of `{"entity_group", "score", "word", "start", "end"}` for a str and a list of such lists for a list, as
the pipeline does. A payload that cannot be served raises ValueError with one sentence: the server answers
exceptions with status 400 and `{"error": sentence}`, while a returned dict of that form would leave with status 200.
"""

import os
from collections.abc import Mapping

import torch
from transformers import AutoModel

# Limits of one request, so that none can hold the server for long; split what is larger.
MAX_TEXTS = 256
MAX_CHARACTERS = 100_000  # of one text
MAX_CHARACTERS_IN_ALL = 200_000
MAX_BATCH_SIZE = 256  # windows at once, which is what memory grows with

_PARAMETERS = ("threshold", "batch_size")
# "options" is what clients say about caching and waiting; it concerns servers in front of this one.
_KEYS = ("inputs", "parameters", "options")


class EndpointHandler:
    """Loads the model of a folder once and finds spans in texts. Threads may call it at once.

    Args:
        path: The model's folder; empty means the one in which this file lies.

    >>> handler = EndpointHandler("outputs/quickstart")  # doctest: +SKIP
    >>> handler({"inputs": "이재용 회장이 서울에서 말했다"})  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    def __init__(self, path: str | os.PathLike = ""):
        folder = os.path.abspath(path or os.path.dirname(os.path.abspath(__file__)))
        model = AutoModel.from_pretrained(folder, trust_remote_code=True)
        if model.tokenizer is None:
            raise ValueError(f"expected a tokenizer beside the model in {folder}, found none; copy its files there")
        # Endpoint and evaluation agree only in the precision that evaluation has, on every device.
        self.model = model.float().to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def __call__(self, data: dict) -> list:
        """The spans of the text or texts of one request.

        Args:
            data: The request's body, as above.

        Raises: ValueError where the body, a text or a parameter is not as expected, or a limit is passed.
        """
        texts, parameters = read_payload(data)
        single = isinstance(texts, str)
        try:
            self.model.extract([], **parameters)  # No text is read; the parameters are checked where they are at home.
        except TypeError as error:
            raise ValueError(str(error)) from error
        found = self.model.extract([texts] if single else texts, **parameters)
        entities = [_entities(text, spans) for text, spans in zip([texts] if single else texts, found)]
        return entities[0] if single else entities


def read_payload(data: dict) -> tuple[str | list[str], dict]:
    """The texts and the parameters of a request's body, within the limits.

    Raises: ValueError where they are not as expected. What a number may be is checked by the model.

    >>> read_payload({"inputs": "비가 온다.", "parameters": {"threshold": 0.5}})
    ('비가 온다.', {'threshold': 0.5})
    """
    if not isinstance(data, Mapping):
        raise ValueError(f'expected a JSON object with "inputs", got {_kind(data)}; send {{"inputs": "your text"}}')
    _refuse_unknown("the request", data, _KEYS)
    if "inputs" not in data:
        raise ValueError('expected "inputs" in the request, got none; send {"inputs": "your text"}')
    texts = data["inputs"]
    if not isinstance(texts, str):
        if not isinstance(texts, (list, tuple)):
            raise ValueError(f"expected inputs to be a text or a list of texts, got {_kind(texts)}; send JSON strings")
        texts = list(texts)
        if not texts:
            raise ValueError("expected inputs to hold a text or more, got an empty list; send at least one")
        for at, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"expected every item of inputs to be a text, got {_kind(text)} at index {at}")
    _refuse_large([texts] if isinstance(texts, str) else texts)
    parameters = data.get("parameters")
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, Mapping):
        raise ValueError(f'expected parameters to be a JSON object, got {_kind(parameters)}; send {{"threshold": 0.5}}')
    _refuse_unknown("parameters", parameters, _PARAMETERS)
    batch_size = parameters.get("batch_size")
    if isinstance(batch_size, int) and batch_size > MAX_BATCH_SIZE:
        raise ValueError(f"expected batch_size to be {MAX_BATCH_SIZE} or less, got {batch_size}; leave it out")
    return texts, {name: value for name, value in parameters.items() if value is not None}


def _refuse_large(texts: list[str]) -> None:
    if len(texts) > MAX_TEXTS:
        raise ValueError(
            f"expected at most {MAX_TEXTS} texts in a request, got {len(texts):,}; send them in several requests"
        )
    for at, text in enumerate(texts):
        if len(text) > MAX_CHARACTERS:
            raise ValueError(
                f"expected texts of at most {MAX_CHARACTERS:,} characters, got {len(text):,} at index {at}; split it"
            )
    together = sum(map(len, texts))
    if together > MAX_CHARACTERS_IN_ALL:
        raise ValueError(
            f"expected at most {MAX_CHARACTERS_IN_ALL:,} characters in a request, got {together:,}; send the texts in "
            "several requests"
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
