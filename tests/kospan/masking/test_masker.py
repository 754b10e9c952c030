"""Masking of texts: policies, unions, reversible aliases, particles."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_cases import KEY

from kospan.masking.aliases import AliasTable
from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masker, mask
from kospan.modeling.spans import Span

TEXT = "김민수는 서울에서 이서연을 만났다."
SPANS = [Span(0, 3, "PS"), Span(5, 7, "LC"), Span(10, 13, "PS")]


def masker(policy=None, **settings) -> Masker:
    return Masker(None, policy, rules=False, **settings)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, "[PS]는 [LC]에서 [PS]를 만났다."),
        ("alias", "[PS_1]은 [LC_1]에서 [PS_2]를 만났다."),
        ("partial", "김**은 서*에서 이**를 만났다."),
        ("keep", TEXT),
    ],
)
def test_actions(policy, expected):
    masked = masker(policy).mask_spans(TEXT, SPANS)
    assert masked.text == expected
    assert masked.notice == NOTICE


def test_each_edit_names_its_places():
    masked = masker("alias").mask_spans(TEXT, SPANS)
    assert [masked.text[span.start : span.end] for span in masked.spans] == ["[PS_1]", "[LC_1]", "[PS_2]"]
    assert [TEXT[edit.start : edit.end] for edit in masked.edits] == ["김민수", "서울", "이서연"]
    assert [edit.label for edit in masked.edits] == ["PS", "LC", "PS"]
    assert {edit.action for edit in masked.edits} == {"alias"}


def test_kept_labels_do_not_protect_what_another_label_covers():
    found = masker({"default": "replace", "RRN": "keep"})
    assert found.mask_spans("ab cd", [Span(0, 5, "RRN"), Span(0, 2, "PS")]).text == "[PS] cd"


def test_particles_can_be_kept():
    assert masker(particles=False).mask_spans(TEXT, SPANS).text == "[PS]는 [LC]에서 [PS]을 만났다."


def test_neighbouring_regions_of_one_label_are_written_once():
    spans = [Span(0, 3, "PS", 0.9), Span(2, 6, "PS", 0.5)]
    assert masker().mask_spans("김민수이서연", spans).text == "[PS]"
    assert masker("alias").mask_spans("김민수이서연", spans).text == "[PS_1][PS_2]"


def test_a_hash_needs_a_key():
    with pytest.raises(ValueError, match="expected a secret key for the action hash"):
        masker("hash")
    with pytest.raises(ValueError, match="at least 16 bytes, got 5"):
        masker("hash", key=b"short")
    with pytest.raises(TypeError, match="expected key to be bytes, got int"):
        masker("hash", key=3)
    assert masker("hash", key=KEY).mask_spans("김민수", [Span(0, 3, "PS")]).text.startswith("[PS_")


def test_texts_that_are_no_strings_are_refused():
    with pytest.raises(TypeError, match="expected texts to be strings, got int"):
        masker().mask([3])
    assert masker().mask([]) == [] and masker().mask("").text == ""


# --- aliases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "민수는 갔다",
        "민수은 갔다",
        "민수가 민수를 민수와 민수로",
        "민수[PS_1]은 [X_9]과",
        "민수\u2060는 갔다",
        "민수야",
        "민수이가 이민수",
        "민수(은)는",
        unicodedata.normalize("NFD", "민수는 갔다"),
        "민수" * 3,
        "민수" + "가" * 200,
    ],
)
def test_unmask_restores_the_text(text):
    table = AliasTable()
    table.alias("다른", "PS")
    spans = [Span(at, at + 2, "PS") for at in range(len(text)) if text.startswith("민수", at)]
    masked = masker("alias", aliases=table).mask_spans(text, spans)
    assert "민수" not in masked.text
    assert table.unmask(masked.text) == text


def test_a_partly_masked_word_after_an_alias_is_no_particle():
    table = AliasTable()
    found = masker({"default": "alias", "ID": {"action": "partial", "keep_first": 1}}, aliases=table)
    masked = found.mask_spans("현대이서연", [Span(0, 2, "OG"), Span(2, 5, "ID")])
    assert masked.text == "[OG_1]이**" and table.unmask(masked.text) == "현대이**"


WORDS = [
    "민수",
    "하린",
    "서울",
    "LG",
    "3",
    "大韓",
    "[PS_1]",
    "은",
    "는",
    "이",
    "가",
    "을",
    "으로",
    "로",
    "야",
    " ",
    ".",
    "\u2060",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.data())
def test_unmask_restores_any_text(words, data):
    text = "".join(words)
    spans = []
    for _ in range(data.draw(st.integers(0, 4))) if text else ():
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, min(len(text), start + 6)))
        spans.append(Span(start, end, data.draw(st.sampled_from(["PS", "LC"])), data.draw(st.sampled_from([0.2, 0.9]))))
    table = AliasTable()
    masked = masker("alias", aliases=table).mask_spans(text, spans)
    assert table.unmask(masked.text) == text
    plain = masker("alias", aliases=AliasTable(), particles=False).mask_spans(text, spans)
    covered = {at for span in spans for at in range(span.start, span.end) if not text[at].isspace()}
    assert covered <= {at for edit in plain.edits for at in range(edit.start, edit.end)}


def test_a_surface_has_one_alias_in_all_texts_and_runs(tmp_path):
    table = AliasTable()
    first = masker("alias", aliases=table).mask_spans("민수와 하린", [Span(0, 2, "PS"), Span(4, 6, "PS")])
    table.save(tmp_path / "a.json")
    again = AliasTable.load(tmp_path / "a.json")
    second = masker("alias", aliases=again).mask_spans(
        "하린, 서준, 민수", [Span(0, 2, "PS"), Span(4, 6, "PS"), Span(8, 10, "PS")]
    )
    assert (first.text, second.text) == ("[PS_1]과 [PS_2]", "[PS_2], [PS_3], [PS_1]")


# 200 cases: the sound of a number is that of its reading.
FORMS = {"은": "은는은", "이": "이가이", "을": "을를을", "과": "과와과", "으로": ("으로", "로", "로")}
READING = {number: "영일이삼사오육칠팔구"[number % 10] if number % 10 else "십" for number in range(1, 41)}


@pytest.mark.parametrize("number", READING)
def test_particles_agree_with_the_number_of_an_alias(number):
    final = (ord(READING[number]) - ord("가")) % 28
    row = 1 if final == 0 else 2 if final == 8 else 0
    table = AliasTable()
    for at in range(1, number):
        table.alias(str(at), "PS")
    for at, surface in enumerate(("하린", "민수", "서울")):
        for forms in FORMS.values():
            text = f"{surface}{forms[at]} 간다"
            masked = masker("alias", aliases=table).mask_spans(text, [Span(0, 2, "PS")]).text
            if at == 0:
                assert masked == f"[PS_{number}]{forms[row]} 간다"
            assert table.unmask(masked) == text


# --- with a model -----------------------------------------------------------------------------------------------------


def test_the_method_of_a_model_masks_what_it_extracts(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units")
    masked = model.mask(list(texts), {"default": "replace"}, rules=False)
    for text, found in zip(texts, masked, strict=True):
        spans = model.extract(text)
        assert spans and found.text.count("[") == len(found.edits)
        covered = [at for edit in found.edits for at in range(edit.start, edit.end)]
        assert covered == [at for span in spans for at in range(span.start, span.end)]
    assert model.mask(texts[0], rules=False).text == masked[0].text == mask(model, texts[0], rules=False).text
    with pytest.raises(ValueError, match="got 'EMIAL'; did you mean EMAIL"):
        model.mask("가", {"EMIAL": "keep"}, rules=False)


def test_the_operating_point_with_the_highest_recall_is_the_default(make_token_classifier):
    model = make_token_classifier(encoder_input="units")
    labels = ("PS", "LC", "OG")

    def point(level: float) -> dict:
        thresholds = dict.fromkeys(labels, 1 - level)
        return {"decode": "posterior", "overlapping": True, "max_span_length": 16, "thresholds": thresholds} | {
            "guarantee": {"level": level}
        }

    model.config.operating_points = {"recall-0.95": point(0.95), "recall-0.9": point(0.9)}
    assert Masker(model, rules=False).operating_point == "recall-0.95"
    assert Masker(model, rules=False, operating_point="none").operating_point is None
    assert Masker(model, rules=False, threshold=0.5).operating_point is None
    text = "이재용 회장이 서울에서 회의를 열었다."
    found = Masker(model, rules=False, operating_point="recall-0.9").mask(text)
    covered = {at for edit in found.edits for at in range(edit.start, edit.end)}
    wanted = {at for span in model.extract(text, operating_point="recall-0.9") for at in range(span.start, span.end)}
    assert {at for at in wanted if not text[at].isspace()} == {at for at in covered if not text[at].isspace()}
    with pytest.raises(
        ValueError, match=r"expected an operating point of the model \(recall-0.95, recall-0.9\), got 'x'"
    ):
        Masker(model, rules=False, operating_point="x")


def test_models_of_other_tasks_are_refused(make_qa_model):
    with pytest.raises(ValueError, match="expected a model of token-classification or generative-ner"):
        Masker(make_qa_model(encoder_input="units"), rules=False)


@pytest.mark.optional("presidio_analyzer", "mask")
def test_rules_and_model_mask_the_union(make_token_classifier):
    model = make_token_classifier(encoder_input="units")
    text = "연락처는 010-1234-5678이고 주민번호는 900101-1234567이다."
    found = model.mask(text, {"default": "keep", "PHONE": "partial", "ID": "replace"})
    assert found.text == "연락처는 010-****-5678이고 주민번호는 [RRN]이다."
