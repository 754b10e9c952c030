"""The sentences that ko-ner is trained on, cut from the file of KLUE."""

import pytest

from packages.kospan_ko import select_sentences
from packages.kospan_ko.select_sentences import HERE, select, selected_numbers
from packages.kospan_ko.sources import FILES

HEAD = "## 문장 구분자 : \\n\\n\n## 컬럼명\n"
TEXT = HEAD + "".join(f"## klue-ner-v1_dev_{n:05}-nsmc\t문장 {n}\n가\tO\n## \tO\n\n" for n in range(6))


def test_selected_sentences_keep_their_bytes_and_order():
    found = select(TEXT, {0, 2, 5})
    assert found.startswith(HEAD) and found.count("dev_") == 3
    assert select(found, {0, 2, 5}) == found and select(TEXT, set(range(6))) == TEXT


@pytest.mark.parametrize("text", [TEXT, "", "other"])
def test_missing_sentences_are_named(text):
    with pytest.raises(ValueError, match=r"without \d of them \(first: 0000\d\); take klue-ner-v1.1_dev\.tsv"):
        select(text, {0, 9} if text == TEXT else {0})


def test_numbers_of_the_shipped_list():
    numbers = selected_numbers((HERE / "sentences.txt").read_text(encoding="utf-8"))
    assert len(numbers) == 4000 and max(numbers) < 5000
    assert FILES["klue-ner-v1.1_dev_4000.tsv"].sha256 == select_sentences.SHA256


def test_command_says_whether_the_file_is_the_shipped_one(tmp_path, capsys, monkeypatch):
    (tmp_path / "in.tsv").write_bytes(TEXT.encode())
    monkeypatch.setattr(select_sentences, "HERE", tmp_path)
    (tmp_path / "sentences.txt").write_text("1-2 4\n", encoding="utf-8")
    words = [str(tmp_path / "in.tsv"), str(tmp_path / "out.tsv")]
    select_sentences.main(words)
    assert "not the file" in capsys.readouterr().out
    digest = select_sentences.hashlib.sha256((tmp_path / "out.tsv").read_bytes()).hexdigest()
    monkeypatch.setattr(select_sentences, "SHA256", digest)
    select_sentences.main(words)
    assert "out.tsv: the file that ko-ner" in capsys.readouterr().out
