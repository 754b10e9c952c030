"""Handler of a Hugging Face Inference Endpoint. It is loaded as a single file, so it has no relative imports.

The model's own pipeline answers the requests. Token classification and generative NER take

    {"inputs": str | list[str], "parameters": {"threshold": number from 0 to 1, "batch_size": whole number from 1, ...}}

and return a list of `{"entity_group", "score", "word", "start", "end"}` for a str, and a list of such lists for a
list, in which a document may be a list of its words. Question answering takes

    {"inputs": {"question": str, "context": str} | list of them, "parameters": {"top_k": ..., "threshold": ..., ...}}

and returns `{"score", "start", "end", "answer"}`, a list of them with `top_k` above 1, and for a list of questions a
list of either, also for a list of one. Text classification takes

    {"inputs": str | {"text": str, "text_pair": str} | list of them, "parameters": {"top_k": ..., "threshold": ...}}

and returns for each text a list of `{"label", "score"}`, the most probable first: all classes, or `top_k` of them. For
one text, too, the result is a list of such lists: `InferenceClient.text_classification` takes the first of them.

The parameters are the settings of the model's pipeline, among them all that `huggingface_hub.InferenceClient` sends;
null means the default. An invalid payload raises ValueError with one sentence: the server answers exceptions with
status 400 and `{"error": sentence}`, and a returned dict of that form with status 200.

With the environment variable KOSPAN_ONNX=1 the exported model in the folder `onnx` computes the scores; it needs the
package onnxruntime.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

# Limits of a request, so that none blocks the server for long.
MAX_TEXTS = 256
MAX_CHARACTERS = 100_000  # of one text
MAX_CHARACTERS_IN_ALL = 200_000
MAX_POSITIONS = 4_000_000  # of the encoder: strongly overlapping windows repeat a text many times
# Parameter -> limit. Memory grows with the windows of a batch and with the units of an answer.
LIMITS = {
    "batch_size": 256,
    **dict.fromkeys(("top_k", "topk"), 100),
    **dict.fromkeys(("max_answer_length", "max_answer_len"), 1000),
}

# Config of a generative model, beside its language model.
GENERATIVE_CONFIG = "kospan.json"
# "options" are for servers in front of this one: caching and waiting.
_KEYS = ("inputs", "parameters", "options")
_EXAMPLES = {
    "token-classification": '"your text"',
    "question-answering": '{"question": "your question", "context": "your text"}',
    "text-classification": '"your text" or {"text": "your text", "text_pair": "its second text"}',
}


class ReadRequest(NamedTuple):
    """A request that is within the limits.

    Args:
        items: The items, as the pipeline's `results` takes them.
        parameters: Settings of the pipeline.
        single: Whether the request held one item, not a list.
        in_list: Whether the response to one item is a list as well.
    """

    items: list
    parameters: dict
    single: bool
    in_list: bool

    def response(self, found: list) -> dict | list:
        """Return the response to the request for the result of each item."""
        return found[0] if self.single and not self.in_list else found


class EndpointHandler:
    """Load the model of a folder once and serve requests with it; calls from several threads are safe.

    Args:
        path: The model's folder; empty means the folder of this file.

    >>> handler = EndpointHandler("outputs/quickstart")  # doctest: +SKIP
    >>> handler({"inputs": "이재용 회장이 서울에서 말했다"})  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    def __init__(self, path: str | os.PathLike = ""):
        # Imported here, so that requests can be checked where there is no torch.
        import torch
        from transformers import AutoModel

        folder = os.path.abspath(path or os.path.dirname(os.path.abspath(__file__)))
        if os.path.isfile(os.path.join(folder, GENERATIVE_CONFIG)):
            model = load_generative_model(folder)
        else:
            model = AutoModel.from_pretrained(folder, trust_remote_code=True).float()
        if not hasattr(model, "pipeline"):
            raise ValueError(
                f"expected a model of kospan in {folder}, got {type(model).__name__}; take handler.py from the "
                "folder of the model"
            )
        if model.tokenizer is None:
            raise ValueError(f"expected a tokenizer beside the model in {folder}, found none; copy its files there")
        # In float32, as in evaluation, so that both give the same results.
        if os.environ.get("KOSPAN_ONNX") == "1":
            self.model = with_graph(model.eval(), os.path.join(folder, "onnx"))
        else:
            self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.pipeline = model.pipeline()

    def __call__(self, data: dict) -> dict | list:
        """Serve one request.

        Args:
            data: The request's body, as above.

        Raises:
            ValueError: If the body, a text or a parameter is invalid, or a limit is exceeded.
        """
        request = read_request(self.pipeline, data)
        try:
            return request.response(self.pipeline.results(request.items, **request.parameters))
        except TypeError as error:
            raise ValueError(str(error)) from error


def with_graph(model, folder: str):
    """Let the exported model of a folder compute the scores of a model's windows.

    Raises:
        ValueError: If there is no exported model.
        ImportError: If onnxruntime is missing.
    """
    import torch

    if not os.path.isfile(os.path.join(folder, "runtime.json")):
        raise ValueError(
            f"expected an exported model in {folder} for KOSPAN_ONNX=1, found none; publish with kospan push --onnx"
        )
    if folder not in sys.path:
        sys.path.insert(0, folder)
    graph = importlib.import_module("kospan_runtime").load(folder)
    model.window_batches = graph.window_batches
    if hasattr(model, "window_logits"):
        model.window_logits = graph.window_logits
    elif hasattr(model, "head"):
        model.window_emissions = lambda batch: torch.from_numpy(graph.window_emissions(batch))
    else:
        model.window_emissions = graph.window_emissions
    return model


def load_generative_model(folder: str):
    """Load the generative model of a folder with the code of the folder.

    An adapter needs peft, and its base model from the location in `adapter_config.json`.
    """
    import torch
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    model_class = get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", folder)
    return model_class.from_pretrained(folder, dtype=torch.float32)


def read_request(pipeline, data: dict) -> ReadRequest:
    """Read a request's body for a pipeline, within the limits.

    Raises:
        ValueError: If the body, a text or a parameter is invalid, or a limit is exceeded.
    """
    inputs, parameters = read_payload(data, _EXAMPLES[pipeline.task_name])
    classifies = pipeline.task_name == "text-classification"
    if classifies:
        parameters.setdefault("top_k", None)
    try:
        items, single = _items(pipeline, inputs, parameters)
        check_positions(pipeline, items, parameters)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return ReadRequest(items, parameters, single, in_list=classifies)


def read_payload(data: dict, example: str = '"your text"') -> tuple[object, dict]:
    """Inputs and parameters of a request's body, without parameters that are null.

    Args:
        data: The body.
        example: Example of inputs for error messages.

    Raises:
        ValueError: If the body has another form or a parameter exceeds its limit.

    >>> read_payload({"inputs": "비가 온다.", "parameters": {"threshold": 0.5, "stride": None}})
    ('비가 온다.', {'threshold': 0.5})
    """
    if not isinstance(data, Mapping):
        raise ValueError(f'expected a JSON object with "inputs", got {_kind(data)}; send {{"inputs": {example}}}')
    for key in data:
        if key not in _KEYS:
            raise ValueError(f"expected the request to hold only {', '.join(_KEYS)}, got {key!r}; leave it out")
    if data.get("inputs") is None:
        raise ValueError(f'expected "inputs" in the request, got none; send {{"inputs": {example}}}')
    given = data.get("parameters")
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise ValueError(f'expected parameters to be a JSON object, got {_kind(given)}; send {{"threshold": 0.5}}')
    for name, value in given.items():
        most = LIMITS.get(name)
        if most is not None and isinstance(value, (int, float)) and value > most:
            raise ValueError(f"expected {name} to be {most} or less, got {value}; leave it out")
    return data["inputs"], {name: value for name, value in given.items() if value is not None}


def _items(pipeline, inputs, parameters: Mapping | None = None) -> tuple[list, bool]:
    """The items of a request, within the limits, and whether it is a single one."""
    listed = pipeline.items(inputs, **(parameters or {}))
    if listed is None or not listed[0]:
        got = "an empty list" if listed else _kind(inputs)
        example = _EXAMPLES[pipeline.task_name]
        raise ValueError(f"expected inputs with one item or a list of them, got {got}; send {example}")
    items, single = listed
    if len(items) > MAX_TEXTS:
        raise ValueError(
            f"expected at most {MAX_TEXTS} texts in a request, got {len(items):,}; send them in several requests"
        )
    sizes = [sum(map(len, pipeline.texts(item))) for item in items]
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
    return items, single


def check_positions(pipeline, items: list, parameters: dict) -> None:
    """Raise ValueError if windows overlap so much that the texts would be processed too many times."""
    reads = pipeline.positions(items, **{name: value for name, value in parameters.items() if name != "batch_size"})
    if reads > max(MAX_POSITIONS, pipeline.positions(items)):
        # The model's names, if the request has them.
        names = pipeline._settings
        stride, question, window = (
            names[stock] if names.get(stock) in parameters else stock
            for stock in ("doc_stride", "max_question_len", "max_seq_len")
        )
        raise ValueError(
            f"expected windows with at most {MAX_POSITIONS:,} positions in all, got {reads:,}; make {stride} or "
            f"{question} smaller, or {window} larger"
        )


def _kind(value) -> str:
    """The type of a value in JSON, or its Python name."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)
