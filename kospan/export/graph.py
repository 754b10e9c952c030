"""Conversion of a model to an ONNX graph from windows to emissions or logits, and its comparison with the model."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import torch
from torch import nn

from kospan.export.windows import random_batch
from kospan.modeling.bilstm import MaskedBiLSTM
from kospan.runtime.graph_model import FORMAT_KEY, FORMAT_VERSION

OPSET = 20
# Largest difference between graph and model, as a share of the largest output where that is above 1.
TOLERANCE = 1e-4
# Inputs with a value for each position; the others have one for each unit.
_BY_POSITION = ("input_ids", "attention_mask", "token_type_ids")
# Batch, positions and units of the example that is traced, and of the batches that are compared. An export is valid
# for other sizes only if no two of the example's are equal or 1.
_EXAMPLE = (3, 13, 7)
_COMPARED = ((1, 3, 1), (1, 24, 19), (4, 16, 16), (5, 9, 4))


class GraphLSTM(nn.Module):
    """ONNX's LSTM operator with the weights of a `MaskedBiLSTM`; it can be exported but not run.

    torch's exporter writes the number of units of its example into the graph. The operator takes the length of each
    row, and reads each row backwards from its own end.

    Args:
        recurrent: The LSTM of a model.
    """

    def __init__(self, recurrent: MaskedBiLSTM):
        super().__init__()
        self.size, self.layers = recurrent.forward_layers[0].hidden_size, len(recurrent.forward_layers)
        for at, pair in enumerate(zip(recurrent.forward_layers, recurrent.backward_layers)):
            weights = {
                "input": [_gates(each.weight_ih_l0) for each in pair],
                "hidden": [_gates(each.weight_hh_l0) for each in pair],
                "bias": [torch.cat([_gates(each.bias_ih_l0), _gates(each.bias_hh_l0)]) for each in pair],
            }
            for name, directions in weights.items():
                self.register_buffer(f"{name}_{at}", torch.stack(directions).detach())

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Apply the operator; shapes as in `MaskedBiLSTM`."""
        lengths = mask.sum(dim=1).to(torch.int32)
        states = states.transpose(0, 1)
        for at in range(self.layers):
            units, batch, _ = states.shape
            found = torch.onnx.ops.symbolic(
                "LSTM",
                [states, *(getattr(self, f"{name}_{at}") for name in ("input", "hidden", "bias")), lengths],
                attrs={"direction": "bidirectional", "hidden_size": self.size},
                dtype=torch.float32,
                shape=(units, 2, batch, self.size),
                version=OPSET,
            )
            states = found.transpose(1, 2).reshape(units, batch, 2 * self.size)
        return states.transpose(0, 1)


def _gates(weights: torch.Tensor) -> torch.Tensor:
    """Reorder the gates from torch's (i, f, g, o) to those of ONNX (i, o, f, g)."""
    ingate, forget, cell, outgate = weights.chunk(4)
    return torch.cat([ingate, outgate, forget, cell])


class _Output(nn.Module):
    """A model as a function of the values of a batch, which returns one tensor."""

    def __init__(self, model: nn.Module, names: list[str], output: str):
        super().__init__()
        self.model, self.names, self.output = model, names, output
        self.settings = {"decode": False} if output == "emissions" and hasattr(model, "head") else {}

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(**dict(zip(self.names, values)), **self.settings), self.output)


def to_graph(model) -> onnx.ModelProto:
    """Convert a model of kospan to an ONNX graph in float32.

    Args:
        model: A model for token classification, question answering or text classification, in float32 on the CPU.

    Returns:
        A graph with the inputs of the model's features and `attention_mask`, and one output: `emissions` or `logits`.
        Batch, length and number of units are free.

    Raises:
        ValueError: If torch cannot export the model.
    """
    output = "logits" if hasattr(model, "window_logits") else "emissions"
    batch = random_batch(model, *_EXAMPLE, seed=0)
    names = list(batch)
    axes = [{0: "batch", 1: "length" if name in _BY_POSITION else "units"} for name in names]
    with _exportable(model), _quiet():
        try:
            program = torch.onnx.export(
                _Output(model, names, output).eval(),
                tuple(batch.values()),
                dynamo=True,
                dynamic_shapes=(tuple(axes),),
                input_names=names,
                output_names=[output],
                opset_version=OPSET,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            kind = model.config.encoder_config.model_type
            raise ValueError(
                f"expected a model that torch can export, got an encoder of type {kind} that it cannot "
                f"({' '.join(str(error.__cause__ or error).split())[:300]}); use another encoder"
            ) from error
    graph = program.model_proto
    # The exporter notes the lines of code behind each node, with the paths of this machine.
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.value_info, *graph.functions, graph.graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.helper.set_model_props(graph, {FORMAT_KEY: str(FORMAT_VERSION)})
    return graph


@contextlib.contextmanager
def _exportable(model) -> Iterator[None]:
    """Replace the LSTM and fused attention inside the context, because they cannot be exported."""
    encoder, recurrent = model.encoder, getattr(model, "recurrent", None)
    implementation = encoder.config._attn_implementation
    encoder.set_attn_implementation("eager")
    if recurrent is not None:
        model.recurrent = GraphLSTM(recurrent)
    try:
        yield
    finally:
        encoder.set_attn_implementation(implementation)
        if recurrent is not None:
            model.recurrent = recurrent


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's notes about packages and axes."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


@torch.no_grad()
def largest_difference(model, run) -> float:
    """Compare a graph with its model on random windows of several lengths, in batches of several sizes.

    Args:
        model: The model in torch.
        run: Function from a batch of arrays to the graph's output.

    Returns:
        The largest absolute difference, as a share of the largest output where that is above 1.
    """
    worst, largest = 0.0, 1.0
    compute = getattr(model, "window_logits", None) or model.window_emissions
    longest = model.config.max_length
    for seed, (batch_size, length, units) in enumerate((*_COMPARED, (2, longest, longest - 3)), 1):
        length, units = min(length, longest), min(units, longest - 2)
        batch = random_batch(model, batch_size, length, units, seed)
        with model.evaluating():
            wanted = np.asarray(compute(batch))
        found = run({name: values.numpy() for name, values in batch.items()})
        valid = np.ones(wanted.shape[:1], dtype=bool)
        if wanted.ndim == 3:
            valid = batch["unit_positions"].numpy() != -100
            # Question answering has one more place, for "no answer".
            valid = np.pad(valid, ((0, 0), (wanted.shape[1] - valid.shape[1], 0)), constant_values=True)
        worst = max(worst, float(np.abs(found - wanted)[valid].max()))
        largest = max(largest, float(np.abs(wanted[valid]).max()))
    return worst / largest
