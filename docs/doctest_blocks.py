"""griffe extension: show the `>>>` examples of docstrings as code."""

import re

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class DoctestBlocks(griffe.Extension):
    """Put each example, up to the next empty line, into a fenced block."""

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        """Change the docstring of an object after it was read."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", obj.docstring.value)
