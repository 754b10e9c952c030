"""Rules for personal data with a fixed form, on synthetic values."""

import logging
import socket
import unicodedata

import pytest

from kospan.masking.labels import RULE_LABELS
from kospan.masking.rules import check_rules, find_by_rules

needs_presidio = pytest.mark.optional("presidio_analyzer", "mask")


def found(text: str, context: str = "") -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.label) for span in find_by_rules(text, list(RULE_LABELS), context)]


@needs_presidio
@pytest.mark.parametrize(
    ("text", "value", "label"),
    [
        ("주민등록번호는 900101-1234567입니다", "900101-1234567", "RRN"),
        ("900101-1234567을 입력", "900101-1234567", "RRN"),
        ("주민번호 9001011234567", "9001011234567", "RRN"),
        ("주민번호 900101 - 4234567", "900101 - 4234567", "RRN"),
        ("주민번호 900101–1234567", "900101–1234567", "RRN"),
        ("주민번호 ９００１０１－１２３４５６７", "９００１０１－１２３４５６７", "RRN"),
        ("번호 900101.1234568이고", "900101.1234568", "RRN"),
        ("번호 900101/1234568", "900101/1234568", "RRN"),
        ("외국인등록번호 900101.5234567", "900101.5234567", "FRN"),
        ("외국인등록번호 900101-5234567", "900101-5234567", "FRN"),
        ("사업자등록번호 220-81-62517로", "220-81-62517", "BRN"),
        ("사업자등록번호 123-45-67890", "123-45-67890", "BRN"),
        ("사업자번호 2208162517", "2208162517", "BRN"),
        ("여권번호는 M12345678이고", "M12345678", "PASSPORT"),
        ("여권 m123a4567을", "m123a4567", "PASSPORT"),
        ("운전면허번호 11-22-123456-78", "11-22-123456-78", "DRIVER_LICENSE"),
        ("면허번호 112212345678", "112212345678", "DRIVER_LICENSE"),
        ("면허 서울 12-345678-90", "서울 12-345678-90", "DRIVER_LICENSE"),
        ("010-1234-5678로 전화", "010-1234-5678", "PHONE"),
        ("01012345678", "01012345678", "PHONE"),
        ("010.1234.5678과", "010.1234.5678", "PHONE"),
        ("+82-10-1234-5678", "+82-10-1234-5678", "PHONE"),
        ("(02) 123-4567은", "(02) 123-4567", "PHONE"),
        ("과장(010-1234-5678)", "010-1234-5678", "PHONE"),
        ("1588-1234입니다", "1588-1234", "PHONE"),
        ("내선 2123-4567", "2123-4567", "PHONE"),
        ("hong.gd+1@mail.example.co.kr로", "hong.gd+1@mail.example.co.kr", "EMAIL"),
        ("메일은hong@example.com입니다", "hong@example.com", "EMAIL"),
        ("kim@intranet.local", "kim@intranet.local", "EMAIL"),
        ("카드 4111-1111-1111-1111로", "4111-1111-1111-1111", "CARD"),
        ("4111111111111111입니다", "4111111111111111", "CARD"),
        ("378282246310005", "378282246310005", "CARD"),
        ("국민은행 123456-04-123456으로", "123456-04-123456", "ACCOUNT"),
        ("110-123-456789 (신한은행)", "110-123-456789", "ACCOUNT"),
        ("계좌번호: 1002123456", "1002123456", "ACCOUNT"),
        ("서울특별시 강남구 테헤란로 152, 12층(역삼동)에", "서울특별시 강남구 테헤란로 152, 12층(역삼동)", "ADDRESS"),
        ("서울 마포구 상암동 1605번지에서", "서울 마포구 상암동 1605번지", "ADDRESS"),
        ("경기도 성남시 분당구 판교역로 235번길 12로", "경기도 성남시 분당구 판교역로 235번길 12", "ADDRESS"),
        ("주소: 테헤란로 152 101동 1502호", "테헤란로 152 101동 1502호", "ADDRESS"),
        ("서울시 종로구 청진동으로", "서울시 종로구 청진동", "ADDRESS"),
    ],
)
def test_values_are_found_to_the_character(text, value, label):
    assert found(text) == [(value, label)]
    # Decomposed Hangul has other offsets and the same spans.
    decomposed = unicodedata.normalize("NFD", text)
    assert [unicodedata.normalize("NFC", surface) for surface, _ in found(decomposed)] == [
        unicodedata.normalize("NFC", value)
    ]


@needs_presidio
@pytest.mark.parametrize(
    "text",
    [
        "",
        "주문번호 20231234567890",
        "카드 4111-1111-1111-1112",
        "4111 1111-1111 1111",
        "번호 110-123-456789",
        "1234567890",
        "M12345678번 부품",
        "2023-12-10부터 2024.02.03까지",
        "1,234,567원, 3-2로, 12,345명",
        "바로 3시간 뒤 서울로 2명이 갔다",
        "제주도로 3월에 간다",
        "경기도 성남시 분당구의 인구",
        "테헤란로 152대",
        "버전 1.22.333.4444",
        "9013011-234567",
        "900101..1234567",
        "1,900101.1234567890",
        "@example hong@",
        "12900101-1234567",
    ],
)
def test_other_numbers_and_words_are_not_found(text):
    assert found(text) == []


@needs_presidio
def test_a_check_digit_raises_the_score_of_a_resident_number_and_never_vetoes():
    def score(text: str) -> float:
        [span] = find_by_rules(text, ["RRN"])
        return span.score

    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    digits = "900101123456"
    check = (11 - sum(int(digit) * weight for digit, weight in zip(digits, weights)) % 11) % 10
    valid, invalid = f"900101-123456{check}", f"900101-123456{(check + 1) % 10}"
    assert score(valid) == 1.0 and score(invalid) == pytest.approx(0.5)
    assert score(valid.replace("-", ".")) == score(valid.replace("-", "/")) == 1.0
    assert score(f"주민번호 {invalid}") > 0.8


@needs_presidio
def test_the_name_of_a_column_is_context():
    assert found("110-123-456789") == [] and found("110-123-456789", "계좌번호") == [("110-123-456789", "ACCOUNT")]
    assert found("123-45-67890", "사업자등록번호")[0][1] == "BRN"


@needs_presidio
def test_nothing_is_downloaded(monkeypatch, tmp_path, caplog):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.WARNING):
        assert found("새 주소 a.b@example.co.kr, b@example.museum") != []
    assert not caplog.records


def test_labels_of_rules_are_checked():
    assert check_rules(True) == tuple(RULE_LABELS) and check_rules(False) == check_rules(None) == ()
    assert check_rules(["PHONE", "RRN", "PHONE"]) == ("PHONE", "RRN")
    with pytest.raises(ValueError, match=r"expected rules among RRN, .*, got 'PS'"):
        check_rules(["PS"])
    with pytest.raises(TypeError, match="got 'RRN'"):
        check_rules("RRN")


def test_without_the_packages_an_error_names_the_extra(monkeypatch):
    import sys

    from kospan.masking.rules import load_rules

    load_rules.cache_clear()
    for name in ("phonenumbers", "presidio_analyzer"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "kospan.masking.recognizers", raising=False)
    with pytest.raises(ImportError, match=r"expected the packages of the extra mask.*--rules none"):
        load_rules(("PHONE",))
    assert load_rules(()) == ()
