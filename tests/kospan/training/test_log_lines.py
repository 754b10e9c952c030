"""Log lines before the first step: the memory estimate."""

import pytest
from transformers import BigBirdConfig, ElectraConfig

from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
from kospan.training.log_lines import memory_estimate

SHAPE = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def activations(encoder_config, length: int) -> float:
    """GiB that one more row takes."""
    tags = {"id2label": {0: "O", 1: "B-X", 2: "I-X"}, "label2id": {"O": 0, "B-X": 1, "I-X": 2}}
    model = KospanForTokenClassification(
        KospanTokenClassificationConfig(encoder_config=encoder_config, max_length=64, stride=8, **tags)
    )
    return memory_estimate(model, 2, length) - memory_estimate(model, 1, length)


def sparse(**settings) -> BigBirdConfig:
    return BigBirdConfig(block_size=16, num_random_blocks=3, max_position_embeddings=4096, **SHAPE, **settings)


def test_full_attention_takes_memory_by_the_square_of_the_length_and_sparse_by_the_length():
    electra = ElectraConfig(**SHAPE)
    assert activations(electra, 4096) > 12 * activations(electra, 1024)
    assert activations(sparse(), 4096) == pytest.approx(4 * activations(sparse(), 1024))


def test_a_bigbird_is_counted_as_it_reads():
    electra, blocks = ElectraConfig(**SHAPE), (5 + 2 * 3) * 16
    assert activations(sparse(), blocks) == pytest.approx(activations(electra, blocks))
    assert activations(sparse(), blocks + 16) < activations(electra, blocks)
    assert activations(sparse(source_length=512), 512) == pytest.approx(activations(electra, 512))
    whole = sparse(attention_type="original_full")
    assert activations(whole, 4096) == pytest.approx(activations(electra, 4096))
