"""The Space with a text classifier, without a browser."""

import json
import re

import numpy as np
import pytest
import text_classification as tabs
from documents import read_documents
from gradio.exceptions import Error
from page import build_page
from served import ServedTextClassification
from space_cases import HOSTILE, KOREAN
from text_classification_views import BARS, bars, classify_python, parts_of, previewed, scores_table, verdict
from texts import EXAMPLES, LANGUAGES, InputError, say


def served_by(make_text_classifier, **settings) -> ServedTextClassification:
    return ServedTextClassification(make_text_classifier(**settings), "tiny")


def test_examples_are_pairs():
    for examples in EXAMPLES["text-classification"].values():
        assert all(example.keys() == {"text", "text_pair"} for example in examples)


@pytest.mark.parametrize("pairs", [False, True])
def test_a_result_is_what_the_model_says(make_text_classifier, pairs):
    served = served_by(make_text_classifier, pairs=pairs)
    found = tabs.find(served, KOREAN * 4, "비가 온다")
    [scores] = served.model.scores([KOREAN * 4], ["비가 온다"] if pairs else None)
    assert list(found["scores"].values()) == pytest.approx(np.sort(scores)[::-1].tolist(), abs=1e-5)
    assert len(found["parts"]) > 1 and (found["pair"] is None) == (not pairs)
    endpoint = tabs._endpoint(served)
    [span] = endpoint(KOREAN, "비가 온다")
    assert span["label"] in served.model.config.classes and (span["start"], span["end"]) == (0, len(KOREAN))
    assert endpoint(KOREAN, "비가 온다", threshold=1.0) == []


def test_what_is_refused_is_refused_in_the_visitors_language(make_text_classifier):
    served = served_by(make_text_classifier, pairs=True)
    for language in LANGUAGES:
        for text, pair in (("글", " "), ("글" * 10_001, "앞"), ("글", "앞" * 10_001)):
            with pytest.raises(Error) as refused:
                tabs._endpoint(served)(text, pair, 0.0, language)
            assert refused.value.message
    assert tabs.find(served, "글", "")["refused"][0] == "second_empty"


@pytest.mark.parametrize(("field", "refusal"), [("text", "second_long"), ("text_pair", "first_long")])
def test_a_text_that_leaves_no_room_for_the_other_is_refused_by_name(make_text_classifier, field, refusal):
    served = served_by(make_text_classifier, pairs=True, windowed_field=field)
    long, short = "비가 온다 " * 30, "비"
    too_long = (long, "글" * 60) if field == "text" else ("글" * 60, long)
    assert tabs.find(served, *too_long)["refused"] == (refusal, {})
    job = tabs._file_job(served)
    with pytest.raises(InputError) as refused:
        job.find([{"id": "7", "text": too_long[0], "text_pair": too_long[1]}])
    assert (refused.value.key, refused.value.values) == ("document_long", {"id": "7"})
    for language in LANGUAGES:
        assert refused.value.message(language) and say(language, refusal)
    found = tabs.find(served, *((long, short) if field == "text" else (short, long)))
    shown = parts_of(found["parts"], False, "en", served.second_windowed)
    assert len(found["parts"]) > 2 and ("of the second text" in shown) == (field == "text_pair")


def test_the_text_comes_before_its_pair_wherever_both_are_shown(make_text_classifier, tmp_path):
    served = served_by(make_text_classifier, pairs=True)
    document = {"id": "1", "text": "첫째", "text_pair": "둘째"}
    job = tabs._file_job(served)
    [spans] = job.find([document])
    assert list(job.line(document, spans, 0.0)) == ["id", "text", "text_pair", "spans"]
    shown = job.preview(document, spans, 0.0, "ko")
    assert 0 < shown.index("첫째") < shown.index("둘째")
    code = classify_python("", "첫째", "둘째")
    assert code.index("첫째") < code.index("둘째") and "model.classify(text, text_pair)" in code
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"text": "가", "text_pair": "나"}\n', encoding="utf-8")
    assert read_documents(str(path), job.keys) == [{"id": "1", "text": "가", "text_pair": "나"}]
    path.write_text('{"text": "가", "text_pair": " "}\n', encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_documents(str(path), job.keys)
    assert refused.value.key == "line_pair"


@pytest.mark.parametrize("text", HOSTILE.values() if isinstance(HOSTILE, dict) else HOSTILE)
def test_hostile_texts_are_classified_and_shown_escaped(make_text_classifier, text):
    served = served_by(make_text_classifier)
    found = tabs.find(served, text, None)
    assert found["refused"] is None
    assert "<script" not in previewed({"text": text}, [(0, 1, "<b>", 0.5)], False, "ko")


def test_views_are_drawn_in_every_language():
    scores = {"<b>경제": 0.75, "사회": 0.25}
    for language in LANGUAGES:
        shown = verdict(scores, False, language)
        assert "&lt;b&gt;경제" in shown and "<b>경제" not in shown and "75.0%" in shown
        assert "width:75.0%" in bars(scores)
        assert verdict({"value": 3.14159}, True, language).count("3.142") == 1
        assert scores_table(scores, False, language)["data"][1] == ["사회", "25.0%"]
        parts = [(0, 5, 5, scores), (3, 9, 6, dict(reversed(scores.items())))]
        assert parts_of(parts, False, language).count('class="bar"') == 2 and parts_of(parts[:1], False, language) == ""
        assert say(language, "characters_of", first=4, last=9) in parts_of(parts, False, language)


@pytest.mark.parametrize("settings", [{}, {"pairs": True}, {"problem_type": "regression"}], ids=str)
def test_a_file_and_the_page(make_text_classifier, settings, tmp_path):
    served = served_by(make_text_classifier, **settings)
    job = tabs._file_job(served)
    document = {"id": "1", "text": KOREAN} | ({"text_pair": "뒤"} if served.pairs else {})
    assert job.keys == (("text", "text_pair") if served.pairs else ("text",))
    [spans] = job.find([document])
    line = job.line(document, spans, 0.0)
    assert json.loads(json.dumps(line))["spans"][0]["label"] == spans[0][2]
    assert job.line(document, spans, 1.0)["spans"] == (line["spans"] if served.values else [])
    assert KOREAN[:20] in job.preview(document, spans, 0.0, "en")
    assert build_page(served, tabs.build)
    assert [say("ko", key, **values) for key, values in served.facts]


def test_bars_are_as_long_as_the_classes_are_probable():
    scores = {f"분류 {at}": (20 - at) / 210 for at in range(20)}
    found = re.findall(
        r'title="([^"]*)"><span class="label" dir="auto">([^<]*)</span>'
        r'<span class="track"><span class="fill" style="width:([\d.]+)%"></span></span>'
        r'<span class="share">([\d.]+)%</span>',
        bars(scores),
    )
    assert len(found) == BARS
    for (title, label, width, share), (name, score) in zip(found, scores.items()):
        assert label == name and title == f"{name}: {score:.4f}"
        assert float(width) == float(share) == pytest.approx(100 * score, abs=0.06)


def test_the_verdict_names_the_first_and_each_part_its_own_best():
    scores = {"경제": 0.75, "사회": 0.25}
    first = verdict(scores, False, "ko")
    assert re.match(r'<div class="reply marked-text">.*<b dir="auto">경제</b> <span>[^<]*75.0%', first)
    # A value has no probability.
    assert verdict({"value": 3.0}, True, "ko").endswith('<b dir="auto">3</b></div>')
    assert 'class="bars"' in verdict(scores, False, "ko") and "bars" not in verdict({"value": 3.0}, True, "ko")
    made = parts_of([(0, 5, 5, {"사회": 0.75, "경제": 0.25}), (3, 9, 6, {"사회": 0.125, "경제": 0.875})], False, "en")
    found = re.findall(r'<span class="label">([^<]*)</span><b dir="auto">([^<]*)</b>', made)
    assert found == [
        (say("en", "characters_of", first=1, last=5), "사회 75.0%"),
        (say("en", "characters_of", first=4, last=9), "경제 87.5%"),
    ]
    assert parts_of([(0, 5, 5, {"value": 1.5}), (3, 9, 6, {"value": 2.5})], True, "en").count(">2.5</b>") == 1
    table = scores_table({"경제": 0.75, "사회": 0.25}, False, "en")
    assert table["data"] == [["경제", "75.0%"], ["사회", "25.0%"]]
    assert table["headers"] == [say("en", "class"), say("en", "probability")]
    assert scores_table({"value": 1.5}, True, "en") == {"headers": [say("en", "value")] * 2, "data": [["value", "1.5"]]}
    for values, key in ((False, "class"), (True, "value")):
        assert f'<span class="name">{say("en", key)}</span>' in verdict(scores, values, "en")
    long = previewed({"text": "가" * 400, "text_pair": "뒤"}, [(0, 400, "경제", 0.5)], False, "ko")
    assert "가" * 300 + "…</p>" in long and "가" * 301 not in long and ">뒤</p>" in long and "경제 50.0%" in long
    short = previewed({"text": "가" * 300}, [], False, "ko")
    assert "가" * 300 + "</p>" in short and "…" not in short and "<b>–</b>" in short


@pytest.mark.parametrize("pairs", [False, True])
def test_code_runs_and_says_the_same(make_text_classifier, tmp_path, capsys, pairs):
    model = make_text_classifier(pairs=pairs)
    model.save_pretrained(tmp_path / "model")
    text, pair = KOREAN + "\n'\"\\\u202e", "뒤의 '글'" if pairs else None
    code = classify_python(ServedTextClassification(model, str(tmp_path / "model")).loading, text, pair)
    exec(compile(code, "snippet", "exec"), {})
    [span] = model.classify([text], [pair] if pairs else None)
    assert capsys.readouterr().out == f"{span.label} {span.score:.3f}\n" and ("text_pair" in code) == pairs
