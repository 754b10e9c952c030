"""Export of a model to a folder that runs without torch."""

import os
from collections.abc import Callable

from kospan.conversion.checkpoint import check_new_folder, new_folder
from kospan.export.folder import write_folder
from kospan.export.graph import TOLERANCE, largest_difference, to_graph
from kospan.modeling.sparse_attention import SparseBigBird
from kospan.runtime import load
from kospan.tasks.loading import load_saved

PRECISIONS = ("float32", "int8")


def check_exportable(model, name: str) -> None:
    """Check that a model can be exported.

    Raises:
        ValueError: It cannot.
    """
    config = model.config
    reason = ""
    if config.model_type == "kospan-generative-ner":
        reason = "a generative one, whose language model and grammar need torch"
    elif not config.model_type.startswith("kospan-"):
        reason = f"a stock model of type {config.model_type}; train one with kospan train"
    elif getattr(config, "head_options", {}).get("oracle"):
        reason = "one with head_options oracle: true, which reads gold labels; train it without"
    elif isinstance(model.encoder, SparseBigBird):
        reason = "one with a BigBird encoder, which chooses its attention for each text; train it over its source"
    if reason:
        raise ValueError(
            f"expected a model for token classification, question answering or text classification, got {name}, {reason}"
        )


def export(
    name: str | os.PathLike,
    output: str | os.PathLike,
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Export a saved model, compare the result with it, and write the folder, or nothing at all."""
    name = os.fspath(name)
    check_new_folder(output, overwrite, name)
    model = load_saved(name)
    check_exportable(model, name)
    model = model.cpu()
    graph = to_graph(model)
    with new_folder(output) as folder:
        write_folder(model, folder, graph, "float32")
        exported = load(folder)
        difference = largest_difference(model, exported.run)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"expected a graph that agrees with the model to {TOLERANCE}, got a difference of {difference:.1e}"
            )
    say(f"difference          {difference:.1e}")
