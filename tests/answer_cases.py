"""Questions of our own, and predictions that differ from their answers in every way that a normalisation sees."""

import random
from html import escape
from typing import NamedTuple
from unicodedata import normalize

from oracles import answer_rules

from kospan.tasks.question_answering.metrics import answer_metrics


class Case(NamedTuple):
    """A text and the answers that stand in it; none where it holds no answer."""

    text: str
    golds: tuple[str, ...]


CASES = [
    Case("훈민정음은 1443년에 만들어지고 1446년 음력 9월에 반포되었다.", ("1446년 음력 9월", "1446년")),
    Case("소설 《토지》는 박경리가 1969년부터 썼다.", ("《토지》", "토지")),
    Case("영화 〈기생충〉(Parasite)은 봉준호가 연출했다.", ("〈기생충〉(Parasite)", "기생충")),
    Case("그는 '별이 빛나는 밤'을 그린 뒤 ‘해바라기’를 다시 그렸다.", ("'별이 빛나는 밤'",)),
    Case("서울특별시 종로구에 있는 경복궁은 조선의 법궁이다.", ("서울특별시 종로구", "종로구")),
    Case("지구에서 달까지는 평균 384,400 km이다.", ("384,400 km",)),
    Case('The Beatles released "Let It Be" in May 1970.', ("The Beatles", "Beatles")),
    Case("A U.S. senator read the letter to an aide.", ("A U.S. senator", "U.S. senator")),
    Case("In the theatre she learned what 'the' means.", ("'the'", "the")),
    Case("İstanbul was the capital; the café closed at 9 p.m.", ("İstanbul", "café")),
    Case("C++와 C#은 프로그래밍 언어이고 F#도 그렇다.", ("C#", "C++")),
    Case("표시는 ♥ 하나뿐이고 점수는 ... 로 적혔다.", ("...", "♥")),
    Case("이 글에는 묻는 것이 적혀 있지 않다.", ()),
    Case(normalize("NFD", "김치찌개는 돼지고기로 끓인다."), (normalize("NFD", "돼지고기"),)),
    Case("가나다라마바사아자차카타파하 " * 16 + "끝", ("가나다라마바사아자차카타파하 " * 15, "끝")),
]
PARTICLES = ("은", "는", "이", "가", "을", "를", "에서", "으로", "에게", "까지", "이다", "의")
MARKS = (
    "《{}》",
    "〈{}〉",
    "<{}>",
    "({})",
    "'{}'",
    '"{}"',
    "‘{}’",
    "“{}”",
    "「{}」",
    "{}.",
    "{}, ",
    "-{}-",
    "{}!",
    "<()‘’{}",
)
# HTML around an answer, or in the place of its spaces.
TAGS = ("<b>{}</b>", '<td title="a > b">{}</td>', "<ul><li>{}</li>", "<!-- 주석 -->{}", "<br/>", "&nbsp;", "escaped")
WIDE = str.maketrans(
    {"(": "（", ")": "）", ",": "，", ".": "．", "'": "＇", "<": "＜", "1": "１", "4": "４", "A": "Ａ"}
)


def perturbed(case: Case, generator: random.Random) -> str:
    """A prediction: an answer, or a stretch of the text, changed once, twice or not at all."""
    said = generator.choice(case.golds) if case.golds and generator.random() < 0.9 else stretch(case.text, generator)
    for _ in range(generator.choice((0, 1, 1, 2, 2, 3))):
        said = generator.choice(CHANGES)(said, case, generator)
    return said


def stretch(text: str, generator: random.Random) -> str:
    first, last = sorted(generator.sample(range(len(text) + 1), 2))
    return text[first:last]


def cut(said, case, generator):
    return stretch(said, generator) if said else said


def lengthened(said, case, generator):
    at = case.text.find(said)
    more = generator.randint(1, 6)
    return case.text[max(0, at - more) : at + len(said) + more] if at >= 0 else said + " 등"


def with_particle(said, case, generator):
    return said + generator.choice(PARTICLES)


def with_marks(said, case, generator):
    return generator.choice(MARKS).format(said)


def other_case(said, case, generator):
    return generator.choice((said.upper(), said.lower(), said.swapcase()))


def with_article(said, case, generator):
    return generator.choice(("a ", "an ", "the ", "The ", "the\u00a0", "the-", "theme ", "a\u0301 ")) + said


def other_spaces(said, case, generator):
    space = generator.choice(("  ", "\t", "\u00a0", "\u3000", "\n", "\u200b", ""))
    return said.replace(" ", space) if " " in said and generator.random() < 0.7 else space + said + space


def as_html(said, case, generator):
    form = generator.choice(TAGS)
    if form == "escaped":
        return escape(said, quote=False)
    return form.format(said) if "{}" in form else said.replace(" ", form)


def wide(said, case, generator):
    return said.translate(WIDE)


def taken_apart(said, case, generator):
    return normalize(generator.choice(("NFD", "NFC", "NFKC")), said)


def nothing(said, case, generator):
    return generator.choice(("", " ", "()", "the", "..."))


def of_another(said, case, generator):
    return generator.choice(generator.choice(CASES).golds or ("",))


CHANGES = (
    cut,
    lengthened,
    with_particle,
    with_marks,
    other_case,
    with_article,
    other_spaces,
    as_html,
    wide,
    taken_apart,
    nothing,
    of_another,
)


def compare(cases: list[Case], count: int, rules: str, seed: int = 0) -> dict:
    """Scores perturbed predictions by the product and by the oracle.

    Returns: "difference", the largest of any metric; "mattered", how many predictions would have another metric without
        each step of the normalisation; "means" of each metric, as the product has them.
    """
    generator = random.Random(seed)
    worst, mattered = 0.0, dict.fromkeys(answer_rules.STEPS[rules], 0)
    totals: dict[str, float] = {}
    for at in range(count):
        case = cases[at % len(cases)]
        said = perturbed(case, generator)
        found = answer_metrics(said, case.golds, rules)
        wanted = answer_rules.metrics(said, case.golds, rules)
        assert found.keys() == wanted.keys()
        worst = max(worst, *(abs(found[name] - wanted[name]) for name in found))
        for name, value in found.items():
            totals[name] = totals.get(name, 0.0) + value
        for step in mattered:
            mattered[step] += answer_rules.metrics(said, case.golds, rules, without=step) != wanted
    return {
        "difference": worst,
        "mattered": mattered,
        "means": {name: total / count for name, total in totals.items()},
    }
