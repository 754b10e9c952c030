"""All tasks by name. A new task is a class and a line here."""

from kospan.tasks.tagging import TaggingTask

TASKS = {"tagging": TaggingTask}
