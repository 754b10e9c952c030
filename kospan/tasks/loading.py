"""Opens any saved model that finds spans: ours, or a stock token-classification model of transformers."""

from collections.abc import Sequence

import torch
from transformers import AutoConfig
from transformers.utils.logging import disable_progress_bar

from kospan.data.records import ReadSession
from kospan.example import Example
from kospan.modeling import KospanGenerativeNER
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME as WRITER_FILE
from kospan.modeling.configuration_generative_ner import find_file
from kospan.task import Task
from kospan.tasks.encoders import check_no_file, load_ours, whole_weights
from kospan.tasks.registry import spec_of_model
from kospan.tasks.token_classification.stock_model import StockModel


def load_saved(name: str, aggregation: str | None = None):
    """A model from a folder or the Hub, in float32, ready to be asked.

    Args:
        name: Folder or Hub name.
        aggregation: For stock models, see `StockModel`; None takes its default.

    Returns: A model of ours, or a `StockModel`.

    Raises: FileNotFoundError where there is none, or a part of it is missing; ValueError where it is a model of another
        kind, or its weights are cut short or do not fit its config.
    """
    disable_progress_bar()
    check_no_file(name)
    if find_file(name, WRITER_FILE) is not None:
        if aggregation is not None:
            raise ValueError(
                f"expected no aggregation for a model of ours, got {aggregation!r}; leave it out, whole spans are "
                "what it writes"
            )
        return _writer(name)
    try:
        config = AutoConfig.from_pretrained(name)
    except OSError as error:
        raise FileNotFoundError(
            f"expected a model on the Hub or in a folder under the name {name!r}, found none "
            f"({str(error).strip().splitlines()[0]}); a run leaves its model in outputs/<recipe name>"
        ) from error
    except ValueError as error:
        # Neither a config nor a name in it that transformers knows.
        raise FileNotFoundError(
            f"expected a model in {name!r}, found no config.json there that names its kind "
            f"({str(error).strip().splitlines()[0]}); a run leaves its model in outputs/<recipe name>"
        ) from error
    if config.model_type.startswith("kospan-"):
        if aggregation is not None:
            raise ValueError(
                f"expected no aggregation for a model of ours, got {aggregation!r}; leave it out, whole spans come "
                "out of its chain"
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return load_ours(name, dtype=torch.float32).to(device).eval()
    if not any(kind.endswith("ForTokenClassification") for kind in config.architectures or ()):
        kinds = ", ".join(config.architectures or ()) or f"a {config.model_type} without a head"
        raise ValueError(f"expected a model that finds spans at {name!r}, got {kinds}; train one with kospan train")
    return StockModel(name, aggregation or AGGREGATION)


def _writer(name: str) -> KospanGenerativeNER:
    """Raises: as `load_saved`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with whole_weights(name):
            return KospanGenerativeNER.from_pretrained(name, dtype=torch.float32).to(device).eval()
    except FileNotFoundError as error:
        own = error.__cause__
        # What is missing is the adapter's base, and the loader has said so.
        if isinstance(own, FileNotFoundError) and find_file(name, ADAPTER) is not None:
            raise own from own.__cause__
        raise


AGGREGATION = "simple"


def open_saved(name: str, aggregation: str | None = None, dataset: str = "jsonl") -> Task:
    """The task over a saved model, which finds and scores what that model is for.

    Args:
        name: As in `load_saved`.
        aggregation: As in `load_saved`.
        dataset: The data's set, whose rules and unit count where the model has none of its own.

    Raises: as `load_saved`.
    """
    model = load_saved(name, aggregation)
    return spec_of_model(model.config.model_type).task.over(model, dataset)


def readable(task: Task, examples: Sequence[Example], place: str, reading: ReadSession) -> list[Example]:
    """The examples that a model can be asked or scored with; the others are invalid records.

    Args:
        task: The task over the model.
        examples: What was read.
        place: The file, as errors name it.
        reading: Says whether invalid records are skipped, and counts them.

    Raises: ValueError: the first error with the number of the others, unless they are skipped; or that no example
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
