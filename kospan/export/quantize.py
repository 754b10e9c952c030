"""Quantization of a graph to int8: weights of matrix products, LSTMs and word embeddings.

The weights have one scale per output channel, or per row of an embedding table. The inputs of matrix products are
quantized while the graph runs, with one scale per batch (dynamic quantization). A result therefore depends on the other
rows of a batch, and the runtime runs each window by itself.
"""

import logging
import platform
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from kospan.export.int8_rows import int8_rows
from kospan.export.smoothing import products, smooth
from kospan.export.windows import random_batch

# Tables with fewer rows, such as position embeddings, stay in float32.
_LEAST_ROWS = 1000
# Name of the bias behind the projection to scores, which stays in float32; that of n-gram vectors does not.
_FLOAT32 = re.compile(r"(?<!\bngram_embedding\.)\bprojection\.bias$")
# Random batches on which the activations are measured, and their sizes: windows, positions, units.
_BATCHES, _SIZES = 32, (4, 32, 24)
# Flag of Linux for an instruction set -> its name.
_INSTRUCTION_SETS = {"avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX-VNNI", "asimddp": "Arm dot product"}


def instruction_set() -> str:
    """Return the name of this CPU's instructions for sums of int8 products; "none" if it has none or hides them."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = {"asimddp"} if platform.machine() == "arm64" else set()
    return next((name for flag, name in _INSTRUCTION_SETS.items() if flag in flags), "none")


def quantize(graph: onnx.ModelProto, model, reduce_range: bool = False) -> onnx.ModelProto:
    """Quantize a graph to int8.

    Args:
        graph: A graph in float32; its products are balanced.
        model: The model in torch, for random windows.
        reduce_range: Whether weights use 7 bits. Without VNNI, sums of two products overflow 16 bits otherwise.

    Returns:
        A new graph with the same inputs and outputs.
    """
    batch_size, length, units = _SIZES
    length, units = min(length, model.config.max_length), min(units, model.config.max_length - 2)
    batches = (random_batch(model, batch_size, length, units, seed) for seed in range(_BATCHES))
    smooth(graph, ({name: values.numpy() for name, values in batch.items()} for batch in batches))
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = (str(Path(folder, name)) for name in ("float32.onnx", "int8.onnx"))
        onnx.save_model(graph, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "LSTM"],
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_products_in_float32(graph),
        )
        quantized = onnx.load_model(target)
    _quantize_tables(quantized.graph)
    return quantized


def _products_in_float32(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the matrix products whose bias is named in `_FLOAT32`."""
    names = {node.output[0]: node.name for node in products(graph.graph)}
    sums = [node.input for node in graph.graph.node if node.op_type == "Add"]
    return [names[one] for one, other in sums if one in names and _FLOAT32.search(other)]


def _quantize_tables(graph: onnx.GraphProto) -> None:
    """Quantize embedding tables to int8 with a scale per row."""
    tables = {each.name: each for each in graph.initializer if len(each.dims) == 2 and each.dims[0] >= _LEAST_ROWS}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None:
            nodes.append(node)
            continue
        values, names = numpy_helper.to_array(table), {part: f"{node.name}_{part}" for part in ("rows", "scales")}
        for part, array in zip(names, int8_rows(values), strict=True):
            graph.initializer.append(numpy_helper.from_array(array, f"{table.name}_{part}"))
            nodes.append(helper.make_node("Gather", [f"{table.name}_{part}", node.input[1]], [names[part]]))
        nodes.append(helper.make_node("Cast", [names["rows"]], [f"{names['rows']}_float"], to=onnx.TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{names['rows']}_float", names["scales"]], [node.output[0]]))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's warnings about preparing a graph and about weights that are shared."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
