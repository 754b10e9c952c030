"""Replies of generative models: any reply is parsed, and every located surface is in the text."""

from functools import cache

from fuzz.cases import Target, checked
from fuzz.mutations import mutated_text, texts
from generative_cases import TOKENIZERS, make_generative_model
from hypothesis import strategies as st

from kospan.modeling.prompt_windows import composed
from kospan.modeling.prompts import check_writable_labels, locate, parse_reply, write_reply
from kospan.modeling.reply_states import ReplyStates, State
from kospan.modeling.subword_bytes import SubwordBytes

LABELS = (["PS", "LC"], ["PS", "PS:x", "P"], ["사람]", "a\\b", ":"], ["a b", "[]"])
subwords_of = cache(lambda name: SubwordBytes(TOKENIZERS[name]()))
model_of = cache(lambda name: make_generative_model(name, max_new_tokens=24))


@st.composite
def reply_cases(draw) -> dict:
    """A text, the labels and a reply that is almost in the grammar."""
    labels = draw(st.one_of(st.sampled_from(LABELS), st.lists(texts(2), min_size=1, max_size=3)))
    text = draw(texts(10))
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=6))
    pairs = [(draw(st.sampled_from(labels)), text[min(pair) : max(pair)]) for pair in zip(cuts[::2], cuts[1::2])]
    reply = (
        draw(mutated_text(write_reply(pairs), "[]: \\")) if draw(st.booleans()) else draw(texts(12, surrogates=True))
    )
    return {"text": text, "labels": labels, "reply": reply, "pairs": pairs, "whole_words": draw(st.booleans())}


def check_reply(case: dict) -> str:
    """Parse and locate a reply; and write and parse the entities."""

    def run():
        check_writable_labels(case["labels"])
        found = parse_reply(case["reply"], case["labels"])
        assert all(each.label in case["labels"] and each.surface.strip() == each.surface for each in found.entities)
        assert all(case["reply"][each.start] == "[" and case["reply"][each.end - 1] == "]" for each in found.entities)
        _check_located(case["text"], found.entities, case["whole_words"])
        pairs = [(label, surface) for label, surface in map(tuple, case["pairs"]) if surface.strip()]
        pairs = [(label, surface.strip()) for label, surface in pairs]
        again = parse_reply(write_reply(pairs), case["labels"])
        assert [each[:2] for each in again.entities] == pairs and again.parsed and again.whole and not again.dropped

    return checked(run)


def _check_located(text: str, entities, whole_words: bool) -> list:
    spans = locate(text, entities, whole_words)
    taken: set[int] = set()
    for entity, span in zip(entities, spans, strict=True):
        if span is not None:
            assert text[span.start : span.end] == entity.surface and span.label == entity.label
            assert taken.isdisjoint(range(span.start, span.end))
            taken |= {*range(span.start, span.end)}
    return spans


@st.composite
def grammar_cases(draw) -> dict:
    """A text, a vocabulary, and choices among the bytes that the grammar allows."""
    return {
        "text": draw(texts(8)),
        "vocabulary": draw(st.sampled_from(sorted(TOKENIZERS))),
        "labels": draw(st.sampled_from((["PS", "LC"], ["L", "LC:"]))),
        "whole_words": draw(st.booleans()),
        "choices": draw(st.lists(st.integers(0, 7), max_size=60)),
    }


def check_grammar(case: dict) -> str:
    """Follow the grammar at random, then the shortest way to the end: the reply is whole and can be located."""

    def run():
        states = ReplyStates(case["text"], case["labels"], subwords_of(case["vocabulary"]), case["whole_words"])
        state, reply = State(), bytearray()
        for choice in case["choices"]:
            moves = [(byte, after) for byte, after in states.moves(state) if states.distance(after) < float("inf")]
            if not moves:
                break
            byte, state = sorted(moves)[choice % len(moves)]
            reply.append(byte)
        for _ in range(10_000):
            if states.may_end(state):
                break
            moves = [(states.distance(after), byte, after) for byte, after in states.moves(state)]
            _, byte, state = min(moves, key=lambda each: each[:2])
            reply.append(byte)
        assert states.may_end(state), bytes(reply)
        found = parse_reply(reply.decode(), case["labels"])
        assert found.whole and found.parsed, bytes(reply)
        spans = _check_located(case["text"], found.entities, case["whole_words"])
        assert None not in spans, (bytes(reply), spans)

    return checked(run)


@st.composite
def generation_cases(draw) -> dict:
    """Texts for a model with random weights."""
    return {
        "texts": draw(st.lists(texts(6, surrogates=True), max_size=2)),
        "vocabulary": draw(st.sampled_from(("bytes", "characters"))),
        "num_beams": draw(st.sampled_from((1, 1, 2, 0))),
    }


def check_generation(case: dict) -> str:
    """Extract spans by generation; they are in the text and do not overlap."""

    def run():
        model = model_of(case["vocabulary"])
        for text, result in zip(case["texts"], model.generate(case["texts"], num_beams=case["num_beams"]), strict=True):
            assert not result.dropped and not result.unmatched and not result.unparsed, (text, result)
            assert composed(text)[0] is not None
            reached = 0
            for span in result.spans:
                assert reached <= span.start < span.end <= len(text) and 0 <= span.score <= 1
                assert text[span.start : span.end].strip() == text[span.start : span.end]
                reached = span.end

    return checked(run)


TARGETS = {
    "replies": Target(reply_cases(), check_reply, 8),
    "grammar": Target(grammar_cases(), check_grammar, 5),
    "generation": Target(generation_cases(), check_generation, 0.5),
}
