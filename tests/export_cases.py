"""Models for the tests of exports and of the runtime, written to folders."""

from pathlib import Path

import onnx
import torch

from kospan.export.folder import write_folder
from kospan.export.graph import to_graph
from kospan.export.quantize import quantize


def exported_folder(model, folder: Path, precision: str = "float32") -> Path:
    """Write the export of a model without loading it from a folder first."""
    graph = to_graph(model)
    if precision == "int8":
        graph = quantize(graph, model)
    folder.mkdir()
    write_folder(model, folder, graph, precision)
    return folder


def operators(folder: Path) -> set[str]:
    """Names of the operators of an exported graph."""
    return {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}


def with_outliers(model, factor: float = 40.0):
    """Make one dimension of every LayerNorm of the encoder many times as large as the others."""
    with torch.no_grad():
        for name, parameter in model.encoder.named_parameters():
            if name.endswith("LayerNorm.weight"):
                parameter[0] *= factor
    return model
