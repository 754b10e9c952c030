"""The shipped sample: well-formed records, two parts that share neither names nor frames, counts as documented."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "kospan" / "data" / "sample"
# News with names that the training part does not hold; `.ci/run` asks the quickstart's model for them.
UNSEEN = Path(__file__).parent / "unseen_names.jsonl"
PARTS = ("train", "validation")
LABELS = ("PS", "LC", "OG", "DT", "TI", "QT")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def records(part: str) -> list[dict]:
    return read(FOLDER / f"{part}.jsonl")


def surfaces(rows: list[dict]) -> Counter:
    """Entities without white space, so that "3만 원" and "3만원" are one."""
    return Counter(
        "".join(record["text"][span["start"] : span["end"]].split()) for record in rows for span in record["spans"]
    )


def frame(record: dict) -> str:
    """The text with every entity replaced by its label."""
    text = record["text"]
    for span in reversed(record["spans"]):
        text = text[: span["start"]] + f"[{span['label']}]" + text[span["end"] :]
    return text


@pytest.mark.parametrize("part", PARTS)
def test_records_are_plain_utf8_with_running_ids(part):
    lines = (FOLDER / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        record = json.loads(line)
        assert list(record) == ["id", "text", "spans"]
        assert all(list(span) == ["start", "end", "label"] for span in record["spans"])
        assert line == json.dumps(record, ensure_ascii=False)
    assert [json.loads(line)["id"] for line in lines] == [f"sample-{part}-{n:04d}" for n in range(1, len(lines) + 1)]


@pytest.mark.parametrize("part", PARTS)
def test_spans_are_sorted_disjoint_and_tight(part):
    for record in records(part):
        text, end = record["text"], 0
        assert text == text.strip() and text
        for span in record["spans"]:
            assert end <= span["start"] < span["end"] <= len(text), record["id"]
            surface = text[span["start"] : span["end"]]
            assert surface == surface.strip(), record["id"]
            assert span["label"] in LABELS, record["id"]
            end = span["end"]


def test_no_text_occurs_twice():
    texts = Counter(record["text"] for part in PARTS for record in records(part))
    assert [text for text, count in texts.items() if count > 1] == []


def test_no_validation_entity_occurs_in_training():
    assert surfaces(records("validation")).keys() & surfaces(records("train")).keys() == set()


def test_most_entities_occur_once():
    train = surfaces(records("train"))
    assert sum(count == 1 for count in train.values()) / len(train) >= 0.8


def test_the_unseen_names_are_not_in_training():
    rows = read(UNSEEN)
    assert len(rows) == 31 and all(record["spans"] for record in rows)
    assert {"삼성전자", "이재용", "서울"} < surfaces(rows).keys()
    assert surfaces(rows).keys() & surfaces(records("train")).keys() == set()
    assert {frame(record) for record in rows} & {frame(record) for record in records("train")} == set()


def test_no_frame_is_shared():
    train, validation = ({frame(record) for record in records(part)} for part in PARTS)
    assert train & validation == set()


@pytest.mark.parametrize("part, sentences, each", [("train", 2600, 250), ("validation", 300, 50)])
def test_sizes(part, sentences, each):
    labels = Counter(span["label"] for record in records(part) for span in record["spans"])
    assert len(records(part)) >= sentences
    assert set(labels) == set(LABELS)
    assert min(labels.values()) >= each


@pytest.mark.parametrize("part", PARTS)
def test_entities_with_inner_spaces_and_sentences_without_entities_are_there(part):
    rows = records(part)
    entities = [record["text"][span["start"] : span["end"]] for record in rows for span in record["spans"]]
    assert sum(" " in entity for entity in entities) / len(entities) >= 0.15
    assert 0.05 <= sum(not record["spans"] for record in rows) / len(rows) <= 0.12


def test_the_readme_counts_match():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    documented = {
        name: (int(train), int(validation))
        for name, train, validation in re.findall(
            r"^\| ([\w ]+?) \|.*\| (\d+) \| (\d+) \|$", readme, flags=re.MULTILINE
        )
    }
    counted = {}
    for part in PARTS:
        rows = records(part)
        counts = Counter(span["label"] for record in rows for span in record["spans"])
        counts["entities"] = counts.total()
        counts["sentences"] = len(rows)
        counts["sentences without an entity"] = sum(not record["spans"] for record in rows)
        counted[part] = counts
    assert documented == {name: (counted["train"][name], counted["validation"][name]) for name in counted["train"]}


def test_no_length_is_beyond_a_short_window():
    assert max(len(record["text"]) for part in PARTS for record in records(part)) <= 120
