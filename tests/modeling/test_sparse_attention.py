import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from transformers import BigBirdConfig, BigBirdModel
from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention

from kospan.modeling.block_pattern import block_table
from kospan.modeling.encoders import build_encoder, load_encoder
from kospan.modeling.settings import encoder_limit
from kospan.modeling.sparse_attention import SparseBigBird

# Sparse above 28 positions.
SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "block_size": 4,
    "num_random_blocks": 1,
    "max_position_embeddings": 200,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LIMIT = 28


def make(**changed) -> SparseBigBird:
    torch.manual_seed(0)
    model = SparseBigBird(BigBirdConfig(**{**SMALL, **changed}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                parameter.normal_(0, 0.3)
    return model.eval()


def stock_of(model: SparseBigBird, kind: str) -> BigBirdModel:
    config = BigBirdConfig(**{**model.config.to_dict(), "attention_type": kind})
    stock = BigBirdModel(config, add_pooling_layer=False).eval()
    stock.load_state_dict(model.state_dict())
    return stock


def drawn(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(1, 50, (batch, length), generator=torch.Generator().manual_seed(seed))


def first(lengths: list[int]) -> torch.Tensor:
    """The mask of texts of these lengths."""
    return (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()


def oracle(model: SparseBigBird, ids: torch.Tensor) -> torch.Tensor:
    """One text through transformers' full attention with a dense mask, laid out key by key from the pattern."""
    config, length = model.config, ids.shape[1]
    stock = stock_of(model, "original_full").to(model.dtype)
    size, heads = config.block_size, config.num_attention_heads
    blocks = -(-length // size)
    for layer, module in enumerate(stock.encoder.layer):
        table = block_table(layer, heads, blocks, config.num_random_blocks)
        seen = torch.zeros(1, heads, length, length, dtype=torch.bool)
        for head in range(heads):
            for query in range(length):
                row = query // size
                if row in (0, blocks - 1):
                    attended = range(blocks)
                elif row in (1, blocks - 2):
                    attended = table.edges[0 if row == 1 else 1, head]
                else:
                    attended = table.middle[row - 2, head]
                for block in attended:
                    seen[0, head, query, block * size : (block + 1) * size] = True
        mask = torch.zeros(seen.shape, dtype=model.dtype).masked_fill(~seen, -torch.inf)
        inner, plain = module.attention.self, module.attention.self.forward

        def masked(states, *_, plain=plain, mask=mask, **kwargs):
            return plain(states, attention_mask=mask)

        inner.forward = masked
    return stock, stock(ids).last_hidden_state


def loss(states: torch.Tensor) -> torch.Tensor:
    """A sum that is not the same whatever comes out of a layer norm."""
    weights = torch.randn(states.shape, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    return (states.to(torch.promote_types(states.dtype, torch.float32)) * weights.to(states)).sum()


class Largest(TorchFunctionMode):
    """Notes the most numbers that any tensor made inside of it holds."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for each in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(each, torch.Tensor):
                self.most = max(self.most, each.untyped_storage().nbytes() // each.element_size())
        return found


# --- against transformers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{}, {"rescale_embeddings": True}, {"use_bias": False}, {"layer_norm_eps": 0.1}])
def test_full_attention_equals_transformers(changed):
    model = make(attention_type="original_full", **changed)
    stock = stock_of(model, "original_full")
    for lengths in ([1], [28, 3], [60, 29, 1]):
        ids, mask = drawn(len(lengths), max(lengths)), first(lengths)
        segments, places = ids % 2, torch.arange(max(lengths)).flip(0).expand(len(lengths), -1)
        for given_too in ({}, {"token_type_ids": segments}, {"position_ids": places}):
            found = model(ids, mask, **given_too).last_hidden_state
            expected = stock(ids, mask, **given_too).last_hidden_state
            torch.testing.assert_close(found[mask > 0], expected[mask > 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "act", ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "relu", "silu", "tanh", "linear"]
)
def test_every_activation_is_that_of_transformers(act):
    model = make(attention_type="original_full", hidden_act=act)
    ids = drawn(2, 9)
    expected = stock_of(model, "original_full")(ids, torch.ones_like(ids)).last_hidden_state
    torch.testing.assert_close(model(ids).last_hidden_state, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("random_blocks", [1, 2])  # Without random blocks transformers' fails.
@pytest.mark.parametrize("length", [37, 61, 64, 120])
def test_sparse_attention_equals_transformers_on_the_same_pattern(length, random_blocks, monkeypatch):
    model = make(num_random_blocks=random_blocks)
    stock = stock_of(model, "block_sparse")
    modules = [each for each in stock.modules() if isinstance(each, BigBirdBlockSparseAttention)]
    for layer, module in enumerate(modules):

        def forced(from_seq_length, num_heads, layer=layer, **_):
            table = block_table(layer, num_heads, from_seq_length // 4, random_blocks)
            edges, middle = table.edges[:, :, 4:], table.middle[:, :, 5:]
            return list(np.concatenate([edges[:1], middle, edges[1:]]).swapaxes(0, 1))

        monkeypatch.setattr(module, "_bigbird_block_rand_mask_with_head", forced)
    ids = drawn(2, length)
    expected = stock(ids, torch.ones_like(ids)).last_hidden_state
    torch.testing.assert_close(model(ids).last_hidden_state, expected, atol=1e-5, rtol=0)


def test_names_and_weights_are_those_of_transformers():
    model = make()
    assert set(model.state_dict()) == set(BigBirdModel(model.config, add_pooling_layer=False).state_dict())


def test_new_weights_are_drawn_as_in_transformers():
    model = SparseBigBird(BigBirdConfig(**{**SMALL, "hidden_size": 64, "initializer_range": 0.5, "pad_token_id": 3}))
    for name, parameter in model.named_parameters():
        if "LayerNorm.weight" in name:
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert not parameter.any()
        else:
            assert 0.4 < parameter.std() < 0.6, name
    assert not model.get_input_embeddings().weight[3].any()


# --- against the oracle -----------------------------------------------------------------------------------------------


@given(st.integers(37, 90), st.integers(0, 2), st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_any_length_equals_dense_attention_under_the_patterns_mask(length, random_blocks, seed):
    model, ids = make(num_random_blocks=random_blocks).double(), drawn(1, length, seed)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).last_hidden_state, oracle(model, ids)[1], atol=1e-10, rtol=0)


@pytest.mark.parametrize("act", ["gelu_new", "relu"])
def test_gradients_equal_those_of_dense_attention(act):
    model, ids = make(hidden_act=act).double().train(), drawn(1, 45)
    stock, expected = oracle(model, ids)
    found = model(ids).last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    loss(found).backward()
    loss(expected).backward()
    theirs = dict(stock.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=1e-8, rtol=1e-8, msg=name)


@given(st.lists(st.integers(1, 75), min_size=2, max_size=3), st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_text_is_read_as_if_it_were_alone(lengths, training):
    model, ids = make().train(training), drawn(len(lengths), max(lengths) + 3)
    mask = torch.nn.functional.pad(first(lengths), (0, 3))
    with torch.no_grad():
        together = model(ids, mask).last_hidden_state
        assert together.shape == (*ids.shape, 16) and together.isfinite().all()
        for row, length in enumerate(lengths):
            alone = model(ids[row : row + 1, :length]).last_hidden_state[0]
            torch.testing.assert_close(together[row, :length], alone, atol=1e-5, rtol=0)


def test_a_hole_in_the_mask_is_never_looked_at():
    model, ids = make(), drawn(1, 60)
    mask = torch.ones_like(ids)
    mask[0, [5, 6, 30, 31, 32, 33, 58]] = 0
    changed = torch.where(mask > 0, ids, 51 - ids)
    with torch.no_grad():
        one, other = model(ids, mask).last_hidden_state, model(changed, mask).last_hidden_state
    torch.testing.assert_close(one[mask > 0], other[mask > 0], atol=1e-6, rtol=0)
    assert not torch.allclose(one, model(ids).last_hidden_state, atol=1e-3)


def test_a_text_without_subwords_gives_finite_states_and_gradients():
    model, ids = make().train(), drawn(3, 60)
    states = model(ids, first([60, 10, 1]) * torch.tensor([[1], [1], [0]])).last_hidden_state
    assert states.isfinite().all()
    loss(states).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


# --- chosen per call --------------------------------------------------------------------------------------------------


def test_sparse_short_sparse_leaves_outputs_config_and_module_unchanged():
    model, long, short = make(), drawn(2, 60), drawn(2, 7)
    config, attributes = (
        copy.deepcopy(model.config.to_dict()),
        {name: set(vars(m)) for name, m in model.named_modules()},
    )
    before = model(long).last_hidden_state
    model(short)
    assert torch.equal(model(long).last_hidden_state, before)
    assert model.config.to_dict() == config
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes


@pytest.mark.parametrize("source, limit", [(None, 28), (12, 28), (40, 40)])
def test_texts_are_read_in_full_up_to_the_sources_length_or_the_patterns(source, limit):
    model = make() if source is None else make(source_length=source)
    full = make(attention_type="original_full")
    for length, same in ((limit, True), (limit + 1, False)):
        ids = drawn(1, length)
        found, expected = model(ids).last_hidden_state, full(ids).last_hidden_state
        assert torch.allclose(found, expected, atol=1e-5) is same


def test_training_and_evaluation_look_at_the_same_blocks():
    model, ids = make(), drawn(2, 70)
    evaluated = model(ids).last_hidden_state
    assert torch.equal(model.train()(ids).last_hidden_state, evaluated)


def test_no_global_generator_is_touched():
    model = make().train()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    loss(model(drawn(2, 70)).last_hidden_state).backward()
    assert random.getstate() == before[0] and np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_no_tensor_grows_with_the_square_of_the_length():
    model = make(max_position_embeddings=2048, num_hidden_layers=1)
    found = []
    for length in (1024, 2048):
        with torch.no_grad(), Largest() as seen:
            model(drawn(1, length), torch.ones(1, length))
        found.append(seen.most)
    assert found[1] <= 2.1 * found[0] and found[1] < 2048**2 / 4


def test_short_texts_in_a_long_padded_batch_make_no_square():
    model, mask = make(max_position_embeddings=2048, num_hidden_layers=1), torch.zeros(1, 2048)
    mask[:, :9] = 1
    with torch.no_grad(), Largest() as seen:
        model(drawn(1, 2048), mask)
    assert seen.most < 2048**2 / 4


# --- precision, dropout, checkpointing --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lengths", [[61, 45], [61, 9], [9]])
def test_half_precision_is_near_and_trains(kind, lengths):
    ids, mask = drawn(len(lengths), max(lengths)), first(lengths)
    model = make().train()
    expected = model(ids, mask).last_hidden_state
    loss(expected).backward()
    wanted = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    with torch.autocast("cpu", dtype=kind):
        found = model(ids, mask).last_hidden_state
    loss(found).backward()
    assert (found - expected)[mask > 0].abs().mean() < 0.03
    gradient = model.get_input_embeddings().weight.grad
    assert torch.nn.functional.cosine_similarity(gradient.flatten(), wanted.flatten(), dim=0) > 0.98
    half = model.to(kind)
    found = half(ids, mask).last_hidden_state
    assert found.dtype == kind and (found - expected)[mask > 0].abs().mean() < 0.06
    loss(found).backward()
    assert all(parameter.grad.isfinite().all() for parameter in half.parameters())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_no_gradient(dropout, reentrant):
    model = make(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout).train()
    vectors = model.get_input_embeddings()(drawn(2, 60)).detach().requires_grad_()
    gradients = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        model.zero_grad()
        torch.manual_seed(4)
        loss(model(inputs_embeds=vectors, attention_mask=first([60, 11])).last_hidden_state).backward()
        gradients.append([each.grad.clone() for each in model.encoder.parameters()])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_dropout_works_in_training_alone_in_both_ways():
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        model = make(**{name: 0.5})
        for length in (9, 60):
            ids = drawn(1, length)
            assert torch.equal(model.eval()(ids).last_hidden_state, model(ids).last_hidden_state)
            model.train()
            assert not torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)


# --- inputs and outputs -----------------------------------------------------------------------------------------------


def test_word_vectors_stand_for_ids():
    for changed in ({}, {"rescale_embeddings": True}):
        model, ids = make(**changed), drawn(2, 61)
        vectors = model.get_input_embeddings()(ids)
        assert torch.equal(model(inputs_embeds=vectors).last_hidden_state, model(ids).last_hidden_state)


def test_attention_and_hidden_states_where_they_are_asked_for():
    model, ids, mask = make(), drawn(2, 20), first([20, 6])
    stock = stock_of(model, "original_full")
    stock.set_attn_implementation("eager")
    found = model(ids, mask, output_attentions=True, output_hidden_states=True)
    expected = stock(ids, mask, output_attentions=True, output_hidden_states=True)
    for name in ("attentions", "hidden_states"):
        assert len(found[name]) == len(expected[name])
        for own, other in zip(found[name], expected[name]):
            torch.testing.assert_close(own[0], other[0], atol=1e-5, rtol=0)
    plain = model(ids, mask)
    assert plain.attentions is None and plain.hidden_states is None
    torch.testing.assert_close(plain.last_hidden_state, found.last_hidden_state, atol=1e-5, rtol=0)
    sparse = model(drawn(1, 61), output_attentions=True, output_hidden_states=True)
    assert sparse.attentions == () and [each.shape for each in sparse.hidden_states] == [(1, 61, 16)] * 3
    assert isinstance(model(ids, return_dict=False), tuple)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "either input_ids or inputs_embeds, got neither; pass one"),
        ({"input_ids": drawn(1, 4), "inputs_embeds": torch.zeros(1, 4, 16)}, "got both; pass one"),
        (
            {"input_ids": drawn(1, 4), "attention_mask": torch.ones(1, 5)},
            r"attention_mask to be \(batch, length\) = \(1, 4\), got \(1, 5\); pass 1",
        ),
        ({"input_ids": drawn(1, 201)}, "at most 200 positions.*got 201; read the text in windows"),
    ],
)
def test_bad_input_is_refused_with_the_way_out(arguments, message):
    with pytest.raises(ValueError, match=message):
        make()(**arguments)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"is_decoder": True}, "a BigBird that encodes.*set both to false"),
        ({"attention_type": "sparse"}, "block_sparse or original_full, got 'sparse'"),
        ({"num_attention_heads": 3}, "multiple of num_attention_heads, got 16 and 3"),
        ({"block_size": 0}, "block_size of 1 or more.*got 0 and 1; 64 and 3 are usual"),
    ],
)
def test_a_config_of_no_encoder_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        SparseBigBird(BigBirdConfig(**{**SMALL, **changed}))


# --- where our classes meet it ----------------------------------------------------------------------------------------


def test_our_classes_build_and_load_it_for_the_type_big_bird(tmp_path):
    config = BigBirdConfig(**SMALL)
    assert type(build_encoder(config)) is SparseBigBird and encoder_limit(config) == 200
    torch.manual_seed(0)
    stock = BigBirdModel(config)
    stock.save_pretrained(tmp_path)
    for given_too in ({}, {"config": config}):
        encoder = load_encoder(str(tmp_path), **given_too)
        assert type(encoder) is SparseBigBird
        for name, value in encoder.state_dict().items():
            assert torch.equal(value, stock.state_dict()[name]), name
    make().save_pretrained(tmp_path / "ours")
    again = BigBirdModel.from_pretrained(tmp_path / "ours", add_pooling_layer=False)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in make().state_dict().items())
