"""Synthetic texts with personal data for tests of masking: templates and generated values, nothing of a real person."""

import argparse
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.resources import files

from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.masking.labels import GROUP_OF
from kospan.modeling.particle_agreement import agreeing_form
from kospan.modeling.spans import Span

_SLOT = re.compile(r"\{(\w+)(?:/(\w+))?\}")
# Slots that are no personal data.
FILLERS = ("DATE", "AMOUNT", "BANK", "ORDER", "VERSION", "MODEL")
_FAMILY = "김이박최정강조윤장임한오서신권황안송류홍고문양손배백허남심노하곽성차주우구민진지엄채원천방공"
_FIRST, _SECOND = "가나다민서지하도예은수현준태윤재승영경성보채유", "가나람린민서아연우원윤은이주준진하현호훈희빈결"
_BANKS = ("국민은행", "신한은행", "우리은행", "하나은행", "농협은행", "기업은행", "카카오뱅크", "토스뱅크", "우체국")
_WORDS = ("haneul", "badanews", "minsu", "seoyeon", "green", "sales", "info", "hana.kim", "lee.jh", "park_sw", "choi99")
_DOMAINS = ("example.com", "example.co.kr", "mail.example.org", "example.net", "office.example.kr")
_BUILDINGS = ("한빛아파트", "푸른빌라", "미래타워", "행복오피스텔", "대한빌딩")


def synthetic_examples(count: int = 1200, seed: int = 0) -> list[Example]:
    """Return synthetic documents with gold spans.

    The labels are PS and those of the rules. About one value in twenty has an unusual form, such as a phone number in
    Hangul digits.

    Args:
        count: Number of documents.
        seed: Seed of the generator; equal seeds give equal documents.

    >>> example = synthetic_examples(3)[0]
    >>> all(example.text[span.start : span.end].strip() for span in example.spans)
    True
    """
    generator = random.Random(seed)
    lines = _lines("templates.txt")
    return [_filled(lines[at % len(lines)], f"synthetic-{at + 1}", generator) for at in range(count)]


def _lines(name: str) -> list[str]:
    text = (files("kospan.masking") / "synthetic_data" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _filled(template: str, name: str, generator: random.Random) -> Example:
    parts: list[str] = []
    spans, at, length = [], 0, 0
    for slot in _SLOT.finditer(template):
        before, label = template[at : slot.start()], slot[1]
        value = VALUES[label](generator)
        particle = agreeing_form(slot[2], value) if slot[2] else ""
        start = length + len(before)
        if label not in FILLERS:
            spans.append(Span(start, start + len(value), label))
        parts += [before, value, particle]
        length = start + len(value) + len(particle)
        at = slot.end()
    return Example(name, "".join(parts) + template[at:], tuple(spans))


def _digits(generator: random.Random, count: int) -> str:
    return "".join(generator.choice("0123456789") for _ in range(count))


def _weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights))


def person(generator: random.Random) -> str:
    """A name of two to four syllables."""
    given = generator.choice(_FIRST) + (generator.choice(_SECOND) if generator.random() < 0.95 else "")
    family = (
        generator.choice(_FAMILY) if generator.random() < 0.97 else generator.choice(("남궁", "선우", "황보", "제갈"))
    )
    return family + given


def _resident(generator: random.Random, sexes: str, constant: int) -> str:
    """A number with a check digit, or as issued since October 2020 without one."""
    year, month, day = generator.randrange(40, 100), generator.randrange(1, 13), generator.randrange(1, 29)
    digits = (
        f"{year:02}{month:02}{day:02}{generator.choice(sexes)}{generator.randrange(0, 90):02}{_digits(generator, 3)}"
    )
    check = (constant - _weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    if generator.random() < 0.5:
        check = (check + generator.randrange(1, 10)) % 10
    separator = generator.choices(("-", "", " - ", "–"), (85, 8, 4, 3))[0]
    return digits[:6] + separator + digits[6:] + str(check)


def _business(generator: random.Random) -> str:
    digits = f"{generator.randrange(101, 700)}{generator.randrange(1, 99):02}{_digits(generator, 4)}"
    total = _weighted(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(digits[8]) * 5 // 10
    digits += str((10 - total % 10) % 10)
    return digits if generator.random() < 0.1 else f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"


def _passport(generator: random.Random) -> str:
    if generator.random() < 0.6:
        return f"M{_digits(generator, 3)}{generator.choice('ABCDEFGHJKLM')}{_digits(generator, 4)}"
    return generator.choice("MS") + _digits(generator, 8)


def _license(generator: random.Random) -> str:
    rest = f"{_digits(generator, 2)}-{_digits(generator, 6)}-{_digits(generator, 2)}"
    if generator.random() < 0.15:
        return f"{generator.choice(('서울', '부산', '경기'))} {rest}"
    number = f"{generator.randrange(11, 27)}-{rest}"
    return number.replace("-", "") if generator.random() < 0.1 else number


def _phone(generator: random.Random) -> str:
    kind, end = generator.random(), _digits(generator, 4)
    if kind < 0.03:
        return "공일공에 " + "".join("공일이삼사오육칠팔구"[int(digit)] for digit in _digits(generator, 8))
    if kind < 0.06:
        return f"{generator.choice(('1588', '1544', '1670'))}-{end}"
    if kind < 0.2:
        area = generator.choice(("02", "031", "051", "053", "062", "064"))
        middle = generator.randrange(200, 999)
        return generator.choice((f"{area}-{middle}-{end}", f"({area}) {middle}-{end}", f"{area}){middle}-{end}"))
    middle = f"{generator.randrange(2000, 10000)}"
    forms = (f"010-{middle}-{end}", f"010{middle}{end}", f"010.{middle}.{end}", f"010 {middle} {end}")
    return generator.choices((*forms, f"+82-10-{middle}-{end}", f"０１０－{middle}－{end}"), (70, 12, 6, 6, 4, 2))[0]


def _email(generator: random.Random) -> str:
    name = generator.choice(_WORDS) + generator.choice(("", "", _digits(generator, 2), f".{generator.choice(_WORDS)}"))
    return f"{name}{' (at) ' if generator.random() < 0.03 else '@'}{generator.choice(_DOMAINS)}"


def _card(generator: random.Random) -> str:
    digits = generator.choice(("4", "5", "9")) + generator.choice("01234") + _digits(generator, 13)
    doubled = [int(digit) * 2 if at % 2 == 0 else int(digit) for at, digit in enumerate(digits)]
    digits += str(-sum(each - 9 if each > 9 else each for each in doubled) % 10)
    separator = generator.choices(("-", " ", ""), (80, 12, 8))[0]
    return separator.join(digits[at : at + 4] for at in range(0, 16, 4))


def _account(generator: random.Random) -> str:
    groups = generator.choice(((3, 3, 6), (6, 2, 6), (4, 2, 7), (3, 6, 5), (4, 3, 6), (3, 4, 4, 2), (12,), (13,)))
    first = generator.choice("123456789") + _digits(generator, groups[0] - 1)
    return "-".join([first, *(_digits(generator, size) for size in groups[1:])])


def _address(generator: random.Random) -> str:
    province, district, road, town = generator.choice(_lines("places.txt")).split("|")
    number = f"{generator.randrange(1, 400)}" + (f"-{generator.randrange(1, 30)}" if generator.random() < 0.3 else "")
    kind = generator.random()
    if kind < 0.05:
        return " ".join(filter(None, (province, district, town)))
    place = f"{town} {number}" if kind < 0.25 else f"{road} {number}"
    parts = [district, place] if kind > 0.9 and district else [province, district, place]
    if generator.random() < 0.4:
        building = f"{generator.choice(_BUILDINGS)} " if generator.random() < 0.5 else ""
        flat = f"{generator.randrange(101, 120)}동 {generator.randrange(101, 2400)}호"
        parts.append(building + generator.choice((flat, f"{generator.randrange(1, 20)}층")))
    return " ".join(filter(None, parts))


def _date(generator: random.Random) -> str:
    year, month, day = generator.randrange(2015, 2026), generator.randrange(1, 13), generator.randrange(1, 29)
    return generator.choice(
        (f"{year}년 {month}월 {day}일", f"{year}-{month:02}-{day:02}", f"{year}.{month:02}.{day:02}.")
    )


VALUES: dict[str, Callable[[random.Random], str]] = {
    "PS": person,
    "RRN": lambda generator: _resident(generator, "12", 11),
    "FRN": lambda generator: _resident(generator, "56", 13),
    "BRN": _business,
    "PASSPORT": _passport,
    "DRIVER_LICENSE": _license,
    "PHONE": _phone,
    "EMAIL": _email,
    "CARD": _card,
    "ACCOUNT": _account,
    "ADDRESS": _address,
    "DATE": _date,
    "AMOUNT": lambda generator: f"{generator.randrange(1, 5000) * 100:,}원",
    "BANK": lambda generator: generator.choice(_BANKS),
    "ORDER": lambda generator: f"{generator.randrange(2020, 2026)}{_digits(generator, 10)}",
    "VERSION": lambda generator: ".".join(str(generator.randrange(20)) for _ in range(3)),
    "MODEL": lambda generator: f"{generator.choice('ABCKLX')}{_digits(generator, 2)}-{_digits(generator, 4)}",
}


def main(words: list[str] | None = None) -> None:
    """Write a synthetic set as JSON Lines, with the rules' labels of identifiers as "ID" if asked."""
    parser = argparse.ArgumentParser(description="Write synthetic texts with personal data as JSON Lines.")
    parser.add_argument("--count", type=int, default=1200, help="number of documents (default: 1200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the generator (default: 0)")
    parser.add_argument("--groups", action="store_true", help="one label ID for all registration numbers")
    parser.add_argument("--output", required=True, help="the file")
    arguments = parser.parse_args(words)
    examples = synthetic_examples(arguments.count, arguments.seed)
    if arguments.groups:
        examples = [
            replace(each, spans=tuple(span._replace(label=GROUP_OF.get(span.label, span.label)) for span in each.spans))
            for each in examples
        ]
    write_jsonl(arguments.output, examples)
    print(f"{len(examples):,} documents, {sum(len(each.spans) for each in examples):,} spans -> {arguments.output}")


if __name__ == "__main__":
    main()
