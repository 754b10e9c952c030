"""Quantization to int8: balance of outliers, tables, accuracy, and independence of the batch."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from export_cases import exported_folder, operators, with_outliers
from onnx import numpy_helper

from kospan.export import quantize as quantize_module
from kospan.export.graph import largest_difference, to_graph
from kospan.export.quantize import instruction_set, quantize
from kospan.export.smoothing import products, smooth
from kospan.export.windows import random_batch
from kospan.runtime import load


@pytest.fixture
def model(make_token_classifier):
    encoder = {"hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 2}
    return with_outliers(make_token_classifier(encoder=encoder, encoder_input="units", lstm_hidden_size=8))


def arrays(model, seed: int = 0) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in random_batch(model, 3, 12, 7, seed).items()}


def outputs(graph: onnx.ModelProto, batch: dict) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {each.name: batch[each.name] for each in session.get_inputs()})[0]


def test_balance_changes_nothing_in_float32(model):
    graph = to_graph(model)
    wanted = outputs(graph, arrays(model))
    smooth(graph, [arrays(model, seed) for seed in range(3)])
    onnx.checker.check_model(graph)
    factors = [numpy_helper.to_array(each) for each in graph.graph.initializer if each.name.endswith("_factors")]
    # The outlier dimension of the norms is divided by far more than the others.
    assert len(factors) >= 2 and all((1 / each).argmax() == 0 and (1 / each).max() > 5 for each in factors[:2])
    found = outputs(graph, arrays(model))
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_balance_makes_int8_more_accurate(make_token_classifier, tmp_path, monkeypatch):
    encoder = {"hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 2}
    model = with_outliers(make_token_classifier(encoder=encoder, encoder_input="units"))
    balanced = load(exported_folder(model, tmp_path / "balanced", "int8"))
    monkeypatch.setattr(quantize_module, "smooth", lambda graph, batches: None)
    plain = load(exported_folder(model, tmp_path / "plain", "int8"))
    differences = [largest_difference(model, each.run) for each in (balanced, plain)]
    assert differences[0] < 0.05 and differences[0] < differences[1] / 1.5


def test_weights_are_int8_but_for_the_projection(model, monkeypatch):
    monkeypatch.setattr(quantize_module, "_LEAST_ROWS", 20)
    graph = quantize(to_graph(model), model)
    assert {"DynamicQuantizeLSTM", "MatMulInteger"} <= {node.op_type for node in graph.graph.node}
    constants = {each.name: each for each in graph.graph.initializer}
    [last] = products(graph.graph)
    assert numpy_helper.to_array(constants[last.input[1]]).shape == (16, len(model.config.tags))
    wide = [
        each.name
        for each in constants.values()
        if each.data_type == onnx.TensorProto.FLOAT and np.prod(each.dims) > 512
    ]
    # Position embeddings have few rows in models of this size, but not fewer than the bound above.
    assert not wide
    onnx.checker.check_model(onnx.ModelProto.FromString(graph.SerializeToString()), full_check=False)


def test_tables_keep_each_row(model, monkeypatch):
    graph = to_graph(model)
    wanted = outputs(graph, arrays(model))
    quantize_module._quantize_tables(graph.graph)
    assert np.array_equal(outputs(graph, arrays(model)), wanted), "small tables stay as they are"
    monkeypatch.setattr(quantize_module, "_LEAST_ROWS", 20)
    quantize_module._quantize_tables(graph.graph)
    rows = [numpy_helper.to_array(each) for each in graph.graph.initializer if each.name.endswith("_rows")]
    peaks = np.concatenate([np.abs(each).max(axis=1) for each in rows])
    assert len(rows) == 2 and set(peaks.tolist()) == {0, 127}, "the row of padding is zero"
    found = outputs(graph, arrays(model))
    assert 0 < np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_int8_of_other_tasks(make_qa_model, make_text_classifier, texts, tmp_path):
    reader, classifier = make_qa_model(encoder_input="units"), make_text_classifier(encoder_input="units")
    found = load(exported_folder(reader, tmp_path / "qa", "int8")).answer("누가?", texts[0], top_k=3)
    assert len(found) == 3 and found[0].label == "answer"
    scores = load(exported_folder(classifier, tmp_path / "classes", "int8")).scores(texts)
    assert scores == pytest.approx(classifier.scores(texts), abs=0.1)
    assert "MatMulInteger" in operators(tmp_path / "qa") & operators(tmp_path / "classes")


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("flags : fma avx512_vnni avx_vnni", "AVX-512 VNNI"),
        ("flags : avx2 avx_vnni", "AVX-VNNI"),
        ("Features : fp asimd asimddp", "Arm dot product"),
        ("flags : avx2", "none"),
    ],
)
def test_instruction_set(flags, name, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: flags)
    assert instruction_set() == name
