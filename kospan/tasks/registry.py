"""All tasks by name. A new task is a class and a line here."""

from kospan.tasks.classifying import ClassifyingTask
from kospan.tasks.reading import ReadingTask
from kospan.tasks.tagging import TaggingTask
from kospan.tasks.writing import WritingTask

TASKS = {
    "tagging": TaggingTask,
    "reading": ReadingTask,
    "classifying": ClassifyingTask,
    "writing": WritingTask,
}


def task_of_model(model_type: str):
    """The task of a model with this type in its config; a stock model tags."""
    return next((task for task in TASKS.values() if task.model_type == model_type), TaggingTask)


def task_class(name: str):
    """The task of that name. Raises: ValueError where there is none."""
    if name not in TASKS:
        raise ValueError(f"expected task to be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
