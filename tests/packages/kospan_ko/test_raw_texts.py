"""The two files of raw text, made from small files in the formats of the four repositories."""

import hashlib
import json
import lzma
import unicodedata

import pytest

from packages.kospan_ko import raw_texts
from packages.kospan_ko.raw_texts import KLUE_NER, REVIEWS, SENTENCES, folded, selected
from packages.kospan_ko.sources import FILES, File

NER = "## klue-ner-v1_dev_00000-nsmc\t<서울:LC>에서 본 영화\n" + "".join(
    f"{character}\t{tag}\n" for character, tag in zip("서울에서 본 영화", ["B-LC", "I-LC", *"OOOOOOO"])
)
STS = "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\n"


def nli(*pairs: tuple[str, str], keys=("premise", "hypothesis")) -> str:
    return json.dumps([{"guid": "x", **dict(zip(keys, pair))} for pair in pairs], ensure_ascii=False)


# Text of each file; those of a repository are numbered in the order of its files.
FOUND = {
    KLUE_NER: NER + "\n",
    "klue/klue_benchmark/klue-nli-v1.1/klue-nli-v1.1_dev.json": nli(
        ("첫 번째 문장입니다.", "두 번째  문장입니다."), ("첫 번째 문장입니다.", "세 번째 문장입니다.")
    ),
    "klue/klue_benchmark/klue-sts-v1.1/klue-sts-v1.1_dev.json": nli(
        ("네 번째 문장입니다.", "서울에서 본 영화"), keys=("sentence1", "sentence2")
    ),
    "klue/klue_benchmark/klue-dp-v1.1/klue-dp-v1.1_dev.tsv": (
        "## 주석 : ##\n## klue-dp-v1_dev_00000_wikitree\t다섯 번째\t문장입니다.\n1\t다섯\t다섯\tNR\t2\tNP\n"
    ),
    "kornlu/KorNLI/xnli.dev.ko.tsv": 'sentence1\tsentence2\tgold_label\n"여섯 번째 문장\t일곱 번째 문장\tneutral\n',
    "kornlu/KorNLI/xnli.test.ko.tsv": "sentence1\tsentence2\tgold_label\n여덟 번째 문장\t일곱자입니다.\tneutral\n",
    "kornlu/KorSTS/sts-train.tsv": STS + "m\tf\t2012\t1\t5.0\t아홉 번째 문장\t열 번째 문장이다\n",
    "kornlu/KorSTS/sts-dev.tsv": STS + "m\tf\t2012\t1\t5.0\t열한 번째 문장\t아홉 번째 문장\n",
    "kornlu/KorSTS/sts-test.tsv": STS + "m\tf\t2012\t1\t5.0\t열두 번째 문장\t열세 번째 문장\n",
    "ud_kaist/ko_kaist-ud-dev.conllu": "# sent_id = 1\n# text = 열네 = 번째 문장\n# translit = .yeol\n1\t열네\n\n",
    "ud_kaist/ko_kaist-ud-test.conllu": "# text = 열다섯 번째 문장\n",
    f"{REVIEWS}/10.json": nli(("나중 감상입니다",), ("서울에서 본  영화",), keys=("review",)),
    f"{REVIEWS}/9.json": nli(("가장 먼저 온 감상",), ("나중 감상입니다",), ("짧은 감상",), keys=("review",)),
}
WRITTEN = {
    "nsmc-reviews.txt.xz": ["가장 먼저 온 감상", "나중 감상입니다"],
    "sentences.txt.xz": [
        *("첫 번째 문장입니다.", "두 번째 문장입니다.", "세 번째 문장입니다.", "네 번째 문장입니다."),
        *("다섯 번째 문장입니다.", '"여섯 번째 문장', "일곱 번째 문장", "여덟 번째 문장", "아홉 번째 문장"),
        *("열 번째 문장이다", "열한 번째 문장", "열두 번째 문장", "열세 번째 문장", "열네 = 번째 문장"),
        "열다섯 번째 문장",
    ],
}


@pytest.fixture
def clones(tmp_path):
    for name, text in FOUND.items():
        path = tmp_path / "clones" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "clones"


def test_files_of_all_repositories_in_their_order(clones, tmp_path, capsys, monkeypatch):
    assert FOUND.keys() - {KLUE_NER, *SENTENCES} == {f"{REVIEWS}/10.json", f"{REVIEWS}/9.json"}
    raw_texts.main([str(clones), str(tmp_path / "out")])
    assert capsys.readouterr().out.count("not the file (another SHA-256) that ko-ner") == 2
    for name, texts in WRITTEN.items():
        data = (tmp_path / "out" / name).read_bytes()
        assert lzma.decompress(data).decode() == "".join(f"{text}\n" for text in texts)
        monkeypatch.setitem(FILES, name, File(hashlib.sha256(data).hexdigest(), ()))
    raw_texts.main([str(clones), str(tmp_path / "again")])
    said = capsys.readouterr().out
    assert "sentences.txt.xz: 15 texts; the file that ko-ner" in said and "not the file" not in said


def test_texts_are_folded_before_they_are_compared():
    apart = unicodedata.normalize("NFD", "가나다라 마바사")
    assert folded(f"\u3000{apart}\u00a0 ") == "가나다라 마바사"
    assert selected([apart, "가나다라\t마바사", " 가나다라마바 ", "아자차카 타파하"], {"아자차카 타파하"}) == [
        "가나다라 마바사"
    ]


@pytest.mark.parametrize("name", ["kornlu/KorSTS/sts-dev.tsv", KLUE_NER, REVIEWS])
def test_missing_files_are_named_with_their_repository(clones, tmp_path, name):
    (clones / name).rename(tmp_path / "away")
    repository = {"kornlu": "kakaobrain/KorNLUDatasets", "klue": "KLUE-benchmark/KLUE", "nsmc": "e9t/nsmc"}
    with pytest.raises(SystemExit, match=f"{repository[name.partition('/')[0]]}, commit .* to .*clones"):
        raw_texts.main([str(clones), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["[{", '[{"author": "a"}]', "[1]"])
def test_unreadable_files_are_named(clones, tmp_path, text):
    (clones / REVIEWS / "9.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        SystemExit, match=r"raw_texts\.py: expected .*9\.json to hold objects with review, got \w+Error"
    ):
        raw_texts.main([str(clones), str(tmp_path / "out")])
