"""Export of a saved model to a folder that runs without torch."""

import os
from pathlib import Path
from typing import NamedTuple

from kospan.conversion.checkpoint import check_new_folder, new_folder
from kospan.export import folder as folders
from kospan.export.folder import write_folder
from kospan.export.graph import TOLERANCE, largest_difference, to_graph
from kospan.export.quantize import instruction_set, quantize
from kospan.model_names import model_path
from kospan.modeling.sparse_attention import SparseBigBird
from kospan.runtime import load
from kospan.tasks.loading import check_not_exported, load_saved


class Exported(NamedTuple):
    """Result of an export.

    Args:
        precision: "float32" or "int8".
        difference: Largest difference between graph and model on random windows, as a share of the largest output.
        instructions: For int8: the CPU's instructions for sums of int8 products, and the bits of the weights.
        sizes: Bytes of the files of the model, and of those of the export.
    """

    precision: str
    difference: float
    instructions: str | None
    sizes: tuple[int, int]


def check_exportable(model, name: str) -> None:
    """Check that a model can be exported.

    Raises:
        ValueError: If it cannot.
    """
    config = model.config
    got = None
    if config.model_type == "kospan-generative-ner":
        got, advice = "a generative model, whose language model is not exported", "serve it with torch"
    elif not config.model_type.startswith("kospan-"):
        got, advice = f"a stock model of type {config.model_type}", "train one with kospan train"
    elif getattr(config, "head_options", {}).get("oracle"):
        got, advice = "one with head_options oracle: true, which reads gold labels", "train it without"
    elif isinstance(model.encoder, SparseBigBird):
        got, advice = "one whose BigBird encoder chooses its attention for each text", "serve it with torch"
    if got:
        raise ValueError(
            "expected a model for token classification, question answering or text classification to export, got "
            f"{got}, in {name}; {advice}"
        )


def export(
    name: str | os.PathLike,
    output: str | os.PathLike,
    *,
    precision: str = "float32",
    reduce_range: bool | None = None,
    overwrite: bool = False,
) -> Exported:
    """Export a saved model, compare the graph with it, and write the folder, or nothing at all.

    Args:
        name: Folder, name of an installed model, or Hub name.
        output: Folder to write.
        precision: "float32" or "int8".
        reduce_range: For int8: whether weights use 7 bits, for CPUs without VNNI; None chooses for this CPU.
        overwrite: Whether an earlier export in `output` may be replaced.

    Raises:
        FileExistsError: If `output` is in use.
        ValueError: If the model cannot be exported, or the graph differs from it.
    """
    name = model_path(name)
    check_not_exported(name, "export")
    check_new_folder(output, overwrite, name)
    model = load_saved(name)
    check_exportable(model, name)
    model = model.cpu()
    graph = to_graph(model)
    if precision == "int8" and graph.ByteSize() > folders.LARGEST_GRAPH:
        # The quantizer needs the weights inside the graph, which protobuf limits.
        raise ValueError(
            f"expected a graph of at most {folders.LARGEST_GRAPH / 2**30:.1f} GiB for int8, got "
            f"{graph.ByteSize() / 2**30:.1f} GiB; export it in float32"
        )
    instructions = None
    with new_folder(output) as folder:
        write_folder(model, folder, graph, "float32")
        difference = largest_difference(model, load(folder).run)
        if not difference <= TOLERANCE:
            raise ValueError(
                f"expected a graph that differs from the model by at most {TOLERANCE:g}, got a difference of "
                f"{difference:.1e} on random windows; use another encoder or layer"
            )
        if precision == "int8":
            found = instruction_set()
            reduce_range = found == "none" if reduce_range is None else reduce_range
            instructions = f"{found} (weights of {7 if reduce_range else 8} bits)"
            write_folder(model, folder, quantize(graph, model, reduce_range), precision)
            difference = largest_difference(model, load(folder).run)
        sizes = _size(Path(name)), _size(folder)
    return Exported(precision, difference, instructions, sizes)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder, without those of checkpoints and reports; 0 for a name on the Hub."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
