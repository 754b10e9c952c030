"""Models for the tests of exports and of the runtime, written to folders."""

from pathlib import Path

import onnx
import torch

from kospan.export.folder import write_folder
from kospan.export.graph import to_graph
from kospan.export.quantize import quantize
from kospan.modeling.character_ngrams import CharacterNgrams


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


NGRAMS = ("서울", "서", " 김", "에서 ")
NGRAM_SETTINGS = {"ngram_count": len(NGRAMS), "ngram_size": 5, "longest_ngram": 3}


def with_ngrams(model):
    """Give a model with `NGRAM_SETTINGS` its n-grams, with random vectors."""
    model.ngrams = CharacterNgrams(NGRAMS)
    model.ngram_embedding.set_vectors(torch.randn(len(NGRAMS), 5, generator=torch.Generator().manual_seed(1)))
    return model


def with_outliers(model, factor: float = 40.0):
    """Make one dimension of the last norm of the encoder's layers many times as large as the others."""
    with torch.no_grad():
        for name, parameter in model.encoder.named_parameters():
            if name.endswith("LayerNorm.weight"):
                parameter[0] *= factor
    return model
