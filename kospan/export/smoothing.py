"""Balance of weights and activations before quantization to int8.

A few hidden dimensions of a transformer are many times as large as the others. With one scale for all, the others would
get few of the 255 levels. Such dimensions are divided by a factor before a matrix product, and the weights multiplied
by it, which changes nothing in float32 (SmoothQuant, Xiao et al. 2023).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

# Share of the activations in the factor; the weights have the rest.
ALPHA = 0.7
# Products are balanced where the largest dimension is this many times the median one.
OUTLIER = 3.0
_SMALLEST = 1e-5


def products(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the matrix products with constant weights."""
    constants = {each.name for each in graph.initializer}
    return [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in constants]


def smooth(graph: onnx.ModelProto, batches: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Balance the matrix products of a graph in float32, in place.

    Args:
        graph: The graph.
        batches: Inputs for measuring the activations. Random subwords suffice: the largest dimensions are the same for
            all texts.
    """
    largest = _largest_values(graph, batches)
    weights = {each.name: each for each in graph.graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in products(graph.graph):
        users.setdefault(node.input[0], []).append(node)
    # Weights that several products share would be multiplied by the factors of each.
    shared = [node.input[1] for node in products(graph.graph)]
    nodes = []
    for node in graph.graph.node:
        nodes.append(node)
        for name in node.output:
            own = users.get(name, ())
            values = largest.get(name)
            if not own or values.max() <= OUTLIER * np.median(values) or any(shared.count(n.input[1]) > 1 for n in own):
                continue
            rows = np.max([np.abs(numpy_helper.to_array(weights[n.input[1]])).max(axis=1) for n in own], axis=0)
            factors = values.clip(_SMALLEST) ** ALPHA / rows.clip(_SMALLEST) ** (1 - ALPHA)
            factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
            graph.graph.initializer.append(numpy_helper.from_array(1 / factors, f"{name}_factors"))
            nodes.append(helper.make_node("Mul", [name, f"{name}_factors"], [f"{name}_balanced"], f"{name}_balance"))
            for user in own:
                weight = weights[user.input[1]]
                weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * factors[:, None], weight.name))
                user.input[0] = f"{name}_balanced"
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.graph.node[:]
    graph.graph.node.extend(ordered)


def _largest_values(graph: onnx.ModelProto, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Measure the largest absolute value of each dimension of the inputs of all products."""
    names = list(dict.fromkeys(node.input[0] for node in products(graph.graph)))
    measured = onnx.ModelProto.FromString(graph.SerializeToString())
    measured.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(measured.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = [each.name for each in session.get_inputs()]
    found: dict[str, np.ndarray] = {}
    for batch in batches:
        for name, values in zip(names, session.run(names, {each: batch[each] for each in inputs})):
            values = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            found[name] = np.maximum(found.get(name, 0.0), values)
    return found
