"""All tasks by name. A new task is a class and a line here."""

from kospan.tasks.tagging import TaggingTask

TASKS = {"tagging": TaggingTask}


def task_class(name: str):
    """The task of that name. Raises: ValueError where there is none."""
    if name not in TASKS:
        raise ValueError(f"expected task to be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
