"""Aliases: consistent, reversible, stored privately."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan.masking.aliases import AliasTable


def test_numbers_count_by_name_and_a_surface_has_one_alias():
    table = AliasTable()
    found = [table.alias(*pair) for pair in (("가", "PS"), ("나", "PS"), ("다", "LC"), ("가", "PS"), ("가", "LC"))]
    assert found == ["[PS_1]", "[PS_2]", "[LC_1]", "[PS_1]", "[PS_1]"] and len(table) == 3


def test_labels_with_white_space_and_brackets_have_aliases_that_are_read_again(tmp_path):
    table = AliasTable()
    pairs = [
        ("가", "phone number"),
        ("나", "phone_number"),
        ("다", "phone[number]"),
        ("라", "[x]"),
        ("마", "phone\nnumber"),
    ]
    found = [table.alias(*pair) for pair in pairs]
    assert found == ["[phone_number_1]", "[phone_number_2]", "[phone_number__1]", "[_x__1]", "[phone_number_3]"]
    assert table.unmask(" ".join(found)) == "가 나 다 라 마"
    table.save(tmp_path / "a.json")
    assert AliasTable.load(tmp_path / "a.json").surfaces == table.surfaces


def test_unknown_aliases_are_kept_and_surfaces_are_not_read_again():
    table = AliasTable()
    table.alias("[PS_2]", "PS")
    table.alias("민수", "PS")
    assert table.unmask("[PS_1] [PS_2] [PS_3] [PS_2") == "[PS_2] 민수 [PS_3] [PS_2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[PS_1]은 간다", "민수는 간다"),
        ("[PS_2]를", "하린을"),
        ("[PS_1]과 [PS_2]가", "민수와 하린이"),
        ("[PS_1]에서", "민수에서"),
    ],
)
def test_particles_agree_with_the_surface(text, expected):
    table = AliasTable()
    table.alias("민수", "PS")
    table.alias("하린", "PS")
    assert table.unmask(text) == expected
    assert table.unmask("[PS_1]은", particles=False) == "민수은"


def test_a_saved_table_is_private_and_continues(tmp_path):
    table = AliasTable()
    for surface in ("민수", "서울\n시", '따옴표"', "\ud800"):
        table.alias(surface, "PS")
    table.save(tmp_path / "a.json")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600
    again = AliasTable.load(tmp_path / "a.json")
    assert again.surfaces == table.surfaces
    assert again.alias("민수", "PS") == "[PS_1]" and again.alias("새 이름", "PS") == "[PS_5]"


def test_missing_files(tmp_path):
    assert len(AliasTable.load(tmp_path / "a.json", missing=True)) == 0
    with pytest.raises(FileNotFoundError, match="expected the alias file at"):
        AliasTable.load(tmp_path / "a.json")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 5000,
        "9" * 5000,
        "{}",
        '{"version": 2, "aliases": {}}',
        '{"version": 1, "aliases": []}',
        '{"version": 1, "aliases": {"PS_1": "가"}}',
        '{"version": 1, "aliases": {"[PS_1]": 3}}',
        '{"version": 1, "aliases": {"[PS_1]": "가", "[PS_2]": "가"}}',
    ],
)
def test_other_contents_are_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ValueError, match=r"a\.json: expected an alias file of `kospan mask`, got other content"):
        AliasTable.load(path)


@given(
    st.lists(st.text(min_size=1), unique=True),
    st.sampled_from(["PS", "인물", "DRIVER_LICENSE", "phone number", "[a] b", "", "\u3000"]),
)
def test_each_alias_stands_for_its_surface(surfaces, name):
    table = AliasTable()
    for surface in surfaces:
        assert table.unmask(table.alias(surface, name)) == surface
