"""Pretraining texts and initial weights of the small decoder."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.prompts import locate, parse_reply
from studies.small_decoder_model import small_llama, write_copying
from studies.small_decoder_text import NAMED, QUOTED, byte_level_tokenizer, exercise, rows

WORDS = st.lists(st.sampled_from(["The", "red", "Tower", "a]b", "of", "[x", "Seoul:", "서울"]), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def decoder():
    torch.manual_seed(42)
    return small_llama(500, 128, 0).eval()


def copied(model) -> float:
    """Of subwords drawn at random and then repeated, the share that the model says before they come."""
    drawn = torch.randint(500, (8, 60), generator=torch.Generator().manual_seed(1))
    twice = torch.cat([drawn, drawn], dim=1)
    with torch.no_grad():
        said = model(input_ids=twice).logits[:, 60:-1].argmax(-1)
    return (said == twice[:, 61:]).float().mean().item()


def test_a_decoder_copies_before_it_has_read_anything(decoder):
    assert copied(decoder) < 0.05
    write_copying(decoder)
    assert copied(decoder) > 0.9


@given(WORDS, st.integers(0, 1000))
def test_an_exercise_is_a_reply_whose_surfaces_occur_in_its_text_in_order(words, seed):
    text = " ".join(words)
    written = exercise(text, random.Random(seed))
    reply = parse_reply(written.rpartition("\n")[2], [NAMED, QUOTED])
    assert reply.whole and not reply.dropped and text in written
    found = locate(text, reply.entities, whole_words=True)
    assert None not in found and all(one.end < other.start for one, other in zip(found, found[1:]))
    if any(entity.label == NAMED for entity in reply.entities):
        assert [word for entity in reply.entities for word in entity.surface.split()] == [
            word for word in words if word[0].isupper()
        ]


def test_capitalised_runs_are_quoted_in_half_of_the_exercises():
    written = [exercise("The red Eiffel Tower", random.Random(seed)).rpartition("\n")[2] for seed in range(100)]
    assert 35 < written.count("[name: The] [name: Eiffel Tower]") < 65
    assert not any(NAMED in exercise("the red tower", random.Random(seed)) for seed in range(20))


def test_rows_are_full_and_hold_every_text():
    lines = [f"word{at} goes on" for at in range(40)]
    tokenizer = byte_level_tokenizer(lines, 300, 64)
    found = list(rows(lines, tokenizer, 16, 1, 42))
    assert found == list(rows(lines, tokenizer, 16, 1, 42)) and {len(row) for row in found} == {16}
    decoded = tokenizer.decode([subword for row in found for subword in row])
    assert sum(line in decoded for line in lines) >= 39, "only what does not fill a row is left out"
