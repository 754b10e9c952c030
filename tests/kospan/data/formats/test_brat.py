import sys

import pytest
from format_cases import surfaces

from kospan.data.formats.brat import read_brat, write_brat
from kospan.example import Example
from kospan.modeling.spans import Span


def write_pair(tmp_path, text, annotations, name="a", suffix=".ann"):
    (tmp_path / f"{name}.txt").write_bytes(text.encode())
    (tmp_path / f"{name}{suffix}").write_bytes(annotations.encode())
    return tmp_path


def test_counts_both_characters_of_crlf(tmp_path):
    folder = write_pair(tmp_path, "😀 비\r\n대구에\r\n", "T1\tLC 5 7\t대구\r\n")
    assert read_brat(folder) == [Example("a", "😀 비\r\n대구에\r\n", (Span(5, 7, "LC"),))]
    assert read_brat(folder / "a.ann") == read_brat(folder / "a.txt") == read_brat(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_in_another_encoding(tmp_path):
    write_pair(tmp_path, "서울", "T1\tLC 0 2\t서울\n", name="\udcb0\udca1")
    assert read_brat(tmp_path) == [Example("\ufffd\ufffd", "서울", (Span(0, 2, "LC"),))]


def test_other_counts_are_known_by_their_surfaces(tmp_path):
    # brat itself has read CRLF as one character, and has run on interpreters that count UTF-16.
    write_pair(tmp_path, "비가\r\n오는\r\n대구", "T1\tLC 6 8\t대구\nT2\tW 3 5\t오는\n", "crlf")
    write_pair(tmp_path, "😀 대구 😀 부산", "T1\tLC 3 5\t대구\nT2\tLC 9 11\t부산\n", "utf16")
    assert surfaces(read_brat(tmp_path)) == [["오는", "대구"], ["대구", "부산"]]
    write_pair(tmp_path, "😀 ㅠㅠㅠㅠ", "T1\tX 3 5\tㅠㅠ\n", "utf16")
    with pytest.raises(ValueError, match=r"utf16\.ann: expected offsets with one possible meaning"):
        read_brat(tmp_path)
    assert read_brat(tmp_path / "utf16.txt", ["utf16"])[0].spans == (Span(2, 4, "X"),)


def test_other_lines_are_counted_and_missing_ann_is_unlabelled(tmp_path):
    lines = "T1\tPS 0 1\t가\r\nT2\tPS 2 3\t나\r\nR1\tkin Arg1:T1 Arg2:T2\r\nE1\tMeet:T1\n"
    lines += "A1\tFact T1\nM1\tNegation T1\nN1\tReference T1 Wiki:1\t가\n#1\tNote T1\tx\n*\tEquiv T1 T2\n\r\n"
    write_pair(tmp_path, "가 나", lines)
    (tmp_path / "b.txt").write_text("다", encoding="utf-8")
    with pytest.warns(UserWarning, match="2 attributes, 1 equivalences, 1 events, 1 links, 1 notes, 1 relations"):
        first, second = read_brat(tmp_path)
    assert (len(first.spans), second.spans) == (2, None)


def test_files_of_the_shared_tasks(tmp_path):
    write_pair(tmp_path, "가 나", "T1\tPS 0 1\t가\n", suffix=".a1")
    (tmp_path / "a.a2").write_text("T2\tPS 2 3\t나\n", encoding="utf-8")
    assert surfaces(read_brat(tmp_path)) == [["가", "나"]]
    (tmp_path / "a.ann").write_text("T1\tPS 0 1\t가\n", encoding="utf-8")
    assert surfaces(read_brat(tmp_path)) == [["가"]]


@pytest.mark.parametrize(
    ("text", "line", "surface"),
    [
        ("국립\n중앙 도서관", "T1\tOG 0 2;3 9\t국립 중앙 도서관", "국립\n중앙 도서관"),
        ("국립\n    중앙", "T1\tOG 0 2;7 9\t국립 중앙", "국립\n    중앙"),
        # Older versions begin the second fragment at the line's beginning.
        ("국립\n    중앙", "T1\tOG 0 2;3 9\t국립     중앙", "국립\n    중앙"),
        ("국립 \r\n\r\n\t중앙\r\n관", "T1\tOG 0 2;8 10;12 13\t국립 중앙 관\r", "국립 \r\n\r\n\t중앙\r\n관"),
        ("국립\t중앙", "T1\tOG 0 2;3 5\t국립 중앙", "국립\t중앙"),
        ("국립\u3000중앙", "T1\tOG 0 5\t국립 중앙", "국립\u3000중앙"),
    ],
)
def test_fragments_that_only_a_line_end_parts_are_one_span(tmp_path, text, line, surface):
    assert surfaces(read_brat(write_pair(tmp_path, text, line + "\n"))) == [[surface]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "T1\tOG 0 1;3 4\t가 라",
            "got the discontinuous '0 1;3 4', which skips '나 '; a span has one start and one end",
        ),
        ("T1\tOG 0 2;3 4\t가나 라", "got the discontinuous '0 2;3 4', which skips ' '"),
        ("T1\tOG 0 1;6 7\t가 바", "which skips '나 라\\n마'"),
        ("T1\tOG 0 1\t나", "expected the surface '나' at 0..1, got '가'"),
        ("T1\tOG 3 9\t라", "expected 0 <= start < end <= 7"),
        ("T1\tOG 0 1", "expected `T1<TAB>TYPE start end<TAB>surface`"),
        ("T1\tOG zero 1\t가", "expected `T1<TAB>TYPE start end<TAB>surface`"),
        ("?", "expected a line of brat's"),
    ],
)
def test_bad_lines(tmp_path, line, message):
    write_pair(tmp_path, "가나 라\n마바", f"T9\tOG 0 2\t가나\n{line}\n")
    with pytest.raises(ValueError) as caught:
        read_brat(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.ann'}:2: ")


def test_writes_a_new_folder_or_nothing(tmp_path):
    target = tmp_path / "out"
    for bad, kind in [
        ([Example("a", "가", (Span(0, 1, "사 람"),))], "expected a type without white space"),
        ([Example("a", "가", ()), Example("A", "나", ())], "expected ids that differ as file names"),
        ([Example("", "가", ())], "expected every example to have an id"),
    ]:
        with pytest.raises(ValueError, match=kind):
            write_brat(target, bad)
        assert list(tmp_path.iterdir()) == []
    write_brat(target, [Example("../a/b", "😀가\n나", (Span(1, 4, "PS"),))], "utf16")
    assert sorted(path.name for path in target.iterdir()) == ["%2E.%2Fa%2Fb.ann", "%2E.%2Fa%2Fb.txt"]
    assert next(target.glob("*.ann")).read_text(encoding="utf-8") == "T1\tPS 2 3;4 5\t가 나\n"
    with pytest.raises(FileExistsError, match="expected a new or empty folder"):
        write_brat(target, [])


def test_missing_texts(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected \.txt files"):
        read_brat(tmp_path)
    (tmp_path / "a.ann").write_text("", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"a\.txt"):
        read_brat(tmp_path / "a.ann")
    (tmp_path / "b.txt").write_text("", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"a\.ann: expected its text beside it, a\.txt"):
        read_brat(tmp_path)
