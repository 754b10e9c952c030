"""All tasks by name. A new task is a folder with a `spec.py`, and a line here."""

import os

from kospan.modeling.settings import check_model_type
from kospan.task import TaskSpec
from kospan.tasks.generative_ner.spec import SPEC as GENERATIVE_NER
from kospan.tasks.pretraining.spec import SPEC as PRETRAINING
from kospan.tasks.question_answering.spec import SPEC as QUESTION_ANSWERING
from kospan.tasks.text_classification.spec import SPEC as TEXT_CLASSIFICATION
from kospan.tasks.token_classification.spec import SPEC as TOKEN_CLASSIFICATION
from kospan.training.run_folder import read_config

TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (TOKEN_CLASSIFICATION, QUESTION_ANSWERING, TEXT_CLASSIFICATION, GENERATIVE_NER, PRETRAINING)
}


def task_spec(name: str) -> TaskSpec:
    """Return the task of a name.

    Raises:
        ValueError: There is none.
    """
    if name not in TASKS:
        present = next((f"; {name} is now {spec.name}" for spec in TASKS.values() if spec.former_name == name), "")
        raise ValueError(f"expected task to be one of {', '.join(TASKS)}, got {name!r}{present or '; choose one'}")
    return TASKS[name]


def spec_of_model(model_type: str, place: str = "config.json") -> TaskSpec:
    """Return the task of models with this `model_type`; stock models of transformers classify tokens.

    Raises:
        ValueError: The type is of an earlier version; the message names `place`.
    """
    check_model_type(model_type, place)
    return next(
        (spec for spec in TASKS.values() if spec.predicts and spec.model_type == model_type), TOKEN_CLASSIFICATION
    )


def spec_of_folder(folder: str | os.PathLike) -> TaskSpec:
    """The task of a saved model.

    Raises:
        FileNotFoundError: The folder holds no config.
        ValueError: The config is no JSON object.
    """
    return spec_of_model(str(read_config(folder).get("model_type")))
