"""Parts of tasks and specs that several tasks share."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling.configuration_kospan import KospanConfig
from kospan.recipe import FIELDS, Recipe
from kospan.task import Task, TaskSpec
from kospan.tasks.encoders import check_scratch_options, read_settings
from kospan.tasks.unused_settings import EVERY_TASK
from kospan.training.lora import save_plain

# Settings that have an effect in every task with an encoder, beside those of its config.
ENCODER_TASK = frozenset(
    (
        *("calibration_split", "freeze_encoder", "feature_cache_dir", "subword_dropout"),
        *("fgm_epsilon", "fgm_space", "fgm_lambda", "rdrop_alpha", "rdrop_on"),
    )
)


class BaseTask:
    """Data and model of a task.

    Args:
        corpus: The data; None over a saved model.
        model: The model that is trained, or the saved one.
        tokenizer: Its tokenizer.
        labels: Labels of spans by id.
        unit: The unit of the data.
    """

    spec: TaskSpec

    def __init__(self, corpus: Corpus | None, model, tokenizer, labels: Sequence[str], unit: str):
        self.corpus, self.model, self.tokenizer = corpus, model, tokenizer
        self.labels, self.unit = list(labels), unit
        self.documents = self.windowed = 0
        for split, examples in (corpus.splits if corpus else {}).items():
            self.spec.check_examples(self, examples, split)

    def examples(self, split: str) -> list[Example]:
        """Return the examples of a split."""
        return self.corpus.splits[split]


class EncoderTask(BaseTask):
    """Task whose model is a `KospanPreTrainedModel`, in a folder that AutoModel opens."""

    def collate(self, features: Sequence[dict]) -> dict[str, torch.Tensor]:
        """Pad training windows to one batch."""
        return self.model.collate(features)

    def save(self, model: torch.nn.Module, folder: str | os.PathLike) -> None:
        """Write everything that is needed to use the model; adapters are merged."""
        save_plain(model, folder)

    def load(self, folder: str | os.PathLike):
        """Open what `save` wrote, in float32."""
        return AutoModel.from_pretrained(folder, dtype=torch.float32)


def encoder_spec(config_class: type[KospanConfig], *, settings: Sequence[str] = (), **fields) -> TaskSpec:
    """Return the spec of a task with an encoder.

    Args:
        config_class: Config of the task's models.
        settings: Recipe settings with an effect in the task, beside those of the config and of every encoder.
        **fields: Other fields of `TaskSpec`.
    """
    own = [name for name in config_class.settings() if name in FIELDS]

    def trained_settings(recipe: Recipe) -> dict:
        config = read_settings(recipe.encoder, "config.json")
        if config.get("model_type") != config_class.model_type:
            return {}
        return {key: config[key] for key in own if key in config}

    def identity(task: Task, folder: Path | None) -> dict:
        return (task.model.config if folder is None else AutoConfig.from_pretrained(folder)).to_dict()

    return TaskSpec(
        model_type=config_class.model_type,
        uses=EVERY_TASK | ENCODER_TASK | {*own, *settings},
        trained_settings=trained_settings,
        adjustable=config_class.adjustable,
        check_scratch=check_scratch_options,
        identity=identity,
        **fields,
    )


# --- labelled spans ---------------------------------------------------------------------------------------------------


def check_labels(task: Task, examples: Sequence[Example], place: str = "data") -> None:
    """Check that the model knows the labels of examples.

    Raises:
        ValueError: It does not know one; the message names the example and the place.
    """
    for example in examples:
        for span in example.spans or ():
            if span.label not in task.labels:
                raise ValueError(
                    f"example {example.id!r} ({place}): expected labels that the model knows "
                    f"({', '.join(task.labels)}), got {span.label!r}; rename the label in the data, or train a model "
                    "on data with it"
                )


def needs_labels(metric: str) -> bool:
    """Whether a metric is one of a single label, so that the labels have to be known."""
    return metric.removeprefix("eval_").startswith(("f1_", "support_"))
