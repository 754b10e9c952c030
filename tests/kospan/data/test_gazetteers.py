"""The packaged gazetteers: size, form of the entries, files, and labels."""

import unicodedata
from pathlib import Path

import pytest

from kospan.data.gazetteers import LABELS, gazetteer, has_gazetteer, sections
from kospan.data.gazetteers import __file__ as module

# The first and hundredth given name and their number.
GIVEN = ("민준", "동철", 517)
TEXTS = {label: Path(module).with_suffix("").joinpath(f"{label}.txt").read_text(encoding="utf-8") for label in LABELS}


def test_there_are_at_least_20_000_distinct_names():
    everything = {label: gazetteer(label) for label in LABELS}
    assert len(set().union(*everything.values())) >= 20_000
    assert all(len(names) >= 5_000 for names in everything.values())
    assert all(len(names) == len(set(names)) for names in everything.values())


@pytest.mark.parametrize("label", LABELS)
def test_entries_are_names(label):
    for section in sections(label):
        assert section.entries and section.weight >= 1 and not section.name.startswith("_")
        for entry in section.entries:
            assert entry == " ".join(unicodedata.normalize("NFC", entry).split()) and entry, entry
            assert not set(entry) & set("{}[]=,#\n"), entry
            assert any(character.isalnum() for character in entry)


@pytest.mark.parametrize("label", LABELS)
def test_a_file_says_its_licence_and_repeats_no_section(label):
    head = TEXTS[label].split("[")[0]
    assert "Licence: Apache-2.0" in head and "written for the project" in head
    names = [line[1:-1].split()[0] for line in TEXTS[label].splitlines() if line.startswith("[")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("PS", "세종대왕 이순신 홍길동 셜록 홈스"),
        ("LC", "서울특별시 서귀포시 전남 신안군 역삼동 조치원읍 대관령면 독도 강남역 마다가스카르 샌프란시스코"),
        (
            "OG",
            "국세청 대법원 서울대학교 강남경찰서 신안군청 삼성전자 한국은행 두산 베어스 더불어민주당 연합뉴스 유네스코",
        ),
    ],
)
def test_well_known_names(label, names):
    found = set(gazetteer(label))
    words = names.split()
    assert all(word in found or any(f"{a} {b}" in found for a, b in zip(words, words[1:])) for word in words)


def test_full_names_are_combined_and_no_syllable_is_doubled():
    lines = TEXTS["PS"].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("[full_names"))
    for line in lines[start + 1 : lines.index("", start)]:
        assert line.startswith("= {_"), "only templates: no list of persons"
    names = next(each for each in sections("PS") if each.name == "full_names").entries
    assert all(2 <= len(name) <= 5 for name in names)
    assert not any(name[-1] == name[-2] for name in names if len(name) == 3)


def test_components_are_no_entries():
    assert "을지로" not in gazetteer("LC") or "을지로동" in gazetteer("LC")
    assert "시립도서관" not in gazetteer("LC") and "고등학교" not in gazetteer("OG")
    assert not any(entry.endswith(("면면", "읍읍", "구구", "군군")) for entry in gazetteer("LC"))


def test_the_selection_is_always_the_same():
    """A template with a count draws with a fixed seed: these entries are part of training with a seed."""
    names = next(each for each in sections("PS") if each.name == "given_names").entries
    assert names == next(each for each in sections("PER") if each.name == "given_names").entries
    assert (names[0], names[99], len(names)) == GIVEN


def test_other_names_of_the_labels_and_unknown_ones():
    assert gazetteer("PER") == gazetteer("person") == gazetteer("PS")
    assert has_gazetteer("ORG") and not has_gazetteer("DT")
    with pytest.raises(ValueError, match=r"expected a label with a gazetteer \(PS, PER, .*\), got 'DT'; rename it"):
        gazetteer("DT")
