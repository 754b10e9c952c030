"""Views of the page: colours, coloured text, tables, code, and the model's inner values."""

import html
import json
import re
import string
from types import SimpleNamespace

import pytest
import torch
from served import ServedTokenClassification
from space_cases import HOSTILE
from texts import EXAMPLES, HERE, LABEL_NAMES, LANGUAGES, TEXTS, InputError, label_name, say
from views import (
    SENTENCE_CHARACTERS,
    as_json,
    as_python,
    attention,
    highlighted,
    marginals,
    percent,
    places,
    safe,
    sentences,
    surroundings,
    table,
    visible,
)

from kospan.modeling.colors import HUES, LEAST_CONTRAST, TEXT, colours_of, contrast

TEXT_HERE = "이재용 회장이 서울에서 말했다"
SPANS = [(0, 3, "PS", 0.99), (8, 10, "LC", 0.4)]
COLOURS = colours_of(["PS", "LC"])
# Strings of a file's tab, by the prefix of the task.
PARTS = ("find", "limits", "progress", "done")


# --- colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [list(HUES), [f"label-{number}" for number in range(150)], ["PS", "사람", ""]])
def test_colours_are_readable_and_differ(labels):
    colours = colours_of(labels)
    for tint, ink in colours.values():
        assert contrast(TEXT, tint) >= 7
        assert contrast("#ffffff", ink) >= LEAST_CONTRAST
    assert len(set(colours.values())) == len(labels)


def test_a_colour_depends_on_neither_order_nor_run():
    labels = ["OG", "music", "PS", "book", "film"]
    assert colours_of(labels) == colours_of(labels[::-1])
    # The same in every run and release: these are in people's slides.
    assert colours_of(["PS"])["PS"] == colours_of(labels)["PS"] == ("#d0e0fb", "#2b60b6")


def test_contrast_is_wcags():
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


# --- strings ----------------------------------------------------------------------------------------------------------


def test_languages_say_the_same():
    assert set(TEXTS) == set(LANGUAGES)

    def fields(template: str) -> set:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    for key, text in TEXTS["ko"].items():
        assert fields(text) == fields(TEXTS["en"][key]), key
    assert set(TEXTS["ko"]) == set(TEXTS["en"])
    assert all(set(names) == set(LANGUAGES) for names in LABEL_NAMES.values())
    assert all(examples for units in EXAMPLES.values() for examples in units.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_in_two_sections(language):
    sections = json.loads((HERE / f"strings.{language}.json").read_text(encoding="utf-8")).values()
    assert sum(map(len, sections)) == len(TEXTS[language])


def test_every_string_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("*.py"))
    parts = {f"{prefix}_{part}" for prefix in ("file", "questions", "classify") for part in PARTS}
    assert {key for key in TEXTS["ko"] if f'"{key}"' not in code and f"'{key}'" not in code} <= parts


def test_labels_have_their_names_beside_them():
    assert label_name("PS", "ko") == "PS 사람" and label_name("PS", "en") == "PS person"
    assert label_name("creative-work", "ko") == "creative-work"
    assert set(LABEL_NAMES) == set(HUES)


def test_an_unknown_language_gets_the_default():
    assert say("fr", "find") == TEXTS["ko"]["find"] and label_name("PS", "fr") == "PS 사람"
    assert InputError("too_long", got=10_001, most=10_000).message("ko").count("10,001")


# --- coloured text ----------------------------------------------------------------------------------------------------


def test_threshold_hides_without_losing_text():
    everything = highlighted(TEXT_HERE, SPANS, 0.0, COLOURS, "ko")
    some = highlighted(TEXT_HERE, SPANS, 0.5, COLOURS, "ko")
    assert everything.count("<mark") == 2 and some.count("<mark") == 1
    assert "PS 사람" in some and "99.0%" in some and "LC 장소" not in some
    assert say("ko", "hidden", count=1) in some
    assert say("ko", "nothing") in highlighted(TEXT_HERE, SPANS, 1.0, COLOURS, "ko")
    # A span stays where its score equals the threshold, as in `extract`.
    assert highlighted(TEXT_HERE, SPANS, 0.4, COLOURS, "ko").count("<mark") == 2


def test_text_is_never_markup():
    spans = [(0, 25, "PS", 0.9), (25, 40, "LC", 0.8)]
    for made in (highlighted(HOSTILE, spans, 0.0, COLOURS, "en"), safe(HOSTILE), visible(HOSTILE)):
        assert "<script" not in made and "<img" not in made
        assert not {"${", "{{", "`", "@"} & {made[at : at + size] for size in (1, 2) for at in range(len(made))}
    wicked = '"><img src=x>'
    made = highlighted("서울", [(0, 2, wicked, 0.5)], 0.0, colours_of([wicked]), "ko")
    assert "<img" not in made


def test_what_cannot_be_seen_is_shown():
    made = visible("가\u202e나\x00\u200b\ufeff\r\n\t다")
    assert made.count('class="sign"') == 4 and "U+202E right-to-left override" in made and "\u202e" not in made
    assert made.endswith("\n\t다")
    # Joiners hold emoji together.
    assert visible("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧"


def test_table_holds_plain_values():
    made = table(TEXT_HERE, SPANS, 0.5, "en")
    assert made["headers"] == ["start", "end", "label", "text", "confidence"]
    assert made["data"] == [[0, 3, "PS person", "이재용", "99.0%"]]


def test_json_is_a_record_that_reads_back():
    made = json.loads(as_json(TEXT_HERE, SPANS, 0.5))
    assert made == {"text": TEXT_HERE, "spans": [{"start": 0, "end": 3, "label": "PS", "score": 0.99}]}
    assert json.loads(as_json(HOSTILE, [], 0.0)) == {"text": HOSTILE, "spans": []}


def test_code_runs_and_finds_the_same(ner_model, ner_folder, capsys):
    text = TEXT_HERE + "\n'\"\\\u202e"
    exec(
        compile(
            as_python(ServedTokenClassification(ner_model, str(ner_folder)).loading, text, 0.3),
            "snippet",
            "exec",
        ),
        {},
    )
    expected = [
        f"{span.start} {span.end} {span.label} {text[span.start : span.end]} {span.score:.3f}"
        for span in ner_model.extract(text, threshold=0.3)
    ]
    assert expected and capsys.readouterr().out == "\n".join(expected) + "\n"


# --- looking inside ---------------------------------------------------------------------------------------------------


def test_sentences_and_what_surrounds_a_span():
    text = "비가 온다. 3.5%가 올랐다!\n끝"
    assert [text[start:end] for start, end in sentences(text)] == ["비가 온다.", "3.5%가 올랐다!", "끝"]
    assert sentences(" \n ") == []
    start, end, was_cut = surroundings(text, 7, 11)
    assert (text[start:end], was_cut) == ("3.5%가 올랐다!", False)
    # A span over two sentences takes both.
    assert surroundings(text, 4, 9)[:2] == (0, 17)
    # Far into a text a short sentence is short too.
    far = "가. " * 300 + "비가 온다."
    assert surroundings(far, 901, 902) == (900, 906, False)


@pytest.mark.parametrize("at", [0, 3, 500, 990, 997])
@pytest.mark.parametrize("size", [3, 150, 260])
def test_a_long_sentence_is_cut_around_the_span(at, size):
    text = "가" * 1000
    end = min(1000, at + size)
    first, last, was_cut = surroundings(text, at, end)
    assert was_cut and last - first == SENTENCE_CHARACTERS and first >= 0 and last <= 1000
    assert first <= at < last and (end <= last or end - at > SENTENCE_CHARACTERS)
    if at == 500 and size < SENTENCE_CHARACTERS:
        assert abs((at - first) - (last - end)) <= 1, "as much before as after"


def test_places_are_spans_or_else_sentences():
    assert places(TEXT_HERE, SPANS, "ko")[1] == ("서울 · LC 장소 · 8–10", "8-10")
    assert places(TEXT_HERE, [], "en") == [("sentence 1 · " + TEXT_HERE, f"0-{len(TEXT_HERE)}")]
    assert len(places("가 " * 3000, [(2 * at, 2 * at + 1, "PS", 1.0) for at in range(3000)], "ko")) <= 200


def test_a_mark_stands_over_its_span_with_its_type_and_confidence():
    made = highlighted(TEXT_HERE, SPANS, 0.0, COLOURS, "en")
    found = re.findall(
        r'<mark class="([^"]*)" tabindex="0" style="([^"]*)" data-tip="([^"]*)" aria-label="([^"]*)">([^<]*)'
        r'<span class="kind" aria-hidden="true">([^<]*)</span></mark>',
        made,
    )
    style = {label: f"--tint:{colour.tint};--ink:{colour.ink}" for label, colour in COLOURS.items()}
    assert found == [
        ("found short", style["PS"], say("en", "confidence", percent="99.0%"), found[0][3], "이재용", "PS person"),
        ("found short", style["LC"], say("en", "confidence", percent="40.0%"), found[1][3], "서울", "LC place"),
    ]
    assert all(each[3].startswith(f"{each[4]}, {each[5]}, ") and each[2] in each[3] for each in found)
    reading = re.search(r'<div class="marked-text" dir="auto">(.*)</div>', made, re.DOTALL)[1]
    assert re.sub(r'<span class="kind".*?</span>|<[^>]*>', "", reading) == TEXT_HERE
    chips = re.findall(r'<span class="chip" style="([^"]*)">([^<]*) <b>(\d+)</b>', made)
    assert chips == [(style["LC"], "LC place", "1"), (style["PS"], "PS person", "1")]
    # A long one may be broken between two lines.
    long = "가" * 21
    assert 'class="found"' in highlighted(long, [(0, 21, "PS", 1.0)], 0.0, COLOURS, "en")
    assert 'class="found short"' in highlighted(long, [(0, 20, "PS", 1.0)], 0.0, COLOURS, "en")


def test_marginals_are_a_row_per_tag_and_a_column_per_unit(ner_model):
    seen = ner_model.inspect(TEXT_HERE)
    colours = COLOURS | colours_of(["creative-work"])
    made = marginals(seen, colours, "ko", (0, 3))
    head, body = re.search(r"<thead>(.*)</thead><tbody>(.*)</tbody>", made, re.DOTALL).groups()
    heads = re.findall(r'<th scope="col"( class=chosen)?>([^<]*)</th>', head)
    assert [text for _, text in heads] == [character.strip() or "␣" for character in TEXT_HERE]
    assert [bool(chosen) for chosen, _ in heads] == [True] * 3 + [False] * (len(TEXT_HERE) - 3)
    # Tags that no unit has with 1 % are left out, but for O.
    wanted = [at for at, tag in enumerate(seen.tags) if tag == "O" or bool((seen.marginals[:, at] >= 0.01).any())]
    rows = re.findall(r'<tr style="--ink:([^"]*)"><th scope="row">([^<]*)</th>(.*?)</tr>', body, re.DOTALL)
    assert [tag for _, tag, _ in rows] == [seen.tags[at] for at in wanted] and len(rows) > 3
    for at, (ink, tag, row) in zip(wanted, rows):
        label = tag.partition("-")[2]
        assert ink == (colours[label].ink if label else "#6b7280")
        cells = re.findall(r'<td style="--p:([\d.]+)" title="([^ ]*) ([\d.]+)%"></td>', row)
        values = seen.marginals[:, at].tolist()
        assert [float(share) for share, _, _ in cells] == [pytest.approx(value, abs=0.0006) for value in values]
        assert [float(share) for _, _, share in cells] == [pytest.approx(100 * each, abs=0.06) for each in values]
        assert {name for _, name, _ in cells} == {tag}


def test_attention_shows_every_subword_with_the_mean_of_heads(ner_model):
    seen = ner_model.inspect(TEXT_HERE)
    view = seen.windows[0]
    looking = [at for at, (start, end) in enumerate(view.offsets) if start < 3 and end > 0]
    pages = {}
    for layer, tensor in ((1, view.attentions[0]), (2, view.attentions[1]), (0, sum(view.attentions) / 2)):
        made = pages[layer] = attention(seen, (0, 3), layer, "ko")
        subwords = re.findall(r'<span class="(subword[^"]*)" style="--p:([\d.]+)" title="([\d.]+)%">(.*?)</span>', made)
        weights = tensor.mean(0)[looking].mean(0).tolist()
        bare = [start == end for start, end in view.offsets]
        largest = max(weight for weight, special in zip(weights, bare) if not special)
        rows = zip(subwords, weights, bare, view.offsets, strict=True)
        for (kinds, share, title, text), weight, special, (start, end) in rows:
            assert float(title) == pytest.approx(100 * weight, abs=0.06)
            assert float(share) == pytest.approx(min(1.0, weight / largest), abs=0.0006)
            assert ("special" in kinds) == special and ("chosen" in kinds) == (start < 3 and end > 0)
            assert special or html.unescape(text) == TEXT_HERE[start:end]
        special = percent(sum(weight for weight, each in zip(weights, bare) if each))
        which = say("ko", "attention_one", number=layer) if layer else say("ko", "attention_mean", count=2)
        note = say("ko", "attention_note", layer=which, heads=len(view.attentions[0]), special=special)
        assert note in html.unescape(made) and say("ko", "attention", text="이재용") in html.unescape(made)
    assert len(set(pages.values())) == 3


def test_subwords_are_shown_as_the_text_that_they_cover():
    """Between subwords stands what none covers; what several cover, as bytes of one character, is shown once."""
    text = "서울 <은> 춥다"
    subwords = ["[CLS]", "서", "울", "<", "은", ">", "b1", "b2", "다", "[SEP]"]
    offsets = [(0, 0), (0, 1), (1, 2), (3, 4), (4, 5), (5, 6), (7, 8), (7, 8), (8, 9), (0, 0)]
    layer = torch.full((2, 10, 10), 0.1)
    view = SimpleNamespace(subwords=subwords, offsets=offsets, attentions=[layer])
    made = attention(SimpleNamespace(text=text, windows=[view]), (4, 5), 1, "en")
    reading = re.search(r'<div class="marked-text attention" dir="auto">(.*)</div>', made, re.DOTALL)[1]
    shown = re.findall(r'<span class="(subword[^"]*)"[^>]*>(.*?)</span>', reading)
    assert [html.unescape(each) for _, each in shown] == ["[CLS]", "서", "울", "<", "은", ">", "춥", "", "다", "[SEP]"]
    assert [kinds for kinds, each in shown if "chosen" in kinds] == ["subword chosen"]
    assert html.unescape(re.sub("<[^>]*>", "", reading)) == f"[CLS]{text}[SEP]"


def test_the_chosen_units_are_framed_wherever_they_stand(ner_model):
    made = marginals(ner_model.inspect(TEXT_HERE), COLOURS | colours_of(["creative-work"]), "ko", (8, 10))
    chosen = [bool(each) for each, _ in re.findall(r'<th scope="col"( class=chosen)?>([^<]*)</th>', made)]
    assert [at for at, each in enumerate(chosen) if each] == [8, 9]


def test_of_a_sentence_without_a_span_all_subwords_look(ner_model):
    seen = ner_model.inspect(TEXT_HERE)
    made = attention(seen, (0, len(TEXT_HERE)), 0, "en", is_entity=False)
    assert "chosen" not in made and say("en", "attention_whole") in html.unescape(made)
    # A layer that the model does not have is none.
    assert attention(seen, (0, 3), 9, "en") == attention(seen, (0, 3), 0, "en") != attention(seen, (8, 10), 0, "en")


def test_a_model_without_layers_says_so(ner_model):
    seen = ner_model.inspect(TEXT_HERE)
    bare = seen._replace(windows=[view._replace(attentions=[]) for view in seen.windows])
    assert say("ko", "attention_none") in attention(bare, (0, 3), 0, "ko").replace("&#x27;", "'")
    assert say("ko", "attention_none") in attention(seen._replace(windows=[]), (0, 3), 0, "ko")


def test_a_sentence_in_several_windows_says_so(ner_model):
    seen = ner_model.inspect("이재용 회장이 " * 12)
    assert len(seen.windows) > 1
    made = attention(seen, (80, 83), 0, "en")
    assert say("en", "attention_window", count=len(seen.windows)) in made
    # The window is the one that holds the span.
    assert made.count("subword chosen") == 3
