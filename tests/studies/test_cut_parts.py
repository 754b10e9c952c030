"""Parts of a file hold each article or sentence once, in the file's order."""

import json

import pytest

from kospan.data.corpus import read_examples
from studies import cut_parts

PARTS = {"train": {1, 3, 5, 7}, "fit": {0, 4}, "report": {2, 6}}
WORDS = [f"{name}={','.join(map(str, sorted(remainders)))}" for name, remainders in PARTS.items()]


def klue_ner(number: int) -> str:
    """A file in KLUE-NER's form, with its note at the top and a tagged space in each sentence."""
    sentences = [f"## id-{at}\t<{at}:QT> 명\n{at % 10}\tB-QT\n \tO\n명\tO\n" for at in range(number)]
    return "## 문장 구분자 : \\n\\n\n" + "\n".join(sentences)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n\n"])
def test_sentences_of_a_file_with_columns(tmp_path, ending):
    path = tmp_path / "whole.tsv"
    text = klue_ner(19)
    path.write_bytes((text.replace("\n", ending) if ending == "\r\n" else text + ending).encode())
    cut_parts.main([str(path), str(tmp_path / "out"), *WORDS])
    whole = read_examples("klue_ner", str(path))
    assert len(whole) == 19
    for name, remainders in PARTS.items():
        part = read_examples("klue_ner", str(tmp_path / "out" / f"{name}.tsv"))
        assert [each.id for each in part] == [whole[at].id for at in range(19) if at % 8 in remainders]
        assert [each.spans for each in part] == [whole[at].spans for at in range(19) if at % 8 in remainders]


def test_articles_of_a_file_of_questions(tmp_path):
    def article(at: int) -> dict:
        answer = {"text": "서울", "answer_start": 0}
        paragraph = {"context": f"서울 {at}", "qas": [{"id": f"q-{at}", "question": "어디?", "answers": [answer]}]}
        return {"title": f"제목 {at}", "paragraphs": [paragraph]}

    path = tmp_path / "whole.json"
    path.write_text(json.dumps({"version": "1", "data": [article(at) for at in range(19)]}), encoding="utf-8")
    cut_parts.main([str(path), str(tmp_path / "out"), *WORDS])
    for name, remainders in PARTS.items():
        part = read_examples("korquad", str(tmp_path / "out" / f"{name}.json"))
        assert [each.id for each in part] == [f"q-{at}" for at in range(19) if at % 8 in remainders]
