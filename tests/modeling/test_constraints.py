"""Constrained replies of any model follow the grammar, name surfaces of the text, and end in time."""

import math

import pytest
import torch
from generative_cases import TEXTS, TOKENIZERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kospan.modeling.constraints import ReplyProcessor, advanced, allowed_subwords
from kospan.modeling.prompts import locate, parse_reply, write_reply
from kospan.modeling.reply_states import ReplyStates, State
from kospan.modeling.spans import first_overlap
from kospan.modeling.subword_bytes import SubwordBytes

LABELS = ["LC", "PS"]
VOCABULARIES = {kind: SubwordBytes(make()) for kind, make in TOKENIZERS.items()}
END = 10**6
texts = st.text(st.sampled_from("이재용 서울 서울[]:\\ab\n  \u00a0\u3000") | st.characters(codec="utf-8"), max_size=25)
kinds = st.sampled_from(sorted(VOCABULARIES))
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def random_reply(states: ReplyStates, budget: int, choose) -> list[int]:
    """A reply that takes any allowed subword; the end is one choice among them."""
    state, reply = State(), []
    for remaining in range(budget, 0, -1):
        allowed = sorted(set(allowed_subwords(states, state, remaining))) + [END] * states.may_end(state)
        assert allowed, f"nothing may follow {reply}"
        subword = choose(allowed)
        if subword == END:
            return reply
        reply.append(subword)
        state = advanced(states, state, states.subwords.of[subword])
    raise AssertionError(f"no end within {budget} subwords: {reply}")


@few
@given(kinds, texts, st.integers(0, 40), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_every_reply_parses_is_located_and_ends_within_the_budget(kind, text, more, random, long, whole_words):
    subwords = VOCABULARIES[kind]
    states = ReplyStates(text, LABELS, subwords, whole_words)
    budget = int(states.distance(State())) + more
    # Either any subword, or rather not the end: then the budget closes the reply.
    reply = random_reply(
        states, budget, lambda allowed: allowed[0] if long and random.random() < 0.5 else random.choice(allowed)
    )
    written = subwords.joined(reply).decode("utf-8")
    found = parse_reply(written, LABELS)
    assert found.whole and not found.dropped
    places = locate(text, found.entities, whole_words)
    assert None not in places and first_overlap(places) is None
    edges = {0, len(text)} | {at for at in range(1, len(text)) if not text[at - 1 : at + 1].isalnum()}
    assert not whole_words or all({span.start, span.end} <= edges for span in places)
    assert all(text[span.start : span.end] == entity.surface for span, entity in zip(places, found.entities))
    assert all(entity.surface and entity.surface == entity.surface.strip() for entity in found.entities)
    assert len(reply) < budget
    # The processor gives each surface the very place where it is found afterwards.
    state = advanced(states, State(), subwords.joined(reply))
    assert state.used == sum((1 << span.end) - (1 << span.start) for span in places)


def test_a_surface_takes_the_place_behind_the_last_one():
    states = ReplyStates("서울 부산 서울", ["LC"], VOCABULARIES["characters"])
    state = advanced(states, State(), "[LC: 부산] [LC: 서울]".encode())
    assert (state.used, state.cursor) == (0b11011000, 8)
    assert advanced(states, state, " [LC: 서울".encode()).places


@few
@given(kinds, texts.filter(bool), st.data(), st.booleans())
def test_every_right_reply_is_allowed_in_the_spelling_of_the_tokenizer(kind, text, data, whole_words):
    """Nothing that training teaches is forbidden."""
    tokenizer, subwords = TOKENIZERS[kind](), VOCABULARIES[kind]
    cut = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4, unique=True)))
    named = [(data.draw(st.sampled_from(LABELS)), text[one:two].strip()) for one, two in zip(cut[::2], cut[1::2])]
    named = [pair for pair in named if pair[1]]
    ids = tokenizer(write_reply(named), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if subwords.joined(ids).strip().decode("utf-8", "replace") != write_reply(named).strip():
        return  # Unknown characters, or a tokenizer that changes what it reads.
    states, state = ReplyStates(text, LABELS, subwords, whole_words), State()
    writable = {character for character in text if subwords.cost(character) < math.inf}
    if not set("".join(surface for _, surface in named)) <= writable or any(
        None is each for each in locate(text, named, whole_words)
    ):
        return
    for at, subword in enumerate(ids):
        assert subword in allowed_subwords(states, state, 1000), (at, subwords.of[subword])
        state = advanced(states, state, subwords.of[subword])
    assert states.may_end(state)


@few
@given(kinds, texts, st.booleans())
def test_from_every_state_a_way_of_the_promised_length_leads_to_the_end(kind, text, whole_words):
    states = ReplyStates(text, LABELS, VOCABULARIES[kind], whole_words)
    state, remaining = State(), int(states.distance(State()))
    for _ in range(6):
        allowed = allowed_subwords(states, state, remaining)
        if not allowed:
            assert states.may_end(state) and remaining == 1
            break
        state = advanced(states, state, states.subwords.of[allowed[0]])
        remaining -= 1
        assert states.distance(state) <= remaining


def test_a_surface_is_offered_as_often_as_it_occurs():
    subwords = VOCABULARIES["characters"]
    states = ReplyStates("서울 서울", ["LC"], subwords)
    state = advanced(states, State(), "[LC: 서울] [LC: 서울]".encode())
    with pytest.raises(ValueError, match="expected a subword that the grammar allows"):
        advanced(states, state, " [LC: 서".encode())
    # The space between them is no surface.
    with pytest.raises(ValueError, match="expected a subword that the grammar allows"):
        advanced(states, state, b" [LC:  ")
    assert b" " not in {subwords.of[each] for each in allowed_subwords(states, state, 99)}


@pytest.mark.parametrize("whole_words", [False, True])
def test_white_space_is_entered_only_where_a_surface_can_go_on_behind_it(whole_words):
    subwords = VOCABULARIES["characters"]
    id_of = {subword: at for at, subword in enumerate(subwords.of) if subword}

    def offered(states, written: str) -> set[str]:
        state = advanced(states, State(), written.encode())
        return {subwords.of[each].decode() for each in allowed_subwords(states, state, 99)}

    assert b" " in id_of
    states = ReplyStates(" 서울  부산 ", ["LC"], subwords, whole_words)
    assert " " not in offered(states, "[LC: ") and {"서", "부"} <= offered(states, "[LC: ")
    assert offered(states, "[LC: 서울") == {"]", " "} and offered(states, "[LC: 서울 ") == {" "}
    assert offered(states, "[LC: 서울  ") == {"부"}
    # Behind the last word there is nothing to go on to, nor where another surface has the next word.
    assert offered(states, "[LC: 부산") == {"]"}
    assert offered(states, "[LC: 부산] [LC: 서울") == {"]"}
    # Nor where the vocabulary cannot write it.
    assert offered(ReplyStates("서울 뷁", ["LC"], subwords, whole_words), "[LC: 서울") == {"]"}
    assert ReplyStates(" \n ", ["LC"], subwords, whole_words).begins == []


def test_a_surface_cannot_cross_what_another_has_taken_nor_what_the_vocabulary_cannot_write():
    subwords = VOCABULARIES["characters"]
    states = ReplyStates("이재용 서울", ["LC"], subwords)
    state = advanced(states, State(), "[LC: 재] [LC: 이".encode())
    assert {subword for subword in map(subwords.of.__getitem__, allowed_subwords(states, state, 99))} == {b"]"}
    states = ReplyStates("이궯용", ["LC"], subwords)
    assert math.isinf(subwords.cost("궯"))
    state = advanced(states, State(), "[LC: 이".encode())
    assert {subwords.of[each] for each in allowed_subwords(states, state, 99)} == {b"]"}


def test_where_words_stay_whole_no_surface_begins_or_ends_inside_one():
    subwords = VOCABULARIES["characters"]
    states = ReplyStates("서울에서 서울", ["LC"], subwords, whole_words=True)
    state = advanced(states, State(), "[LC: 서울".encode())
    assert {subwords.of[each].decode() for each in allowed_subwords(states, state, 99)} == {"]", "에"}
    assert advanced(states, state, b"]").used == 0b1100000
    # The word is too long for what is left of the budget.
    assert not any(
        subwords.of[each] == "서".encode() for each in allowed_subwords(states, advanced(states, State(), b"[LC: "), 3)
    )
    # One character that cannot be written keeps its whole word out.
    states = ReplyStates("이궯용 서울", ["LC"], subwords, whole_words=True)
    begun = advanced(states, State(), b"[LC: ")
    assert {subwords.of[each].decode() for each in allowed_subwords(states, begun, 99)} == {"서"}


@pytest.mark.parametrize("text", ["서울", "서울에서"])
def test_a_bracket_is_begun_only_where_the_budget_holds_a_whole_word(text):
    subwords = VOCABULARIES["characters"]
    states, close = ReplyStates(text, ["LC"], subwords, whole_words=True), subwords.of.index(b"]")
    for budget in range(int(states.distance(State())), 30):
        # Writes on as long as it may.
        reply = random_reply(states, budget, lambda allowed: min(allowed, key=lambda subword: subword in (close, END)))
        found = parse_reply(subwords.joined(reply).decode(), ["LC"])
        assert found.whole and None not in locate(text, found.entities, True)
        # A space, `[LC: `, the word, `]`, and the end.
        assert bool(found.entities) == (budget >= 6 + len(text) + 2)


def test_a_subword_may_hold_the_end_of_one_bracket_and_the_beginning_of_the_next():
    subwords = VOCABULARIES["bytes"]
    across = subwords.of.index(b"] [")
    states = ReplyStates("이재용이 서울에", LABELS, subwords)
    state = advanced(states, State(), "[PS: 이재용".encode())
    assert across in allowed_subwords(states, state, 99)
    # Only where there is room to fill the next bracket, and to close it.
    needed = int(states.distance(advanced(states, state, b"] [")))
    assert across in allowed_subwords(states, state, needed + 1)
    assert across not in allowed_subwords(states, state, needed)


def test_a_third_of_a_syllable_is_offered_only_where_the_rest_can_follow():
    subwords = VOCABULARIES["single bytes"]
    states = ReplyStates("가나", ["LC"], subwords)
    state = advanced(states, State(), b"[LC: ")
    first = "가".encode()
    assert {subwords.of[at] for at in allowed_subwords(states, state, 99)} == {first[:1], "나".encode()[:1]}
    state = advanced(states, state, first[:2])
    assert {subwords.of[at] for at in allowed_subwords(states, state, 99)} == {first[2:]}
    assert states.distance(state) == 3  # the last byte, `]` and the end


def test_an_empty_text_has_one_reply():
    subwords = VOCABULARIES["bytes"]
    states, state = ReplyStates("", LABELS, subwords), State()
    assert {subwords.of[at].strip() for at in allowed_subwords(states, state, 9)} <= {b"[", b"[]", b""}
    assert states.may_end(advanced(states, state, b"[]"))


def test_a_label_that_the_vocabulary_cannot_write_is_refused():
    with pytest.raises(ValueError, match="a space and the label '뷁'"):
        ReplyStates("글", ["뷁"], VOCABULARIES["characters"])


# --- the processor ----------------------------------------------------------------------------------------------------


def test_the_processor_masks_each_row_by_its_own_text_and_keeps_probabilities():
    subwords = VOCABULARIES["characters"]
    size = len(subwords.of)
    end = size - 1
    states = [ReplyStates(text, ["LC"], subwords) for text in ("서울", "부산")]
    processor = ReplyProcessor(subwords, [end], 12, states, 2)
    id_of = {subword: at for at, subword in enumerate(subwords.of) if subword}
    replies = [[], []]
    torch.manual_seed(0)
    values = [[], []]
    for character in "[LC: ":
        scores = torch.randn(2, size)
        masked = processor(torch.tensor([[0, 0, *reply] for reply in replies]), scores)
        for row in (0, 1):
            values[row].append(masked[row].log_softmax(-1)[id_of[character.encode()]].item())
            replies[row].append(id_of[character.encode()])
    masked = processor(torch.tensor([[0, 0, *reply] for reply in replies]), torch.zeros(2, size))
    offered = [{subwords.of[at] for at in range(size) if masked[row, at] > -math.inf} for row in (0, 1)]
    assert offered == [{"서".encode(), "울".encode()}, {"부".encode(), "산".encode()}]
    for row in (0, 1):
        assert processor.log_probabilities(row, replies[row]) == pytest.approx(values[row])


def test_a_free_reply_is_closed_by_the_end_alone():
    subwords = VOCABULARIES["characters"]
    processor = ReplyProcessor(subwords, [3], 2, None, 1)
    scores = torch.zeros(1, len(subwords.of))
    assert torch.isfinite(processor(torch.tensor([[0]]), scores)).all()
    last = processor(torch.tensor([[0, 7]]), scores)
    assert torch.isfinite(last).nonzero().tolist() == [[0, 3]]


def test_a_budget_without_room_for_a_reply_is_refused():
    states = [ReplyStates(TEXTS[0], LABELS, VOCABULARIES["characters"])]
    with pytest.raises(
        ValueError, match=r"expected max_new_tokens of 3 or more, in which \[\] and the end find room, got 2"
    ):
        ReplyProcessor(VOCABULARIES["characters"], [3], 2, states, 1)
