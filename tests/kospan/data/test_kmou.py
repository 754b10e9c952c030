import io
import tarfile

import pytest

from kospan.data.kmou import marked_spans, read_kmou
from kospan.modeling.spans import Span

ONE = (
    "## 1\n## 나쓰메(1867~1916)\n## <나쓰메:PER>(<1867~1916:DUR>)\n나쓰메\t나쓰메\tNNP\tB-PER\n(\t(\tSS\tO\n\n"
    "## 2\n## 양측\n## <양:NOH>측\n양측\t양측\tNNG\tO\n\n"
)
TWO = "\ufeff## 1\n## <2> 비\n## <<2>:NOH> 비\n<\t<\tSS\tB-NOH\n\n"


def folder(tmp_path):
    for name, text in {"00002_NER.txt": ONE, "EXOBRAIN_NE_CORPUS_002.txt": TWO}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_folder_archive_and_file_read_the_same(tmp_path):
    found = [item.example for item in read_kmou(str(folder(tmp_path)))]
    assert [example.id for example in found] == ["00002_NER-1", "00002_NER-2", "EXOBRAIN_NE_CORPUS_002-1"]
    assert found[0].spans == (Span(0, 3, "PER"), Span(4, 13, "DUR"))
    # The morphemes cannot hold it, the marks do.
    assert found[1].spans == (Span(0, 1, "NOH"),)
    assert (found[2].text, found[2].spans, found[2].source) == ("<2> 비", (Span(0, 3, "NOH"),), "exobrain")
    archive = tmp_path / "corpus.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in {"말뭉치/EXOBRAIN_NE_CORPUS_002.txt": TWO, "말뭉치/00002_NER.txt": ONE}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    assert [item.example for item in read_kmou(str(archive))] == found
    assert [item.example for item in read_kmou(str(tmp_path / "00002_NER.txt"))] == found[:2]


@pytest.mark.parametrize(
    ("text", "marked", "spans"),
    [
        ("a<b", "a<b", ()),
        ("a<b", "<a<b:X>", (Span(0, 3, "X"),)),
        ("a<b", "a<<b:X>", (Span(2, 3, "X"),)),
        ("<서울>", "<<서울:LOC>>", (Span(1, 3, "LOC"),)),
        ("<2> 비", "<<2>:NOH> 비", (Span(0, 3, "NOH"),)),
        ("3:2 승", "<3:2:NOH> 승", (Span(0, 3, "NOH"),)),
        ("가나", "<가:A><나:B>", (Span(0, 1, "A"), Span(1, 2, "B"))),
        ("가나", "<가:A>다", None),
        ("가나", "가<나:B", None),
        ("가나", "가나<:B>", None),
    ],
)
def test_marks(text, marked, spans):
    assert marked_spans(text, marked) == spans


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## 1\n## 가\n가\t가\tNNG\tO\n\n", ":1: expected three lines that start with `## `"),
        (
            "## 1\n## 가\n## <나:PER>\n가\t가\tNNG\tO\n\n",
            ":1: expected the marked text to be the text plus <entity:TYPE>",
        ),
    ],
)
def test_bad_sentences(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        list(read_kmou(str(tmp_path)))


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected KMOU's corpus"):
        list(read_kmou(str(tmp_path / "corpus.tar.gz")))
    with pytest.raises(ValueError, match=r"expected \.txt files in the folder"):
        list(read_kmou(str(tmp_path)))
    (tmp_path / "corpus.tar.gz").write_bytes(b"none")
    with pytest.raises(ValueError, match="expected a whole gzip file"):
        list(read_kmou(str(tmp_path / "corpus.tar.gz")))
