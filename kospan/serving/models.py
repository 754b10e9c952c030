"""Loading of the models that a server serves."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kospan.model_names import model_path
from kospan.runtime.graph_model import SETTINGS

# Subfolder of a published model with its export, see `kospan push --onnx`.
ONNX_FOLDER = "onnx"
# Tokens of a batch, above which larger batches are not faster.
_CPU_TOKENS, _GPU_TOKENS = 2048, 16384
# Longest time of a batch on a CPU, in seconds, because a short request waits for the batch that is running; and the
# fewest tokens of a batch, however long they take.
_BATCH_SECONDS = 0.1
_LEAST_TOKENS = 256
# Requests share batches in int8 if single calls take this many times as long.
_GAIN = 1.2
# Inputs of the first requests, by which tokens per character are measured.
_TEXT = "이재용 회장이 지난해 3월 5일 서울에서 열린 회의에서 Kospan 0.1을 소개했다."
_FIRST_INPUTS = {
    "token-classification": _TEXT,
    "question-answering": {"question": "회의는 어디에서 열렸는가?", "context": _TEXT},
    "text-classification": _TEXT,
}


class ServedModel(NamedTuple):
    """A loaded model.

    Args:
        name: Its name in URLs.
        backend: "torch" or "onnx".
        precision: "float32" or "int8".
        pipeline: Its pipeline.
        batches: Whether requests share batches.
        batch_tokens: Tokens of a batch.
        tokens_per_character: Tokens of a text for each of its characters, roughly.
    """

    name: str
    backend: str
    precision: str
    pipeline: Any
    batches: bool = True
    batch_tokens: int = 2048
    tokens_per_character: float = 1.0

    @property
    def task(self) -> str:
        """The task, such as "token-classification"."""
        return self.pipeline.task_name

    def tokens(self, item) -> int:
        """Estimate the tokens of an item of the pipeline."""
        return 2 + int(self.tokens_per_character * sum(map(len, self.pipeline.texts(item))))

    def about(self) -> dict:
        """Return a description for clients."""
        config = self.pipeline.model.config
        labels = [tag[2:] for tag in getattr(config, "tags", ()) if tag[:2] == "B-"] or getattr(config, "labels", ())
        if self.task == "text-classification":
            labels = config.classes
        shown = {"name": self.name, "task": self.task, "backend": self.backend, "precision": self.precision}
        points = list(getattr(config, "operating_points", None) or ())
        return shown | {"labels": list(labels)} | ({"operating_points": points} if points else {})


def backend_of(source: str, backend: str | None) -> tuple[str, str]:
    """Return the folder or Hub name to load, and its backend.

    Args:
        source: Folder, name of an installed model, or Hub name.
        backend: As in `ServeSettings`.

    Raises:
        FileNotFoundError: If a folder holds no model, or the package of an installed model is missing.
        ValueError: If the source has no model for the backend.
    """
    source = model_path(source)
    if not os.path.isdir(source):
        if os.path.exists(source) or source.startswith((".", "/", "~")) or source.count("/") > 1:
            raise FileNotFoundError(f"expected a model's folder at {source}, found none; a run writes one to outputs/")
        return source, backend or "torch"
    if (Path(source) / SETTINGS).is_file():
        if backend == "torch":
            raise ValueError(
                f"expected a model with its weights for --backend torch, got the exported model in {source}"
            )
        return source, "onnx"
    if not any((Path(source) / name).is_file() for name in ("config.json", "kospan.json")):
        raise FileNotFoundError(f"expected a model in {source}, found no config.json there; name its folder")
    if backend != "onnx":
        return source, "torch"
    exported = os.path.join(source, ONNX_FOLDER)
    if not (Path(exported) / SETTINGS).is_file():
        raise ValueError(
            f"expected an exported model in {source} or {exported} for --backend onnx, found none; write one with "
            f"`kospan export {source} OUT` and serve OUT"
        )
    return exported, "onnx"


def load_models(models: Mapping[str, str], backend: str | None, threads: int, batch_tokens: int | None) -> list:
    """Load models in this process and run each once.

    Args:
        models: Source of each by name.
        backend: As in `ServeSettings`.
        threads: Threads of a forward pass.
        batch_tokens: As in `ServeSettings`.

    Returns:
        A list of `ServedModel`.

    Raises:
        FileNotFoundError, ValueError, ImportError: If a model is missing or cannot be loaded or served.
    """
    found = []
    for name, source in models.items():
        source, kind = backend_of(source, backend)
        if kind == "onnx":
            found.append(_load_graph(name, source, threads))
        else:
            found.append(_load_torch(name, source, threads))
    return [_measured(model, batch_tokens) for model in found]


def _load_graph(name: str, source: str, threads: int) -> ServedModel:
    from kospan.runtime import load
    from kospan.serving.graph_pipeline import graph_pipeline

    if not os.path.isdir(source):
        from huggingface_hub import snapshot_download

        source = os.path.join(snapshot_download(source, allow_patterns=[f"{ONNX_FOLDER}/*"]), ONNX_FOLDER)
    model = load(source, threads)
    return ServedModel(name, "onnx", model.precision, graph_pipeline(model))


def _load_torch(name: str, source: str, threads: int) -> ServedModel:
    import torch

    from kospan.tasks.loading import load_saved

    torch.set_num_threads(threads)
    model = load_saved(source)
    if not hasattr(model, "pipeline"):
        raise ValueError(
            f"expected a model of kospan in {source}, got {type(model).__name__}; train one with kospan train"
        )
    return ServedModel(name, "torch", "float32", model.pipeline())


def _measured(model: ServedModel, batch_tokens: int | None) -> ServedModel:
    """Run a model for the first time, and return it with what the runs show."""
    first = _FIRST_INPUTS[model.task]
    if getattr(model.pipeline.model.config, "pairs", False):
        first = {"text": _TEXT, "text_pair": _TEXT}
    items, _ = model.pipeline.items(first)
    model.pipeline.results(items)
    tokens = len(model.pipeline.model.tokenizer(_TEXT)["input_ids"])
    model = model._replace(tokens_per_character=tokens / len(_TEXT))
    single, shared = seconds_per_item(model.pipeline, items)
    if model.backend == "torch" and model.pipeline.model.device.type != "cpu":
        most = _GPU_TOKENS
    else:
        most = min(_CPU_TOKENS, max(_LEAST_TOKENS, int(_BATCH_SECONDS * model.tokens(items[0]) / shared)))
    return model._replace(
        batch_tokens=batch_tokens or most,
        # In int8 each window runs by itself. Then only small models, whose decoding takes much of the time, gain.
        batches=model.precision != "int8" or single / shared > _GAIN,
    )


def seconds_per_item(pipeline, items: list, size: int = 8, repeats: int = 3) -> tuple[float, float]:
    """Measure the CPU time of an item, in a call by itself and in a call of several.

    Args:
        pipeline: A pipeline.
        items: One item of it.
        size: Number of equal items in the call of several.
        repeats: Number of measurements; the shortest times count.
    """
    times: tuple[list[float], list[float]] = [], []
    for _ in range(repeats):
        for calls, own in zip(([items] * size, [items * size]), times):
            before = time.thread_time()
            for call in calls:
                pipeline.results(call)
            own.append((time.thread_time() - before) / size)
    return min(times[0]), min(times[1])


def check_sources(models: Mapping[str, str], backend: str | None) -> None:
    """Check the sources of models without loading them; raises as `load_models`."""
    for source in models.values():
        folder, kind = backend_of(source, backend)
        config = Path(folder) / "config.json"
        if kind == "torch" and config.is_file() and not (Path(folder) / "kospan.json").is_file():
            try:
                model_type = str(json.loads(config.read_text(encoding="utf-8")).get("model_type"))
            except (ValueError, AttributeError) as error:
                raise ValueError(f"expected JSON with a model_type in {config}, got {error}") from error
            if not model_type.startswith("kospan-"):
                raise ValueError(
                    f"expected a model of kospan in {folder}, got one of type {model_type}; train one with kospan train"
                )
