import zipfile

import pytest

from kospan.data.gmb import read_gmb

CSV = (
    'Sentence #,Word,POS,Tag\r\nSentence: 1,Café,NNS,B-org\r\n,5\u00a0storm,NN,I-org\r\n,"""",``,O\r\n'
    'Sentence: 2,"1,000",CD,O\r\n'
)


def test_cp1252_in_a_zip_and_utf8_plain(tmp_path):
    with zipfile.ZipFile(tmp_path / "ner.csv.zip", "w") as archive:
        archive.writestr("ner.csv", CSV.encode("cp1252"))
        archive.writestr("__MACOSX/ner.csv", "")
    (tmp_path / "ner.csv").write_text(CSV, encoding="utf-8", newline="")
    for name in ("ner.csv.zip", "ner.csv"):
        first, second = (item.example for item in read_gmb(str(tmp_path / name)))
        assert (first.id, first.text) == ("ner-1", 'Café 5\u00a0storm "')
        assert [first.text[span.start : span.end] for span in first.spans] == ["Café 5\u00a0storm"]
        assert (second.id, second.text, second.spans) == ("ner-2", "1,000", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Sentence #,Word,POS\r\n",
            r":1: expected a heading with the columns .*, got \['Sentence #', 'Word', 'POS'\]; add Tag",
        ),
        ("", "got an empty file; add Sentence #, Word, Tag"),
        ("Sentence #,Word,POS,Tag\r\n,a,NN,O\r\n", ":2: expected the first row to name its sentence"),
        ("Sentence #,Word,POS,Tag\r\nSentence: 1,a,NN\r\n", ":2: expected a word and its tag, got 'a' and None"),
        ("Sentence #,Word,POS,Tag\r\nSentence: 1,a,NN,O\r\n,b,NN,I-per\r\n", ":3: expected 'I-per' to follow"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=message):
        list(read_gmb(str(path)))


def test_zip_without_one_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "")
    with pytest.raises(ValueError, match=r"expected a zip with one \.csv, got none"):
        list(read_gmb(str(tmp_path / "a.zip")))
