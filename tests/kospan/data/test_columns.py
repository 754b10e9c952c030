import gzip

import pytest

from kospan.data.columns import read_conll, read_conll_iob1, read_klue_file
from kospan.data.tagged import tag_problem
from modeling.spans import Span


def write(tmp_path, text, name="a.conll"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def examples(items):
    return [item.example for item in items]


def surfaces(example):
    return [(example.text[span.start : span.end], span.label) for span in example.spans]


def test_tabs_and_blank_lines_as_in_wnut17(tmp_path):
    path = write(tmp_path, "Empire\tB-location\nState\tI-location\n=\tO\n\t\nNo\u00a0way\tO\n\n\nhere\tO\n")
    first, second, third = examples(read_conll(path))
    assert (first.id, first.text, surfaces(first)) == ("a-1", "Empire State =", [("Empire State", "location")])
    assert (second.id, second.text, second.spans) == ("a-2", "No\u00a0way", ())
    assert (third.id, third.text) == ("a-3", "here")
    assert [item.place for item in read_conll(path)] == [f"{path}:1", f"{path}:5", f"{path}:8"]


def test_spaces_docstart_and_iob1_as_in_conll2003(tmp_path):
    text = (
        "EU NNP I-NP I-ORG\nrejects VBZ I-VP O\nGerman JJ I-NP I-MISC\nBritish JJ I-NP B-MISC\n\n-DOCSTART- -X- O O\n\n"
        "Peter NNP I-NP I-PER\nBlackburn NNP I-NP I-PER\n"
    )
    path = tmp_path / "eng.train.gz"
    path.write_bytes(gzip.compress(text.encode()))
    first, second = examples(read_conll_iob1(str(path)))
    assert surfaces(first) == [("EU", "ORG"), ("German", "MISC"), ("British", "MISC")]
    assert (second.id, surfaces(second)) == ("eng.train-2", [("Peter Blackburn", "PER")])


def test_bio_reads_the_same_as_iob1(tmp_path):
    path = write(tmp_path, "a B-X\nb I-X\nc B-X\nd O\ne B-Y\n")
    assert examples(read_conll(path)) == examples(read_conll_iob1(path))


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    path = write(tmp_path, "\ufeff서울\tB-LC\r\n에\tO\r\n\r\n비\tO\r\n")
    assert [example.text for example in examples(read_conll(path))] == ["서울 에", "비"]


def test_bioes_is_detected(tmp_path):
    path = write(tmp_path, "a S-X\nb B-Y\nc I-Y\nd E-Y\ne O\n\nf B-Y\ng E-Y\n")
    first, second = examples(read_conll(path))
    assert surfaces(first) == [("a", "X"), ("b c d", "Y")]
    assert surfaces(second) == [("f g", "Y")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\tO\nb\n", 2, r"expected 2 columns as in line 1, .* got 1 column in 'b'; add what is missing"),
        ("b\n", 1, "expected a token and its tag, parted by a tab or spaces, got 1 column in"),
        ("a NN I-NP O\nb NN I-NP\n", 2, "expected 4 columns as in line 1, .* got 3 columns"),
        ("\tO\n", 1, "expected a token in the first column"),
        ("a O\nb I-PS\n", 2, "expected 'I-PS' to follow B-PS or I-PS, got it after 'O'; .*conll_iob1"),
        ("a O\n\nb I-PS\n", 3, "got it after the start of the sentence"),
        ("a B-PS\nb I-LC\n", 2, "got it after 'B-PS'"),
        ("a PS-B\n", 1, "expected a tag like B-PS or O, got 'PS-B'; write the prefix first: B-PS"),
        ("a O\nb X\n", 2, "got 'X'; tags are O, B-TYPE and I-TYPE"),
        ("a\t\n", 1, "got ''"),
        ("a U-PS\n", 1, "rewrite the scheme as BIOES"),
        ("a B_PS\n", 1, "write B-PS"),
        ("a S-X\nb B-X\nc O\n", 3, "because the data holds 'S-X', got 'O' after 'B-X', which cannot follow"),
        ("a S-X\nb B-X\n", 2, "expected whole BIOES spans"),
        ("a E-X\n", 1, "after the start of the sentence"),
    ],
)
def test_bad_columns_name_file_and_line(tmp_path, text, line, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        list(read_conll(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_bioes_under_the_name_of_iob1_is_refused(tmp_path):
    path = write(tmp_path, "a I-X\n\nb S-X\n")
    with pytest.raises(ValueError, match=r":3: expected IOB1 tags .* got 'S-X'; the file is BIOES: read it as conll"):
        list(read_conll_iob1(path))


KLUE = (
    "## 토큰, 레이블 구분자 : \\t\n## 컬럼명 : CHAR\tNE_TAG\n"
    "## klue-ner-v1_dev_00001-wikitree\t<김 연아:PS>다\n김\tB-PS\n \tI-PS\n연\tI-PS\n아\tI-PS\n다\tO\n\n"
    "## klue-ner-v1_dev_00002-nsmc\t# 굿\n#\tO\n \tO\n굿\tO\n\n"
)


def test_klue_keeps_spaces_ids_and_sources(tmp_path):
    first, second = examples(read_klue_file(write(tmp_path, KLUE, "klue.tsv")))
    assert (first.id, first.source) == ("klue-ner-v1_dev_00001-wikitree", "wikitree")
    assert (first.text, first.spans) == ("김 연아다", (Span(0, 4, "PS"),))
    assert (second.text, second.source, second.spans) == ("# 굿", "nsmc", ())
    without_ids = "\n".join(line for line in KLUE.split("\n") if not line.startswith("## "))
    assert [example.id for example in examples(read_klue_file(write(tmp_path, without_ids, "b.tsv")))] == ["b-1", "b-2"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("## a-b\t김\n김\n", 2, "expected `character<TAB>tag`, got '김'"),
        ("## a-b\t김\n\tO\n", 2, "expected `character<TAB>tag`"),
        ("## a-b\t김\n김\tI-PS\n", 2, "write B-PS where the span begins"),
        ("## a-b\t김\n김\tPS\n", 2, "expected a tag like B-PS or O, got 'PS'"),
    ],
)
def test_bad_klue_lines(tmp_path, text, line, message):
    path = write(tmp_path, text, "klue.tsv")
    with pytest.raises(ValueError, match=message) as caught:
        list(read_klue_file(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_tag_forms():
    assert [tag for tag in ("O", "B-PS", "I-a-b", "S-날짜", "E-x") if tag_problem(tag)] == []
    assert all(tag_problem(tag) for tag in ("", "o", "B-", "b-PS", "PS", "0", "B PS"))
