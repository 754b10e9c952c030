"""Models under torch.compile and with quantised layers: the same losses and spans, the chain outside every graph."""

import copy

import label_cases
import pytest
import question_cases
import torch
import training_cases
from torch import nn
from torch._dynamo.testing import CompileCounter

from kospan.modeling.crf import CRF
from kospan.modeling.rdrop import double
from kospan.modeling.wide_linear import wide_linear
from kospan.tasks.encoders import character_tokenizer
from kospan.tasks.question_answering.task import QuestionAnsweringTask
from kospan.tasks.text_classification.task import TextClassificationTask

LONG = {"encoder": {"num_hidden_layers": 0}}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def tagging(make_token_classifier, **settings):
    """A token classifier, and batches of two sizes and several lengths."""
    rows = training_cases.features()
    batches = [training_cases.collate(rows[first:last]) for first, last in ((0, 4), (4, 8), (1, 7))]
    return make_token_classifier(encoder_input="units", **LONG, **settings), batches


def reading(make_qa_model):
    corpus = question_cases.corpus(10)
    tokenizer = character_tokenizer([example.text + example.question for example in corpus.splits["train"]])
    task = QuestionAnsweringTask(corpus, make_qa_model(tokenizer=tokenizer, lstm_hidden_size=8, **LONG))
    rows = task.train_features(task.examples("train"))
    return task.model, [task.collate(rows[first:last]) for first, last in ((0, 3), (3, 6), (6, 10))]


def classifying(make_text_classifier):
    corpus = label_cases.corpus(10)
    tokenizer = character_tokenizer([example.text for example in corpus.splits["train"]])
    task = TextClassificationTask(corpus, make_text_classifier(tokenizer=tokenizer, pooling="mean", **LONG))
    rows = task.train_features(task.examples("train"))
    return task.model, [task.collate(rows[first:last]) for first, last in ((0, 3), (3, 6), (6, 10))]


CASES = {
    "crf": lambda make: tagging(make["token_classifier"], lstm_hidden_size=8),
    "linear": lambda make: tagging(make["token_classifier"], head="linear", head_options={"feedforward": 8}),
    "positional": lambda make: tagging(make["token_classifier"], head="positional", head_options={"heads": 2}),
    "qa_model": lambda make: reading(make["qa_model"]),
    "classifier": lambda make: classifying(make["classifier"]),
}


@pytest.fixture
def make(make_token_classifier, make_qa_model, make_text_classifier):
    return {"token_classifier": make_token_classifier, "qa_model": make_qa_model, "classifier": make_text_classifier}


def gradients(model) -> dict[str, torch.Tensor]:
    found = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("name", ["crf", "positional", "qa_model", "classifier"])
def test_compiled_training_has_the_losses_and_gradients_of_plain_training(name, make):
    model, batches = CASES[name](make)
    model.train()
    backend = CompileCounter()
    compiled = torch.compile(model, backend=backend)
    for batch in batches:
        expected = model(**batch).loss
        expected.backward()
        plain = gradients(model)
        found = compiled(**batch).loss
        found.backward()
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)
        for key, value in gradients(model).items():
            assert torch.allclose(value, plain[key], rtol=1e-4, atol=1e-5), key
    # Shapes become symbols with the second batch, so that later ones compile nothing.
    seen = backend.frame_count
    assert 0 < seen <= 16
    for batch in batches:
        compiled(**batch)
    assert backend.frame_count == seen


def test_no_part_of_the_chain_is_traced(make_token_classifier):
    model, batches = tagging(make_token_classifier, lstm_hidden_size=8)
    traced = []

    def backend(graph, inputs):
        files = ("crf.py", "forward_backward.py", "best_paths.py", "bilstm.py")
        stacks = [node.stack_trace or "" for node in graph.graph.nodes]
        traced.extend(name for name in files for stack in stacks if f"modeling/{name}" in stack)
        return graph.forward

    compiled = torch.compile(model, backend=backend)
    model.train()
    compiled(**double(batches[0]), rdrop_alpha=1.0, rdrop_level="marginal")
    model.eval()
    found, expected = compiled(**batches[1]), model(**batches[1])
    assert torch.equal(found.tags, expected.tags) and not traced


def test_a_chain_of_its_own_may_be_compiled(make_token_classifier):
    torch.manual_seed(0)
    crf, emissions = CRF(3, batch_first=True), torch.randn(2, 5, 3)
    tags = torch.randint(3, (2, 5))
    compiled = torch.compile(crf, backend="eager")
    assert torch.equal(compiled(emissions, tags), crf(emissions, tags))
    assert compiled.decode(emissions) == crf.decode(emissions)


def test_a_model_that_is_compiled_in_place_still_extracts(make_token_classifier, texts):
    model = make_token_classifier(lstm_hidden_size=8, **LONG)
    expected = model.extract(texts)
    model.compile(backend="eager")
    found = model.extract(texts)
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in expected]
    assert any(expected)


# --- quantised layers -------------------------------------------------------------------------------------------------

USES = {
    "crf": lambda model, texts: model.extract(texts),
    "linear": lambda model, texts: model.extract(texts),
    "positional": lambda model, texts: model.extract(texts),
    "qa_model": lambda model, texts: model.answer(["누가 왔나?"] * len(texts), texts),
    "classifier": lambda model, texts: model.classify(texts),
}


@pytest.mark.filterwarnings("ignore:torch.ao.quantization")
@pytest.mark.parametrize("kinds", [{nn.Linear}, {nn.Linear, nn.LSTM}], ids=["linear", "linear and lstm"])
@pytest.mark.parametrize("name", USES)
def test_quantised_layers_give_nearly_the_same_scores(name, kinds, make, texts):
    model, batches = CASES[name](make)
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), kinds)
    kept = [each for each in quantised.modules() if type(each) is nn.Linear]
    assert not kept, "every linear layer was replaced"
    key = "logits" if name == "classifier" else "emissions"
    with torch.no_grad():
        expected, found = (each.eval()(**batches[0])[key] for each in (model, quantised))
    usual = expected.abs() < 1e30  # A reader's padding holds the lowest float.
    assert (expected - found)[usual].abs().max() < 0.1 * expected[usual].abs().max()
    assert not torch.equal(expected, found)
    assert len(USES[name](quantised, texts)) == len(texts)
    with pytest.raises(ValueError, match=r"weights are tensors to save, got packed ones at .*save the model before"):
        quantised.save_pretrained("nowhere")


def test_a_layer_that_is_no_plain_linear_is_called_as_it_is():
    class Doubled(nn.Linear):
        def forward(self, states):
            return 2 * super().forward(states)

    torch.manual_seed(0)
    layer, states = Doubled(3, 2), torch.randn(4, 3)
    assert torch.equal(wide_linear(layer, states), layer(states))
    plain = nn.Linear(3, 2).half()
    wide = nn.functional.linear(states, plain.weight.float(), plain.bias.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(wide_linear(plain, states), wide)
    assert wide_linear(plain, states.double()).dtype == torch.float64
