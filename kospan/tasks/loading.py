"""Saved models by folder or name: ours, and stock token-classification models of transformers."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import AutoConfig, PretrainedConfig
from transformers.utils.logging import disable_progress_bar

from kospan.data.records import ReadSession
from kospan.example import Example
from kospan.model_names import model_path, name_advice
from kospan.modeling import KospanGenerativeNER
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME, find_file
from kospan.modeling.settings import FORMER_MODEL_TYPES, check_model_type
from kospan.task import Task
from kospan.tasks.encoders import check_code_of_its_own, check_no_file, load_ours, whole_weights
from kospan.tasks.registry import spec_of_model
from kospan.tasks.token_classification.stock_model import StockModel

# File of a folder that `kospan export` wrote; see `kospan.runtime`.
EXPORTED = "runtime.json"
# Types of the encoder in prediction.
DTYPES = ("float32", "bfloat16")


def load_saved(name: str, aggregation: str | None = None, dtype: str = "float32"):
    """Load a model from a folder or the Hub, ready to predict.

    Args:
        name: Folder, name of an installed model, or Hub name.
        aggregation: For stock models, see `StockModel`; None takes its default.
        dtype: Type of the encoder: "float32" or "bfloat16".

    Returns: A model of ours, one that `kospan export` wrote, or a `StockModel`.

    Raises:
        FileNotFoundError: There is none, or a part of it is missing.
        ValueError: It is a model of another kind or of an earlier version, its weights are cut short or do not fit its
            config, or it cannot run in `dtype`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"expected dtype to be one of {', '.join(DTYPES)}, got {dtype!r}; float32 is the default")
    with _named_damage(name):
        model = _load_in_float32(name, aggregation)
        if getattr(model, "tokenizer", None) is not None:
            # Used now, so that a damaged tokenizer is an error here.
            model.tokenizer("a")
            getattr(model, "aligner", None)
            _check_ids(model, name)
    if dtype == "bfloat16":
        _check_bfloat16(model, name)
        model.set_encoder_dtype(torch.bfloat16)
    return model


def _check_ids(model, name: str) -> None:
    """Check that the encoder has a vector for each id of the tokenizer, without tokens that were added to it.

    Raises:
        ValueError: It has fewer.
    """
    encoder = getattr(model, "encoder", None) or getattr(model, "model", None)
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None or not hasattr(encoder, "get_input_embeddings"):
        return
    rows = encoder.get_input_embeddings().weight.shape[0]
    largest = max(backend.get_vocab(with_added_tokens=False).values(), default=0)
    if largest >= rows:
        raise ValueError(
            f"expected a tokenizer in {name} with ids below {rows:,}, the number of the encoder's vectors, got "
            f"{largest:,}; copy tokenizer.json from the model again"
        )


@contextmanager
def _named_damage(name: str) -> Iterator[None]:
    """Name the model in errors of libraries about its files, which may have any type.

    Raises:
        ValueError: A file cannot be read or has a wrong value.
    """
    try:
        yield
    except (OSError, ImportError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        if (
            isinstance(error, (ValueError, TypeError))
            and "expected " in reason
            and (", got" in reason or ", found" in reason)
        ):
            raise
        raise ValueError(
            f"expected a whole model in {name}, got a damaged or incomplete one ({type(error).__name__}: "
            f"{reason[:200]}); copy the model again"
        ) from error


def _check_bfloat16(model, name: str) -> None:
    if not hasattr(model, "set_encoder_dtype"):
        raise ValueError(
            f"expected a model of kospan with an encoder in torch for dtype bfloat16, got another one in {name}; leave "
            "dtype out"
        )
    on_gpu = model.device.type == "cuda"
    if not (torch.cuda.is_bf16_supported() if on_gpu else has_bfloat16()):
        raise ValueError(
            "expected a CPU with instructions for bfloat16 (AVX-512 BF16, AMX or Arm BF16) or a GPU with them, got one "
            "without, on which bfloat16 is slower than float32; leave dtype out"
        )


def has_bfloat16() -> bool:
    """Return whether this CPU multiplies in bfloat16."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _load_in_float32(name: str, aggregation: str | None):
    disable_progress_bar()
    name = model_path(name)
    check_no_file(name)
    if os.path.isfile(os.path.join(name, EXPORTED)):
        _check_no_aggregation(aggregation)
        return _load_exported(name)
    if find_file(name, NAME) is not None:
        _check_no_aggregation(aggregation)
        return _load_generative(name)
    try:
        model_type = PretrainedConfig.get_config_dict(name)[0].get("model_type")
        config = None if model_type in FORMER_MODEL_TYPES else AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        check_code_of_its_own(error, name)
        missing = f"on the Hub or in a folder under the name {name!r}, found none"
        if isinstance(error, ValueError):  # No config, or none of a type that transformers knows.
            missing = f"in {name!r}, found no config.json there that names its kind"
        raise FileNotFoundError(
            f"expected a model {missing} ({str(error).strip().splitlines()[0]}); a run writes its model to "
            f"outputs/<recipe name>{name_advice(name)}"
        ) from error
    check_model_type(model_type, name)
    if config.model_type.startswith("kospan-"):
        _check_no_aggregation(aggregation)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return load_ours(name, dtype=torch.float32).to(device).eval()
    if not any(kind.endswith("ForTokenClassification") for kind in config.architectures or ()):
        kinds = ", ".join(config.architectures or ()) or f"a {config.model_type} without a head"
        pretrained = any(kind.endswith("ForMaskedLM") for kind in config.architectures or ())
        advice = f"a model of another task with --encoder {name}" if pretrained else "one with kospan train"
        raise ValueError(f"expected a model that finds spans at {name!r}, got {kinds}; train {advice}")
    return StockModel(name, aggregation or "simple")


def _check_no_aggregation(aggregation: str | None) -> None:
    if aggregation is not None:
        raise ValueError(
            f"expected no aggregation for a model of ours, got {aggregation!r}; remove it, because the model predicts "
            "whole spans"
        )


def check_not_exported(name: str | os.PathLike, action: str) -> None:
    """Check that a folder does not hold an exported model, which has no weights in torch.

    Args:
        name: Folder or Hub name.
        action: What is done with the model, for the error.

    Raises:
        ValueError: It does.
    """
    if os.path.isfile(os.path.join(model_path(name), EXPORTED)):
        raise ValueError(
            f"expected a model with its weights to {action}, got the exported model in {os.fspath(name)}; {action} the "
            "model that it was exported from"
        )


def _load_exported(name: str):
    try:
        from kospan.runtime import load
    except ImportError as error:
        raise ImportError(
            f"expected the packages onnxruntime and tokenizers for the exported model in {name}, got: {error}; pip "
            'install "kospan[onnx]"'
        ) from error
    return load(name)


def _load_generative(name: str) -> KospanGenerativeNER:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with whole_weights(name):
            return KospanGenerativeNER.from_pretrained(name, dtype=torch.float32).to(device).eval()
    except ValueError as error:
        check_code_of_its_own(error, name)
        raise
    except FileNotFoundError as error:
        own = error.__cause__
        # The base model of the adapter is missing, and the message of the loader says so.
        if isinstance(own, FileNotFoundError) and find_file(name, ADAPTER) is not None:
            raise own from own.__cause__
        raise


def open_saved(name: str, aggregation: str | None = None, dataset: str = "jsonl") -> Task:
    """Open a saved model as a task, which predicts and scores.

    Args:
        name: Folder or Hub name.
        aggregation: As in `load_saved`.
        dataset: Data set, whose rules and unit count where the model has none of its own.

    Raises:
        FileNotFoundError, ValueError: As `load_saved`.
    """
    model = load_saved(name, aggregation)
    return spec_of_model(model.config.model_type).task.over(model, dataset)


def readable(task: Task, examples: Sequence[Example], place: str, reading: ReadSession) -> list[Example]:
    """Return the examples that suit a model; the others are invalid records.

    Args:
        task: The task over the model.
        examples: The examples of a file.
        place: The file, as errors name it.
        reading: Counts invalid records, and says whether they are skipped.

    Raises:
        ValueError: The first invalid record with the number of the others, unless they are skipped; or no example
            remains.
    """
    kept = []
    for example in examples:
        with reading.record():
            task.spec.check_examples(task, [example], place)
            kept.append(example)
    reading.finish()
    if not kept:
        raise ValueError(f"{place}: expected a record that the model can read, got {reading.nothing('none')}")
    return kept
