"""Replies are written and taken apart again, whatever stands in them; nothing that a model writes raises."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kospan.modeling.prompts import (
    EMPTY,
    PLACE,
    Entity,
    check_writable_labels,
    entities_of,
    escape,
    frame,
    locate,
    parse_reply,
    write_reply,
)
from kospan.modeling.spans import Span, first_overlap

LABELS = ["PS", "P", "P:S", "a]b", "x\\", "[y", "기관"]
# What the grammar is made of comes often.
odd_text = st.text(st.sampled_from("\\]:[ PSab가\n\u200b") | st.characters(codec="utf-8"), max_size=30)
surfaces = odd_text.map(str.strip).filter(bool)
entities = st.lists(st.tuples(st.sampled_from(LABELS), surfaces), max_size=6)


@given(entities)
@example([])
@example([("PS", "\\]:["), ("a]b", "]"), ("x\\", "\\"), ("PS", "a \n b")])
def test_what_is_written_is_read_again(named):
    reply = parse_reply(write_reply(named), LABELS)
    assert [entity[:2] for entity in reply.entities] == named
    assert (reply.dropped, reply.parsed, reply.whole) == (0, True, True)
    for entity in reply.entities:
        assert write_reply(named)[entity.start] == "[" and write_reply(named)[entity.end - 1] == "]"


def test_white_space_at_the_ends_of_a_surface_is_no_part_of_it():
    reply = parse_reply("[PS:  이재용\u3000] [PS: \n] [P:\u00a0a b\n]", LABELS)
    assert [entity[:2] for entity in reply.entities] == [("PS", "이재용"), ("P", "a b")]
    assert (reply.dropped, reply.whole) == (1, False)


@given(st.text(st.sampled_from("[]\\: PSLCa가") | st.characters(), max_size=200))
@settings(max_examples=150)
@example("[" * 50)
@example("[PS: \\")
@example("[PS:")
@example("[PS:]")
@example("\ud800")
def test_nothing_that_is_read_raises_and_what_it_says_can_be_written(text):
    reply = parse_reply(text, LABELS)
    again = parse_reply(write_reply(reply.entities), LABELS)
    assert [entity[:2] for entity in again.entities] == [entity[:2] for entity in reply.entities]
    assert reply.dropped <= text.count("[") and all(
        label in LABELS and surface for label, surface, *_ in reply.entities
    )
    if reply.whole:
        assert text.strip() == write_reply(reply.entities)


@pytest.mark.parametrize(
    ("text", "named", "dropped", "parsed"),
    [
        ("[]", [], 0, True),
        ("", [], 0, False),
        ("nothing here", [], 0, False),
        ("[PS: Kim] and [P: x]", [("PS", "Kim"), ("P", "x")], 0, True),
        ("[PS:Kim]", [("PS", "Kim")], 0, True),
        ("[XX: Kim] [PS: Lee]", [("PS", "Lee")], 1, True),
        ("[PS Kim [PS: Lee]", [("PS", "Lee")], 1, True),
        ("[PS: ] [PS: Lee", [], 2, False),
        ("[P\\:S: C:\\new]", [("P:S", "C:\\new")], 0, True),
        ("[PS: a\\]b] []", [("PS", "a]b")], 0, True),
    ],
)
def test_what_a_free_model_writes_is_used_as_far_as_it_goes(text, named, dropped, parsed):
    reply = parse_reply(text, LABELS)
    assert ([entity[:2] for entity in reply.entities], reply.dropped, reply.parsed) == (named, dropped, parsed)


def test_a_long_reply_without_an_end_is_read_in_linear_time():
    # Quadratic time would be 10^10 steps here, and the test would not end.
    assert parse_reply("[PS: " * 100_000, LABELS).dropped == 1
    assert parse_reply("[" * 100_000, LABELS).dropped == 100_000


@given(odd_text, st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=6))
def test_surfaces_of_disjoint_spans_are_all_found_and_none_twice(text, cuts):
    spans, reached = [], 0
    for start, length in sorted(cuts):
        if reached <= start and start + length <= len(text):
            spans.append(Span(start, start + length, "PS"))
            reached = start + length
    found = locate(text, entities_of(text, spans))
    kept = [span for span in found if span is not None]
    for entity, span in zip(entities_of(text, spans), found):
        assert span is None or (span.label, text[span.start : span.end]) == entity[:2]
    assert first_overlap(kept) is None
    # A surface may cover what a later one needs only where two of them can overlap in the text.
    if all(text.count(text[span.start : span.end]) == 1 for span in spans):
        assert found == spans


def test_repeated_surfaces_take_one_place_each_in_reading_order():
    text = "서울 부산 서울 서울역"
    named = [("LC", "부산"), ("LC", "서울"), ("LC", "서울역"), ("LC", "서울"), ("LC", "서울"), ("LC", "")]
    assert [span and span[:2] for span in locate(text, named)] == [(3, 5), (6, 8), (9, 12), (0, 2), None, None]
    assert locate("aaa", [("LC", "aa"), ("LC", "a")]) == [Span(0, 2, "LC"), Span(2, 3, "LC")]


@given(st.text("ab .", max_size=12), st.lists(st.text("ab .", min_size=1, max_size=3), max_size=8), st.booleans())
def test_surfaces_stand_where_a_plain_search_puts_them(text, surfaces, whole_words):
    taken, cursor = set(), 0
    # In these letters a word's edge is what regular expressions call one, or stands beside a sign.
    inside = {match.start() + 1 for match in re.finditer("(?=[ab][ab])", text)} if whole_words else set()
    for surface, span in zip(surfaces, locate(text, [("LC", surface) for surface in surfaces], whole_words)):
        free = [
            start
            for start in range(len(text) - len(surface) + 1)
            if text.startswith(surface, start)
            and not taken & {*range(start, start + len(surface))}
            and not inside & {start, start + len(surface)}
        ]
        chosen = next((start for start in free if start >= cursor), free[0] if free else None)
        assert (span and span.start) == chosen
        if chosen is not None:
            cursor = chosen + len(surface)
            taken |= {*range(chosen, cursor)}


@pytest.mark.parametrize("label", ["", " PS", "PS ", "P\nS", "\x00", "\ud800", 3])
def test_a_label_that_cannot_stand_on_a_line_is_refused(label):
    with pytest.raises(ValueError, match="expected labels that can be written on one line, without spaces at their"):
        check_writable_labels(["LC", label])
    with pytest.raises(ValueError, match=r"expected one label or more, each once, got \['LC', 'LC'\]"):
        check_writable_labels(["LC", "LC"])


def test_escapes_are_those_of_the_grammar_alone():
    assert escape("a[b]:\\n") == "a[b\\]\\:\\\\n" and write_reply([]) == EMPTY


def test_a_prompt_holds_labels_descriptions_and_examples_in_order():
    before, behind = frame("Find.", ["PS", "LC"], {"PS": "person"}, [("A b", "[PS: A]")], ("Types", "Text", "Answer"))
    assert before + "@" + behind == (
        "Find.\n\nTypes:\n- PS: person\n- LC\n\nText:\nA b\nAnswer:\n[PS: A]\n\nText:\n@\nAnswer:\n"
    )


def test_a_chat_template_gets_turns_and_one_that_drops_the_text_is_refused():
    def render(messages):
        return "".join(f"<{each['role']}>{each['content']}</>" for each in messages) + "<assistant>"

    before, behind = frame("Find.", ["PS"], {}, [("A b", "[]")], ("Types", "Text", "Answer"), render)
    assert before == "<user>Find.\n\nTypes:\n- PS\n\nText:\nA b</><assistant>[]</><user>Text:\n"
    assert behind == "</><assistant>" and PLACE not in before + behind
    with pytest.raises(ValueError, match="expected a chat template that prints the messages unchanged"):
        frame("Find.", ["PS"], {}, render=lambda messages: "hello")
    assert Entity("PS", "A") == ("PS", "A", 0, 0)
