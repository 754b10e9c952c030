r"""Prompts and replies of generative NER: `[TYPE: surface] [TYPE: surface]`, or `[]` without entities.

Inside a bracket `\`, `]` and `:` have a backslash before them, so a reply can be parsed whatever the text contains.
Offsets are not written; each surface is located in the text.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from .spans import Span

EMPTY = "[]"
# Defaults by language of the data; kospan.json may set others.
INSTRUCTIONS = {
    "en": (
        "Find the entities of the text in the order in which they stand there. Write a bracket for each, [TYPE: the "
        "entity, letter by letter as in the text], or [] where there is none. Inside a bracket put a backslash "
        "before \\, ] and :."
    ),
    "ko": (
        "글에 나오는 개체명을 나오는 순서대로 찾으세요. 하나마다 [유형: 글에 적힌 그대로의 개체명]처럼 쓰고, 하나도 "
        "없으면 []라고 쓰세요. 괄호 안에서 \\, ], : 앞에는 \\를 붙이세요."
    ),
}
WORDS = {"en": ("Types", "Text", "Answer"), "ko": ("유형", "글", "답")}
# Placeholder of the text in a frame; no template changes it.
PLACE = "\ue000kospan\ue001"

_ESCAPED = re.compile(r"[\\\]:]")
_ESCAPE = re.compile(r"\\([\\\]:])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Entity(NamedTuple):
    """One bracket of a reply.

    Args:
        label: The type.
        surface: The surface of the entity, without white space at its ends.
        start: First character of the bracket in the reply.
        end: One past its `]`.
    """

    label: str
    surface: str
    start: int = 0
    end: int = 0


class Reply(NamedTuple):
    """A parsed reply.

    Args:
        entities: The entities of its brackets, in order.
        dropped: Number of invalid brackets: an unknown type, no surface, no end.
        parsed: Whether an entity or `[]` was found.
        whole: Whether the reply follows the grammar exactly.
    """

    entities: list[Entity]
    dropped: int
    parsed: bool
    whole: bool


def escape(text: str) -> str:
    r"""Escape a type or surface for a bracket.

    >>> escape("a:b]")
    'a\\:b\\]'
    """
    return _ESCAPED.sub(r"\\\g<0>", text)


def check_writable_labels(labels: Sequence[str]) -> None:
    """Check that all types can be written in a reply; `:`, `]` and the backslash are escaped.

    Raises:
        ValueError: If a type cannot be written in a reply.
    """
    for label in labels:
        if not isinstance(label, str) or not label or label != label.strip() or _CONTROL.search(label):
            raise ValueError(
                f"expected labels that can be written on one line, without spaces at their ends, got {label!r}; "
                "rename the label in the data"
            )
    if len(set(labels)) != len(labels) or not labels:
        raise ValueError(f"expected one label or more, each once, got {list(labels)}; correct the list")


def write_reply(entities: Sequence[tuple]) -> str:
    r"""Write the reply that names these entities.

    Args:
        entities: `(type, surface)` in order of the text; more fields are ignored.

    >>> write_reply([("PS", "이재용"), ("TI", "3:15")]), write_reply([])
    ('[PS: 이재용] [TI: 3\\:15]', '[]')
    """
    return " ".join(f"[{escape(label)}: {escape(surface)}]" for label, surface, *_ in entities) or EMPTY


def parse_reply(reply: str, labels: Sequence[str]) -> Reply:
    """Parse any reply, in linear time.

    Args:
        reply: Any text.
        labels: The types; a bracket with another one is dropped.

    >>> reply = parse_reply("Sure! [PS: 이재용] [XX: 서울] [LC: 부", ["LC", "PS"])
    >>> [entity[:2] for entity in reply.entities], reply.dropped, reply.parsed, reply.whole
    ([('PS', '이재용')], 2, True, False)
    """
    # The longest first: one label may be a prefix of another.
    heads = sorted(((f"{escape(label)}:", label) for label in labels), key=lambda pair: -len(pair[0]))
    entities, dropped, empty, at = [], 0, False, 0
    while (at := reply.find("[", at)) >= 0:
        found = next((pair for pair in heads if reply.startswith(pair[0], at + 1)), None)
        if found is None:
            if reply.startswith(EMPTY, at):
                empty, at = True, at + len(EMPTY)
            else:
                dropped, at = dropped + 1, at + 1
            continue
        begin = at + 1 + len(found[0])
        begin += reply.startswith(" ", begin)
        end = _closing(reply, begin)
        if end < 0:
            dropped += 1
            break
        surface = _ESCAPE.sub(r"\1", reply[begin:end]).strip()
        if surface:
            entities.append(Entity(found[1], surface, at, end + 1))
        else:
            dropped += 1
        at = end + 1
    whole = not dropped and reply.strip() == write_reply(entities)
    return Reply(entities, dropped, bool(entities) or empty, whole)


def _closing(reply: str, at: int) -> int:
    """The first `]` from `at` on that is not escaped; -1 if there is none."""
    while at < len(reply):
        if reply[at] == "]":
            return at
        at += 2 if reply[at] == "\\" and reply[at + 1 : at + 2] in ("\\", "]", ":") else 1
    return -1


def is_edge(text: str, at: int) -> bool:
    """Return whether a word may begin or end before this character: not between two letters or digits.

    >>> [at for at in range(5) if is_edge("a b1.", at)]
    [0, 1, 2, 4]
    """
    return not (0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum())


def locate(text: str, entities: Sequence[Entity], whole_words: bool = False) -> list[Span | None]:
    """Locate each entity in the text: its first free occurrence after the previous entity, else from the start.

    Args:
        text: The text of the prompt.
        entities: `(label, surface, ...)` as a reply names them.
        whole_words: Whether an occurrence counts only where words begin and end with it, as in data whose unit is the
            word.

    Returns:
        A span for each entity, in the same order, without overlaps; None without a free occurrence.

    >>> found = locate("부산 서울 부산", [("LC", "서울"), ("LC", "부산"), ("LC", "부산"), ("LC", "인천")])
    >>> [span and span[:2] for span in found]
    [(3, 5), (6, 8), (0, 2), None]
    """
    taken, cursor, found = bytearray(len(text)), 0, []
    for label, surface, *_ in entities:
        start = _free(text, surface, taken, cursor, whole_words)
        if start < 0 < cursor:
            start = _free(text, surface, taken, 0, whole_words)
        if start < 0 or not surface:
            found.append(None)
            continue
        cursor = start + len(surface)
        taken[start:cursor] = b"\1" * len(surface)
        found.append(Span(start, cursor, label))
    return found


def _free(text: str, surface: str, taken: bytearray, start: int, whole_words: bool) -> int:
    """The first occurrence with no taken character; -1 if there is none."""
    while (start := text.find(surface, start)) >= 0:
        end = start + len(surface)
        last = taken.rfind(1, start, end)
        if last >= 0:
            # Any occurrence that begins before that contains it too.
            start = last + 1
        elif whole_words and not (is_edge(text, start) and is_edge(text, end)):
            start += 1
        else:
            return start
    return -1


def entities_of(text: str, spans: Sequence[Span]) -> list[Entity]:
    """Return the entities of gold spans, in order of the text.

    >>> entities_of("서울의 이재용", [Span(4, 7, "PS"), Span(0, 2, "LC")])[0][:2]
    ('LC', '서울')
    """
    return [Entity(span.label, text[span.start : span.end]) for span in sorted(spans)]


def frame(
    instruction: str,
    labels: Sequence[str],
    descriptions: dict[str, str],
    examples: Sequence[tuple[str, str]] = (),
    words: Sequence[str] = WORDS["en"],
    render=None,
) -> tuple[str, str]:
    r"""Return the parts of a prompt before and after the text.

    Args:
        instruction: The instruction; empty omits it and the types, which a model trained from scratch does not need.
        labels: The types, in order.
        descriptions: Descriptions of types, if known.
        examples: Texts with their replies, shown first.
        words: The words for "Types", "Text" and "Answer".
        render: Function from messages (`role`, `content`) to text, such as a chat template; None writes them one below
            the other.

    >>> frame("", ["PS"], {}, [("비가 온다", "[]")])
    ('Text:\n비가 온다\nAnswer:\n[]\n\nText:\n', '\nAnswer:\n')
    """
    kinds, text_word, answer_word = words
    head = ""
    if instruction:
        lines = [f"- {label}: {descriptions[label]}" if label in descriptions else f"- {label}" for label in labels]
        head = "\n".join([instruction, "", f"{kinds}:", *lines, "", ""])
    asked = [*((text, reply) for text, reply in examples), (PLACE, None)]
    if render is None:
        parts = [f"{text_word}:\n{text}\n{answer_word}:\n" + (f"{reply}\n\n" if reply else "") for text, reply in asked]
        whole = head + "".join(parts)
    else:
        messages = []
        for at, (text, reply) in enumerate(asked):
            messages.append({"role": "user", "content": (head if at == 0 else "") + f"{text_word}:\n{text}"})
            messages += [{"role": "assistant", "content": reply}] if reply else []
        whole = render(messages)
    before, place, behind = whole.rpartition(PLACE)
    if not place:
        raise ValueError(
            "expected a chat template that prints the messages unchanged, got one that omits the text; set "
            "tokenizer.chat_template = None and save it"
        )
    return before, behind
