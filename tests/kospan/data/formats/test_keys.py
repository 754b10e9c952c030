import pytest

from kospan.data.formats.keys import check_no_annotations


@pytest.mark.parametrize(
    "record",
    [
        {"marks": [[0, 2, "LC"]]},
        {"marks": [["LC", 0, 2]]},
        {"marks": [{"begin": 0, "end": 2, "type": "LC"}]},
        {"marks": [{"startOffset": 0, "endOffset": 2}]},
        {"marks": [{"offset": 0, "length": 2, "tag": "LC"}]},
        {"marks": {"LC": [{"start": 0, "end": 2}]}},
        {"marks": [{"value": {"start": 0, "end": 2}}]},
        {"Entities": []},
        {"ner": "B-LC I-LC"},
    ],
)
def test_annotations_under_another_key(record):
    (key,) = record
    with pytest.raises(ValueError, match=f"a:1: expected annotations here, got .* under '{key}'"):
        check_no_annotations({"text": "서울"} | record, "a:1", "here")
    check_no_annotations({"text": "서울"} | record, "a:1", "here", [key])


def test_what_is_no_annotation():
    check_no_annotations(
        {
            "text": "서울",
            "tokens": [{"start": 0, "end": 2, "id": 0}],
            "meta": {"pages": [1, 2, 3], "title": "비", "box": {"x": 1, "y": 2}},
            "scores": [[1, 2], [3, 4]],
            "entities": None,
        },
        "a:1",
        "here",
    )
    check_no_annotations({"label": "good"}, "a:1", "spans", by_name=False)
