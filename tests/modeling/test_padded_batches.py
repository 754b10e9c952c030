import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_cases import wordpiece

from kospan.modeling.alignment import Aligner
from kospan.modeling.padded_batches import attention_mask, length_batches, padded_batch
from kospan.modeling.token_classification_methods import window_parts


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 8), st.integers(1, 100))
def test_batches_hold_every_window_once_within_the_limits(lengths, size, positions):
    batches = list(length_batches(lengths, size, positions))
    order = [at for batch in batches for at in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[at] for at in order] == sorted(lengths)
    for batch in batches:
        longest = max(lengths[at] for at in batch)
        assert len(batch) <= size and (len(batch) == 1 or len(batch) * longest <= positions)


def test_padding():
    windows = [
        {"input_ids": [5, 6], "token_type_ids": [0, 1], "unit_positions": [1], "label": 0.5},
        {"input_ids": [7, 8, 9], "token_type_ids": [0, 1, 1], "unit_positions": [0, 2], "label": 2.0},
    ]
    batch = padded_batch(windows, padding_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 3], [7, 8, 9]]
    assert batch["token_type_ids"].tolist() == [[0, 1, 0], [0, 1, 1]]
    assert batch["unit_positions"].tolist() == [[1, -100], [0, 2]] and batch["unit_positions"].dtype == np.int64
    assert batch["label"] == [0.5, 2.0]
    assert attention_mask([2, 3]).tolist() == [[1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@given(words=st.lists(st.sampled_from(["서울", "부산에서", "3.5", "회장", "a"]), max_size=60), stride=st.integers(0, 9))
def test_each_unit_is_in_the_part_of_the_window_that_owns_it(encoder_input, words, stride):
    aligner = Aligner(wordpiece(["서울 부산에서 회장"]), "character", encoder_input, max_length=14, stride=stride)
    documents = aligner.documents([" ".join(words), "부산"])
    parts = window_parts(aligner, documents)
    for at, document in enumerate(documents):
        windows = aligner.windows(document)
        found = [
            (place, unit)
            for place, part in enumerate(each for each in parts if each.document == at)
            for unit in range(part.first, part.last)
        ]
        owners = aligner.owners(document, windows)
        assert found == [(owner, unit) for unit, owner in enumerate(owners)]
