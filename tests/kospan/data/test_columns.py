import gzip

import pytest

from kospan.data.columns import read_conll, read_conll_documents, read_conll_iob1, read_klue_file
from kospan.data.records import ReadOptions, ReadSession
from kospan.data.tagged import tag_problem
from kospan.modeling.spans import Span


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
    assert (first.words, second.words) == (("Empire", "State", "="), ("No\u00a0way",))
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
    assert first.document == ["EU", "rejects", "German", "British"]
    whole, other = examples(read_conll_documents(str(path)))
    assert (whole, other.document) == (first, ["Peter", "Blackburn"])
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


# --- which columns ----------------------------------------------------------------------------------------------------


def chosen(path, **options):
    return examples(read_conll(path, ReadSession(ReadOptions(**options))))


IDS = "1\t한별\tN\tB-PS\n2\t간다\tV\tO\n\n1\t비\tN\tO\n"


@pytest.mark.parametrize(
    "text",
    [
        IDS,
        IDS.replace("\t", " "),
        "0\t한별\tB-PS\n1\t간다\tO\n\n0\t비\tO\n1\t다\tO\n",
        "1\t한별\tB-PS\n2\t간다\tO\n\n3\t비\tO\n4\t다\tO\n",
        "1-1\t한별\tB-PS\n1-2\t간다\tO\n\n2-1\t비\tO\n2-2\t다\tO\n",
        "w1\t한별\tB-PS\nw2\t간다\tO\n",
        "a\t한별\tB-PS\na\t간다\tO\n\nb\t비\tO\nb\t다\tO\n",
        "1-2\t한별간다\t_\n1\t한별\tB-PS\n2\t간다\tO\n2.1\t_\t_\n",
        "-DOCSTART-\t-\tO\n\n1\t한별\tB-PS\n2\t간다\tO\n",
        "1.\t한별\tB-PS\n2.\t간다\tO\n",
        "(1)\t한별\tB-PS\n(2)\t간다\tO\n",
        "①\t한별\tB-PS\n②\t간다\tO\n",
        "１\t한별\tB-PS\n２\t간다\tO\n",
        "10\t한별\tB-PS\n20\t간다\tO\n\n10\t비\tO\n20\t온다\tO\n30\t또\tO\n\n10\t눈\tO\n",
        "1\t한별\tB-PS\n3\t간다\tO\n\n2\t비\tO\n5\t온다\tO\n",
        "0\t한별\tB-PS\n4\t간다\tO\n\n0\t비\tO\n2\t온다\tO\n",
        "0-2\t한별\tB-PS\n4-6\t간다\tO\n\n0-1\t비\tO\n2-4\t온다\tO\n",
        "0.00\t한별\tB-PS\n1.25\t간다\tO\n\n2.50\t비\tO\n3.75\t온다\tO\n",
    ],
)
@pytest.mark.filterwarnings("ignore:.*which are not words")
def test_a_column_of_ids_is_no_column_of_tokens(tmp_path, text):
    path = write(tmp_path, text)
    for read in (read_conll, read_conll_iob1, read_conll_documents):
        with pytest.raises(ValueError, match=r"expected tokens in the first column, got ids .*pass --token_column 1 "):
            list(read(path))
    first = chosen(path, token_column="1")[0]
    assert (first.text, surfaces(first)) == ("한별 간다", [("한별", "PS")])


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("1 B-QT\n월 O\n\n1 O\n2 O\n", ["1 월", "1 2"]),
        ("1 B-QT\n\n1 O\n", ["1", "1"]),
        ("2 B-QT\n3 O\n", ["2 3"]),
        ("하 B-X\n하 O\n", ["하 하"]),
        ("1 B-QT\n3 O\n", ["1 3"]),
        ("1990-2000 B-DT\n2001 O\n", ["1990-2000 2001"]),
        ("10 B-QT\n월 O\n\n10 O\n20 O\n\n1 O\n5 O\n", ["10 월", "10 20", "1 5"]),
        ("5 O\n2 O\n\n3 O\n9 O\n\n4 O\n7 O\n", ["5 2", "3 9", "4 7"]),
        ("1. B-X\n3. O\n", ["1. 3."]),
    ],
)
def test_numbers_may_be_tokens(tmp_path, text, texts):
    assert [example.text for example in chosen(write(tmp_path, text))] == texts


@pytest.mark.parametrize(
    "text",
    [
        "1-1\t0-3\tKim\tB-PER\n1-2\t4-8\tleft\tO\n\n2-1\t9-12\tLee\tB-PER\n",
        "s1\t1\tKim\tB-PER\ns1\t2\tleft\tO\n\ns2\t1\tLee\tB-PER\ns2\t2\tcame\tO\n",
        "1\t7\tKim\tB-PER\n2\t3\tleft\tO\n\n1\t7\tLee\tB-PER\n",
    ],
)
def test_advice_skips_columns_of_ids_and_offsets(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(
        ValueError, match=r"in the first column, got ids .*pass --token_column 2 .* or --token_column 0"
    ):
        chosen(path)
    with pytest.raises(ValueError, match=r":1: expected tokens in column 1, got ids .*; pass --token_column 2 \("):
        chosen(path, token_column="1")
    assert chosen(path, token_column="2")[0].text == "Kim left"
    # The message offers the first column.
    assert chosen(path, token_column="0")[0].text != "Kim left"


def test_webanno_is_named(tmp_path):
    path = write(tmp_path, "#FORMAT=WebAnno TSV 3.3\n#T_SP=x|value\n\n#Text=Kim left\n1-1\t0-3\tKim\tPER\n")
    for read in (read_conll, read_conll_iob1):
        with pytest.raises(ValueError, match=r":1: expected .*, got WebAnno TSV; export the project as CoNLL 2002"):
            list(read(path))
    assert chosen(write(tmp_path, "#FORMAT=WebAnno\tB-X\n나\tO\n"))[0].text == "#FORMAT=WebAnno 나"


def test_two_columns_of_which_one_counts(tmp_path):
    path = write(tmp_path, "1 B-X\n2 O\n")
    with pytest.raises(ValueError, match="pass --token_column 0 if the ids are the tokens"):
        list(read_conll(path))
    assert chosen(path, token_column="0")[0].text == "1 2"


PLUS = (
    "# global.columns = ID FORM UPOS NER MISC\n# sent_id = a\n# text = 대전에 갔다\n1-2\t대전에\t_\t_\t_\n"
    "1\t대전\tN\tB-LC\t_\n2\t에\tP\tO\t_\n3\t갔다\tV\tO\t_\n3.1\t_\t_\t_\t_\n\n# sent_id = b\n1\t#꽃\tN\tO\t_\n"
)


@pytest.mark.parametrize(
    "options",
    [
        {"tag_column": "NER"},
        {"tag_column": "ner", "token_column": "form"},
        {"tag_column": "3"},
        {"tag_column": "-2", "token_column": "-4"},
    ],
)
def test_columns_by_number_and_by_name(tmp_path, options):
    path = write(tmp_path, PLUS, "a.conllup")
    with pytest.warns(UserWarning, match="skipped 1 multi-word tokens and 1 empty nodes, which are not words"):
        first, second = chosen(path, **options)
    assert (first.id, first.text, surfaces(first)) == ("a-1", "대전 에 갔다", [("대전", "LC")])
    assert second.text == "#꽃"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token_column": "5"}, "expected token_column to be one of the 5 columns of line 4, 0 to 4 or negative from"),
        ({"tag_column": "-6"}, "expected tag_column to be one of the 5 columns of line 4, .* got -6"),
        ({"tag_column": "LEMMA"}, "got 'LEMMA'; the file names ID, FORM, UPOS, NER, MISC"),
        ({"tag_column": "1"}, "expected tokens and tags in two columns, got 1 for both"),
        ({}, "got '_'; .*; column 3 holds tags: pass --tag_column 3"),
    ],
)
def test_columns_that_are_not_there(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        chosen(write(tmp_path, PLUS), **options)


def test_names_need_a_line_that_names_them(tmp_path):
    with pytest.raises(ValueError, match=r"got 'NER'; the file has no line `# global\.columns = \.\.\.`"):
        chosen(write(tmp_path, "가\tO\n"), tag_column="NER")
    with pytest.raises(ValueError, match=r"got 'ner'; .*; if the line is a header, remove it"):
        chosen(write(tmp_path, "word\tner\n가\tB-X\n나\tO\n"))


def test_a_tag_on_a_multi_word_token(tmp_path):
    path = write(tmp_path, PLUS.replace("대전에\t_\t_", "대전에\t_\tB-LC"))
    with pytest.raises(ValueError, match=r":4: expected tags on words, got 'B-LC' on '1-2', one of the multi-word"):
        chosen(path, tag_column="NER")


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        # A token with its tag is none, wherever it stands.
        ("#꽃\tB-X\n#봄\tO\n", ["#꽃 #봄"]),
        ("# a comment\n가\tO\n\n# one\n# more\n#꽃\tO\n", ["가", "#꽃"]),
        ("#comment\n가 O\n\n#꽃 O\n", ["가", "#꽃"]),
        ("# O\n가 O\n", ["# 가"]),
        ("#\n가\tO\n", ["가"]),
    ],
)
def test_comments(tmp_path, text, texts):
    assert [example.text for example in examples(read_conll(write(tmp_path, text)))] == texts


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# id 1\n가 O\n나 O\n", 1),
        ("가\tO\n# inside\n나\tO\n", 2),
        ("가 O\n#inside\n나 O\n", 2),
        ("가\tN\tO\n\n#꽃\tO\n", 3),
    ],
)
def test_lines_that_may_be_comments_get_their_own_advice(tmp_path, text, line):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match="if it is a comment, remove it: one is skipped only before") as caught:
        list(read_conll(path))
    assert str(caught.value).startswith(f"{path}:{line}: expected ") and "add what is missing" not in str(caught.value)


def test_one_label_has_one_spelling(tmp_path):
    composed, apart = "B-한", "I-\u1112\u1161\u11ab"
    path = write(tmp_path, f"가\t{composed}\n나\t{apart}\n다\t{composed}\u00a0\n라\tB- 한\n")
    (example,) = examples(read_conll(path))
    assert surfaces(example) == [("가 나", "한"), ("다", "한"), ("라", "한")]
