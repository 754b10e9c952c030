"""Pages of KorQuAD 2.x, made here as it is described: HTML, and answers that stand in it with their tags."""

import gzip
import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.corpus import load_corpus, read_examples, read_split
from kospan.data.html_text import HtmlText
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.metrics import score_answers

PAGE = (
    "<!DOCTYPE html>\n<html>\n<head>\n<meta>\n<title>한강 - 위키백과</title>\n</head>\n<body>\n<h1>한강</h1>\n"
    "<p>《<b>한강</b>》은 <a>대한민국</a>의  강이다.<br>길이는 494&#160;km이고 A&amp;B라고도 한다.\n</p>\n"
    '<table>\n<tbody><tr>\n<th colspan="2">유역\n</th></tr>\n<tr>\n'
    "<td>면적\n</td>\n<td>25,954&nbsp;km²</td></tr></tbody></table>\n"
    "<ul><li>북한강</li>\n<li>남한강<ul><li>섬강</li></ul></li></ul>\n<img><script>var 강 = '<p>섬</p>';</script>\n"
    "<style>p { }</style><!-- 숨은 글 --></body></html>"
)
TEXT = (
    "한강\n《한강》은 대한민국의 강이다.\n길이는 494\u00a0km이고 A&B라고도 한다.\n"
    "유역\n면적\t25,954\u00a0km²\n북한강\n남한강\n섬강"
)


def asked(name, text, start=None, **answer):
    start = PAGE.index(text) if start is None else start
    return {"id": name, "question": "무엇인가?", "answer": {"text": text, "answer_start": start} | answer}


def write(tmp_path, *questions, name="korquad2.1_train_00.json", **page):
    page = {"title": "한강", "url": "", "context": PAGE, "raw_html": "", "qas": list(questions)} | page
    path = tmp_path / name
    path.write_text(json.dumps({"version": "KorQuAD_2.0_train", "data": [page]}), encoding="utf-8")
    return str(path)


def test_a_page_becomes_its_text():
    assert HtmlText(PAGE).text == TEXT


@pytest.mark.parametrize(
    "html, text",
    [
        ("", ""),
        (" \n ", ""),
        ("가 나", "가 나"),
        ("가<b>나</b> <i> 다</i>", "가나 다"),
        ("<div><div>가</div></div><div>나</div>", "가\n나"),
        ("<tr><td>가</td> <td></td><th>나</th></tr><tr><td>다</td></tr>", "가\t나\n다"),
        ("가&lt;나&gt;&#44032;&#xAC01;&hellip;", "가<나>가각…"),
        ("AT&T &zzz; & &lt", "AT&T &zzz; & &lt"),
        ("3 < 4 <가> <", "3 < 4 <가> <"),
        ("가&#32;나&#10;다", "가 나 다"),
        ("<script>if (a < b) { '</p>' }</script>가<style>b</style>", "가"),
        ("<head><title>x</title><body>가", "가"),
        ("<template><template>x</template>y</template>가", "가"),
        ("가<!-- <p>x</p> -->나<br/>다<hr>라", "가나\n다\n라"),
        ("<p title='<b>x</b>' data=1>가</p >나", "가\n나"),
    ],
)
def test_subwords_of_html(html, text):
    assert HtmlText(html).text == text


def test_answers_keep_exact_offsets_of_the_readable_text(tmp_path):
    table = PAGE[PAGE.index("<table>") : PAGE.index("</table>") + 8]
    fragments = {
        "plain": ("대한민국", "대한민국"),
        "inside words": ("민국</a>의  강이", "민국의 강이"),
        "over tags": ("<b>한강</b>》은 <a>대한민국</a>의", "한강》은 대한민국의"),
        "a doubled space": ("</a>의  강이다.", "의 강이다."),
        "entities": ("494&#160;km이고 A&amp;B", "494\u00a0km이고 A&B"),
        "one entity": ("&amp;", "&"),
        "a table": (table, "유역\n면적\t25,954\u00a0km²"),
        "a list": ("<ul><li>북한강</li>\n<li>남한강<ul><li>섬강</li></ul></li></ul>", "북한강\n남한강\n섬강"),
        "spaces around": ("\n<h1>한강</h1>\n", "한강"),
        "an open tag": ("<td>25,954", "25,954"),
    }
    questions = [asked(name, fragment) for name, (fragment, _) in fragments.items()]
    nobody = {"id": 7, "question": "누구인가?"}
    path = write(tmp_path, *questions, nobody)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        examples = read_examples("korquad2", path)
    assert examples.pop().spans is None
    for example, (_, wanted) in zip(examples, fragments.values(), strict=True):
        ((start, end, label, _),) = example.spans
        assert (example.text, example.text[start:end], label) == (TEXT, wanted, "answer"), example.id
        assert example.source == "한강"
    # The same characters stand twice: the place decides.
    assert examples[list(fragments).index("over tags")].spans[0].start == TEXT.index("《") + 1


def test_an_entity_of_two_characters():
    page = HtmlText("가&NotEqualTilde;나")
    assert page.text == "가\u2242\u0338나" and page.span(1, 3) == page.span(1, 16) == (1, 3)
    assert page.span(2, 17) == (1, 4) and page.span(5, 5) is None


def test_the_second_of_two_equal_answers(tmp_path):
    path = write(tmp_path, asked("q", "한강", PAGE.index("<b>한강") + 3))
    assert read_examples("korquad2", path)[0].spans[0][:2] == (4, 6)


@pytest.mark.parametrize(
    "fragment",
    ["<img>", "<title>한강 - 위키백과</title>", "var 강", "숨은 글", "amp;B", "A&am", "b>한강</b", "colspan"],
)
def test_answers_that_cannot_be_mapped_are_left_out_and_counted(tmp_path, fragment):
    path = write(tmp_path, asked("good", "대한민국"), asked("bad", fragment))
    with pytest.warns(UserWarning, match=r"skipped 1 of 2 questions, .*article 0, question 'bad'\)$"):
        examples = read_examples("korquad2", path)
    assert [example.id for example in examples] == ["good"]


@pytest.mark.parametrize(
    "question, kind, message",
    [
        (
            asked("q", "대한민국", 3),
            ValueError,
            "question 'q': expected the answer '대한민국' at character 3 .* it is at",
        ),
        (asked("q", "일본", 3), ValueError, "it is not in the text"),
        (asked("q", "", 3), ValueError, "question 'q': expected the text of an answer, got ''"),
        ({"id": "q", "question": "?", "answer": "x"}, TypeError, "question 'q': expected 'answer' to be an object"),
        ({"id": "q", "question": "?", "answer": {"text": "x"}}, ValueError, "'q': expected the key 'answer_start'"),
        ({"id": "q", "answer": {"text": "강", "answer_start": PAGE.index("강이다")}}, ValueError, "the key 'question'"),
        ({"question": "?"}, ValueError, "article 0: expected the key 'id'"),
    ],
)
def test_a_wrong_question_is_named(tmp_path, question, kind, message):
    path = write(tmp_path, question)
    with pytest.raises(kind, match=message) as caught:
        read_examples("korquad2", path)
    assert str(caught.value).startswith(f"{path}, article 0")


def test_a_page_without_text_is_refused(tmp_path):
    path = write(tmp_path, {"id": "q", "question": "?"}, context="<html><head></head></html>")
    with pytest.raises(ValueError, match="question 'q': expected a text to find the answer in, got ''"):
        read_examples("korquad2", path)


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for at in range(9):
        write(tmp_path, asked(f"q{at}", "북한강"), asked(f"r{at}", "섬강"), name=f"korquad2.1_train_0{at}.json")
    last = tmp_path / "korquad2.1_train_08.json"
    (tmp_path / "korquad2.1_train_08.json.gz").write_bytes(gzip.compress(last.read_bytes()))
    last.unlink()
    (tmp_path / "readme.txt").write_text("x")
    splits = load_corpus("korquad2", str(tmp_path)).splits
    assert [example.id for example in splits["validation"]] == ["q0", "r0", "q8", "r8"]
    assert [example.id for example in splits["train"]] == [f"{name}{at}" for at in range(1, 8) for name in "qr"]


def test_folders_and_zips_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"expected \.json files in the folder, found none"):
        read_examples("korquad2", str(tmp_path))
    with pytest.raises(ValueError, match="got a zip; unpack it and name the folder"):
        read_examples("korquad2", str(tmp_path / "KorQuAD_2.1_train_00.zip"))
    with pytest.raises(ValueError, match=r"in the form of KorQuAD 2\.x, got invalid JSON"):
        (tmp_path / "a.json").write_text("<html>")
        read_examples("korquad2", str(tmp_path))


PARTS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<td>",
        "<ul><li>",
        "<br>",
        "가",
        "나다",
        " ",
        "\n",
        "&amp;",
        "&#44032;",
        "&nbsp;",
        "&",
    ]
    + ["<![x[", "<!", "</", "&#", "<a ", "\r\n", "<![CDATA[", "]]>", "<?x", "&#99999999;"]
    + ["<", "<!-- x -->", "<script>가</script>", "AT&T", "&#32;", "<head>", "</head>", "x"]
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(PARTS, max_size=14).map("".join), st.integers(0, 60), st.integers(0, 60))
def test_whatever_the_html_the_map_is_exact(html, one, other):
    page = HtmlText(html)
    assert page.text == page.text.strip(" \t\n") and "  " not in page.text
    start, end = sorted((min(one, len(html)), min(other, len(html))))
    found = page.span(start, end)
    # One character after the other, each on its own, gives the same stretch as all together.
    singles = [single for at in range(start, end) if (single := page.span(at, at + 1))]
    if found is None:
        assert not singles
        return
    assert 0 <= found[0] < found[1] <= len(page.text)
    assert found == (min(first for first, _ in singles), max(last for _, last in singles))
    covered = {at for first, last in singles for at in range(first, last)}
    assert all(page.text[at] in " \t\n" for at in set(range(*found)) - covered)
    for at in range(start, end):
        single = page.span(at, at + 1)
        # What is no part of an entity stands in both.
        if single and single[1] - single[0] == 1 and page.text[single[0]] != html[at]:
            assert "&" in html[max(0, at - 12) : at + 1]


def test_left_out_questions_are_counted_where_they_would_stand(tmp_path):
    questions = [[asked(f"q{at}", "북한강"), asked(f"r{at}", "<img>")] for at in range(9)]
    pages = [{"title": None, "context": PAGE, "qas": qas} for qas in questions]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": pages}), encoding="utf-8")
    with pytest.warns(UserWarning, match="skipped 9 of 18 questions"):
        corpus = load_corpus("korquad2", str(path))
    assert {split: issues.left_out for split, issues in corpus.issues.items()} == {"train": 7, "validation": 2}
    assert [example.id for example in corpus.splits["validation"]] == ["q0", "q8"]
    assert corpus.remarks() == [
        "unusable records    7 in the train part, which count 0 in scores",
        "unusable records    2 in the validation part, which count 0 in scores",
    ]
    with pytest.warns(UserWarning, match="skipped 9 of 18"):
        first = load_corpus("korquad2", str(path), max_eval_samples=1)
    assert first.issues["validation"].left_out == 0 and len(first.splits["validation"]) == 1
    with pytest.warns(UserWarning, match="skipped 9 of 18"):
        split = read_split("korquad2", str(path), labelled=True)
    assert (len(split.examples), split.issues.left_out, split.issues.invalid) == (9, 9, 0)


CODE_PAGE = (
    "<p>형식은 Map&lt;Key&gt; 이고 표기는 &amp;lt; 이다. 조건은 a&lt;b이고 식은 x &amp; y 이다.</p>"
    "<table><tr><td>vector&lt;int&gt;</td><td>1&nbsp;&lt; 2</td></tr></table>"
)


@pytest.mark.parametrize(
    ("answer", "text", "part"),
    [
        ("Map&lt;Key&gt;", "Map<Key>", "Map"),
        ("&amp;lt;", "&lt;", "&"),
        ("a&lt;b이고", "a<b이고", "a"),
        ("x &amp; y", "x & y", "x"),
        ("<tr><td>vector&lt;int&gt;</td><td>1&nbsp;&lt; 2</td></tr>", "vector<int>\t1\u00a0< 2", "vector<int>"),
    ],
)
def test_characters_of_markup_in_a_page_count_in_scores(tmp_path, answer, text, part):
    path = write(tmp_path, asked("q", answer, CODE_PAGE.index(answer)), context=CODE_PAGE)
    [example] = read_examples("korquad2", path)
    [gold] = example.spans
    assert example.text[gold.start : gold.end] == text
    cut = Span(gold.start, gold.start + len(part), "answer")
    assert score_answers([example], [[gold]], "korquad2") == {"exact_match": 1.0, "f1": 1.0}
    assert score_answers([example], [[cut]], "korquad2")["exact_match"] == 0.0


def test_questions_with_unreadable_answers_are_read_for_prediction(tmp_path):
    path = write(tmp_path, asked("picture", "<img>"), asked("text", "대한민국"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = read_split("korquad2", path, annotated=False)
    assert [(example.id, example.spans) for example in split.examples] == [("picture", None), ("text", None)]
    assert split.issues.left_out == 0
