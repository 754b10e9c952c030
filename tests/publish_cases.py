"""Shared parts of the tests of publication: names, and the publication itself with its lines."""

from kospan.hub import publish as publishing
from kospan.hub.hub import Hub
from kospan.tasks.token_classification.spec import SPEC

NAME = "mina/ner_model"
# Results that are made once for the tests of a module.
KEPT: dict = {}


def publish(folder, hub: Hub, name: str = NAME, **settings) -> list:
    """Publish as the command does; the lines go to `publish.lines`."""
    publish.lines = []
    return publishing.publish(folder, name, SPEC, hub=hub, say=publish.lines.append, **settings)


def titles(local_hub, name: str = NAME, revision: str = "main", kind: str = "model") -> list[str]:
    return [commit.title for commit in local_hub.repo(name, kind).history(revision)]
