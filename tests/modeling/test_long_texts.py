"""One long text takes the memory of one batch and of what is said of its units, in whichever encoder's windows."""

import tracemalloc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BigBirdConfig

from kospan.modeling import forward_backward, window_batches
from kospan.modeling.forward_backward import LinearSweep, Rows, build_potentials

METHODS = ("extract", "answer", "classify")
WINDOWS = {"electra": 48, "big_bird": 160}
QUESTION = "누가 서울에 있는가?"
# Positions that a batch of these tests holds at the most.
POSITIONS = 200


def big_bird(tokenizer, _) -> BigBirdConfig:
    """A BigBird that reads the windows here in sparse attention: they are longer than 28 positions."""
    return BigBirdConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=160,
        block_size=4,
        num_random_blocks=1,
        pad_token_id=tokenizer.pad_token_id,
        attention_probs_dropout_prob=0.0,
    )


@pytest.fixture(params=[(method, encoder) for method in METHODS for encoder in WINDOWS], ids="-".join)
def case(request, monkeypatch, make_token_classifier, make_qa_model, make_text_classifier):
    """`(read, model)`: a model over an encoder of one kind, and what reads a text with it."""
    method, encoder = request.param
    make = dict(zip(METHODS, (make_token_classifier, make_qa_model, make_text_classifier)))[method]
    monkeypatch.setattr(window_batches, "_CPU_POSITIONS", POSITIONS)
    if encoder == "big_bird":
        monkeypatch.setitem(make.__globals__, "tiny_electra", big_bird)
    model = make(max_length=WINDOWS[encoder], **({"head": "crf"} if method == "extract" else {}))

    def read(text: str, batch_size: int = 32):
        if method == "answer":
            return model.answer(QUESTION, text, top_k=3, batch_size=batch_size)
        return getattr(model, method)(text, batch_size=batch_size)

    return read, model


def long_text(texts: list[str], length: int) -> str:
    once = " ".join(texts)
    return (once * (1 + length // len(once)))[:length]


class Made(TorchDispatchMode):
    """Notes the most numbers that any tensor made inside of it holds, in the kernels themselves too."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for each in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(each, torch.Tensor):
                self.most = max(self.most, each.numel())
        return found


class Views(TorchFunctionMode):
    """Notes the most tensors that one call gives."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if isinstance(found, (tuple, list)):
            self.most = max(self.most, len(found))
        return found


def test_the_encoder_gets_batches_of_one_size_however_long_the_text(case, texts):
    read, model = case
    seen = []

    def note(module, args, kwargs):
        seen.append(kwargs["input_ids"].shape)

    model.encoder.register_forward_pre_hook(note, with_kwargs=True)
    most = []
    for length in (500, 1500):
        seen.clear()
        read(long_text(texts, length))
        assert len(seen) > length / POSITIONS
        most.append(max(batch * width for batch, width in seen))
    assert most[0] == most[1] <= POSITIONS


def test_a_text_four_times_as_long_takes_four_times_the_memory_at_the_most(case, texts):
    read, _ = case
    read(long_text(texts, 100))
    tensors, arrays, lengths = [], [], (700, 2800)
    for length in lengths:
        text = long_text(texts, length)
        with Made() as made:
            read(text)
        tensors.append(made.most)
        tracemalloc.start()
        read(text)
        arrays.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A tensor is a batch's, or holds a few numbers for each unit: emissions, sums over paths.
    assert tensors[1] <= max(tensors[0], 16 * lengths[1])
    # What Python and numpy hold: the text taken apart, a reader's answers. Small integers are free, so a little more
    # than four times.
    assert arrays[1] <= 6 * arrays[0] and arrays[1] < 2000 * lengths[1]


def test_a_long_text_says_the_same_in_batches_of_any_size(case, texts):
    read, _ = case
    text = long_text(texts, 500)
    expected = read(text)
    assert expected
    for batch_size in (1, 3):
        found = read(text, batch_size)
        pairs = [(found, expected)] if found[0] == 0 else list(zip(found, expected, strict=True))
        for one, other in pairs:
            assert one[:3] == other[:3] and one.score == pytest.approx(other.score, abs=1e-5)


def test_a_sweep_over_a_long_text_has_views_of_a_part_at_a_time(make_token_classifier, texts, monkeypatch):
    monkeypatch.setattr(forward_backward, "VIEWS", 64)
    model = make_token_classifier(head="crf")
    with Views() as views:
        assert model.extract(long_text(texts, 1000))
    assert views.most == 65


@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 12), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_sums_in_parts_are_those_in_one(length, batch, at_once, rescale_every):
    generator = torch.Generator().manual_seed(length)
    emissions = torch.randn(length, batch, 3, generator=generator)
    start, end = torch.randn(2, 3, generator=generator)
    transitions = torch.randn(3, 3, generator=generator)
    potentials = build_potentials(emissions, start, transitions, end, Rows())
    whole = LinearSweep(potentials, rescale_every)
    before = forward_backward.VIEWS
    try:
        forward_backward.VIEWS = at_once
        parts = LinearSweep(potentials, rescale_every)
    finally:
        forward_backward.VIEWS = before
    for name in ("alpha", "beta", "ahead", "log_partition"):
        assert torch.equal(getattr(whole, name), getattr(parts, name)), name
    assert parts.scales.keys() == whole.scales.keys()
