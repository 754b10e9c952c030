"""All tasks by name. A new task is a class and a line here."""

from kospan.tasks.generative_ner.task import GenerativeNERTask
from kospan.tasks.question_answering.task import QuestionAnsweringTask
from kospan.tasks.text_classification.task import TextClassificationTask
from kospan.tasks.token_classification.task import TokenClassificationTask

TASKS = {
    "token-classification": TokenClassificationTask,
    "question-answering": QuestionAnsweringTask,
    "text-classification": TextClassificationTask,
    "generative-ner": GenerativeNERTask,
}


def task_of_model(model_type: str):
    """The task of a model with this type in its config; a stock model tags."""
    return next((task for task in TASKS.values() if task.model_type == model_type), TokenClassificationTask)


def task_class(name: str):
    """The task of that name. Raises: ValueError where there is none."""
    if name not in TASKS:
        raise ValueError(f"expected task to be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
