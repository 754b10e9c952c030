"""Question answering in headless Chromium, on a published copy of the Space."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from documents import DOCUMENT_CHARACTERS
from question_answering_views import answer_python, ranges, stated
from served import ServedQuestionAnswering
from space_cases import HOSTILE, KOREAN, patient_client
from texts import EXAMPLES, say
from time_limits import SECONDS
from views import SENTENCE_CHARACTERS, as_json, percent

QUESTION = "누가 부산을 찾았나?"
COUNT = 3


@pytest.fixture
def visit(open_page, qa_address):
    """Opens the published copy."""
    return lambda query="": open_page(qa_address, query)


def ask(page, question: str, text: str, by_key: bool = False) -> None:
    page.locator("#text textarea").fill(text)
    box = page.locator("#question textarea, #question input").first
    box.fill(question)
    if by_key:
        box.press("Enter")
    else:
        page.locator("#find").click()


def expected(qa_model, question: str, text: str, count: int = COUNT, least: float = 0.0) -> list[str]:
    """Texts of the marks, in the order of the text: `answer|rank · probability`."""
    answers = qa_model.answer(question, text, top_k=count, threshold=least)
    ranked = sorted((start, end, rank, score) for rank, (start, end, _, score) in enumerate(answers, 1) if end)
    return [f"{text[start:end]}|{rank} · {percent(score)}" for start, end, rank, score in ranked]


def shows(page, wanted: list[str]) -> None:
    """Waits until the page marks these subwords."""
    page.wait_for_function(
        "wanted => { const all = [...document.querySelectorAll('#result mark')].map(one => { const kind = "
        "one.querySelector('.kind').textContent; return one.textContent.slice(0, -kind.length) + '|' + kind }); "
        "return JSON.stringify(all) === JSON.stringify(wanted) }",
        arg=wanted,
    )


def tabled(page, wanted: list[list[str]]) -> None:
    """Waits until the table of answers holds these rows."""
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('#rows [role=gridcell]')].map(one => "
        "one.innerText.trim())) === JSON.stringify(wanted.flat())",
        arg=wanted,
    )


def rows(qa_model, question: str, text: str, count: int, none: str) -> list[list[str]]:
    return [
        [str(rank), text[start:end].strip(), str(start), str(end), percent(score)]
        if end
        else [str(rank), f"({none})", "–", "–", percent(score)]
        for rank, (start, end, _, score) in enumerate(qa_model.answer(question, text, top_k=count), 1)
    ]


def test_it_opens_with_an_example_answered_and_an_example_answers_at_once(visit, qa_model, tmp_path):
    page, (first, second, _) = visit(), EXAMPLES["question-answering"]["character"]
    assert page.locator("h1").inner_text() == say("ko", "question_answering_title")
    assert page.locator("#text textarea").input_value() == first["text"]
    shows(page, expected(qa_model, **first))
    page.locator("#examples button", has_text=second["question"]).click()
    shows(page, expected(qa_model, **second))
    assert page.locator("#text textarea").input_value() == second["text"]
    page.screenshot(path=tmp_path / "opens.png", full_page=True)


def test_answers_alternatives_strip_and_code(visit, qa_model, qa_folder):
    page = visit()
    ask(page, QUESTION, KOREAN, by_key=True)
    shows(page, expected(qa_model, QUESTION, KOREAN))
    reading = qa_model.answer(QUESTION, KOREAN, top_k=COUNT, return_probabilities=True)
    best = reading.answers[0]
    assert best.end, "the case needs an answer"
    assert page.locator("#result .reply b").inner_text() == KOREAN[best.start : best.end]
    assert percent(best.score) in page.locator("#result .reply").inner_text()
    assert page.locator("#result mark.best").count() == 1
    weights = "all => all.map(one => getComputedStyle(one).backgroundColor)"
    assert len(set(page.locator("#result mark").evaluate_all(weights))) == 2
    tabled(page, rows(qa_model, QUESTION, KOREAN, COUNT, say("ko", "no_answer")))
    # The strip: each character once, tinted by its share of the largest.
    answers = [tuple(span) for span in reading.answers]
    places = [at for first, last in ranges(KOREAN, answers) for at in range(first, last)]
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('#strip .cell')].map(one => [one.textContent, "
        "one.title])) === JSON.stringify(wanted)",
        arg=[[KOREAN[at], f"시작 {percent(reading.starts[at])} · 끝 {percent(reading.ends[at])}"] for at in places],
    )
    tints = page.eval_on_selector_all(
        "#strip .cell", "all => all.map(one => getComputedStyle(one, '::before').backgroundColor)"
    )
    deepest = max(range(len(places)), key=lambda at: reading.starts[places[at]])
    assert len(set(tints)) > 3 and tints.count(tints[deepest]) == 1
    page.get_by_role("tab", name="JSON").click()
    written = page.locator("#json .cm-content").inner_text()
    assert as_json(KOREAN, stated(answers), 0.0, question=QUESTION).startswith(written) and QUESTION in written
    page.get_by_role("tab", name="Python").click()
    code = page.locator("#python .cm-content").inner_text()
    assert (
        code.split()
        == answer_python(ServedQuestionAnswering(None, str(qa_folder)).loading, QUESTION, KOREAN, COUNT, 0.0).split()
    )


def test_more_answers_and_a_least_probability_come_without_the_model(visit, qa_model):
    page = visit()
    ask(page, QUESTION, KOREAN)
    shows(page, expected(qa_model, QUESTION, KOREAN))
    page.locator("#count input[type=range]").fill("8")
    everything = expected(qa_model, QUESTION, KOREAN, 8)
    shows(page, everything)
    tabled(page, rows(qa_model, QUESTION, KOREAN, 8, say("ko", "no_answer")))
    least = 0.01
    some = expected(qa_model, QUESTION, KOREAN, 8, least)
    assert 0 < len(some) < len(everything)
    box = page.locator("#threshold input[type=number]")
    box.fill(str(least))
    box.press("Enter")
    shows(page, some)
    page.locator("#threshold input[type=range]").fill("1")
    page.get_by_text(say("ko", "nothing_above")).wait_for()
    page.get_by_text(say("ko", "strip_waiting")).wait_for()


def test_no_answer_is_shown_with_the_best_candidate(open_page, scripted_qa):
    page = open_page(scripted_qa[0])
    ask(page, QUESTION, "없음")
    page.get_by_text(say("ko", "no_answer_here")).wait_for()
    shows(page, ["없음|2 · 12.5%"])
    assert page.locator("#result mark.best").count() == 0
    tabled(page, [["1", "(답 없음)", "–", "–", "87.5%"], ["2", "없음", "0", "2", "12.5%"]])
    page.get_by_role("tab", name="JSON").click()
    assert '"spans": []' in page.locator("#json .cm-content").inner_text()
    page.locator("#count input[type=range]").fill("1")
    shows(page, [])
    page.get_by_text(say("ko", "strip_waiting")).wait_for()


def test_the_language_changes_everything_and_back(visit, qa_model):
    page = visit("?lang=en")
    page.get_by_role("heading", name=say("en", "question_answering_title")).wait_for()
    ask(page, "", KOREAN)
    page.get_by_text(say("en", "question_empty")).wait_for()
    page.locator("#language").get_by_text("한국어").click()
    page.get_by_text(say("ko", "question_empty")).wait_for()
    ask(page, QUESTION, " ")
    page.get_by_text(say("ko", "document_empty")).wait_for()
    ask(page, QUESTION, "가" * (DOCUMENT_CHARACTERS + 1))
    page.get_by_text(say("ko", "too_long", got=DOCUMENT_CHARACTERS + 1, most=DOCUMENT_CHARACTERS)).wait_for()
    ask(page, "가" * 501, KOREAN)
    page.get_by_text(say("ko", "question_long", got=501, most=500)).wait_for()
    page.locator("#find", has_text=say("ko", "answer")).wait_for()
    ask(page, QUESTION, KOREAN)
    shows(page, expected(qa_model, QUESTION, KOREAN))
    page.locator("#language").get_by_text("English").click()
    page.get_by_role("heading", name=say("en", "question_answering_title")).wait_for()
    page.get_by_text(say("en", "strip")).wait_for()
    # Not a word of the other language is left outside of what was asked.
    page.locator("#text textarea").fill("")
    page.wait_for_function(
        "() => { const copy = document.body.cloneNode(true); copy.querySelectorAll('.marked-text, .reply b, .strip, "
        "#examples, #language, textarea, script, style, #json, #python, #rows [role=gridcell], #rows "
        ".sizing-body').forEach(one => one.remove()); return !/[가-힣]/.test(copy.textContent) }"
    )


def test_markup_stays_text_in_every_view(open_page, scripted_qa, tmp_path):
    page = open_page(scripted_qa[0])
    ask(page, HOSTILE, HOSTILE)
    shows(page, [f"{HOSTILE}|1 · 75.0%"])
    assert page.locator("#result .reply b").inner_text().startswith("<script>window.pwned")
    page.locator("#rows [role=gridcell]", has_text="onerror").wait_for()
    assert page.locator("#rows [role=gridcell]").nth(1).inner_text().strip() == HOSTILE
    assert "".join(page.locator("#strip .cell").all_text_contents()) == HOSTILE[:SENTENCE_CHARACTERS]
    for name in ("view_json", "view_python", "view_table"):
        page.get_by_role("tab", name=say("ko", name), exact=True).click()
    page.get_by_role("tab", name=say("ko", "tab_file"), exact=True).click()
    sent = tmp_path / "sent.jsonl"
    sent.write_text(json.dumps({"question": HOSTILE, "text": HOSTILE}), encoding="utf-8")
    page.locator("#upload input[type=file]").set_input_files(sent)
    page.locator("#upload").get_by_text(".jsonl").first.wait_for()
    page.locator("#file-find").click()
    page.locator("#preview mark").wait_for()
    assert page.locator("#preview .asked").inner_text() == HOSTILE
    for tag in ("img", "script", "a", "b:not(.reply b):not(.facts b)"):
        views = ("result", "rows", "strip", "preview")
        assert page.locator(", ".join(f"#{view} {tag}" for view in views)).count() == 0
    assert page.evaluate("window.pwned") is None


def test_a_failing_model_and_a_full_line_are_reported_politely(open_page, scripted_qa):
    address, model = scripted_qa
    page, other = open_page(address), open_page(address, "?lang=en")
    ask(page, "?", "실패")
    page.get_by_text(say("ko", "failed")).wait_for()
    assert "secret" not in page.content()
    other.get_by_role("heading", name=say("en", "question_answering_title")).wait_for()
    ask(page, "?", "기다려")
    assert model.started.wait(SECONDS)
    ask(other, "?", "서울")
    other.get_by_text(say("en", "busy")).wait_for()
    model.go_on.set()
    shows(page, ["기다려|1 · 75.0%"])
    ask(other, "?", "서울")
    shows(other, ["서울|1 · 75.0%"])


def test_a_long_document_is_answered_and_folded(visit, qa_model):
    page, text = visit(), "이재용 회장이 서울에서 회의를 열었다. " * 400
    ask(page, QUESTION, text)
    shows(page, expected(qa_model, QUESTION, text))
    fold = page.locator("#result .fold").first
    whole = (
        "() => { const copy = document.querySelector('#result .marked-text').cloneNode(true); "
        "copy.querySelectorAll('.kind, summary').forEach(one => one.remove()); return copy.textContent }"
    )
    assert page.evaluate(whole) == text
    before = page.locator("#result .marked-text").bounding_box()["height"]
    fold.locator("summary").click()
    assert page.locator("#result .marked-text").bounding_box()["height"] > before + 100
    assert page.locator("#strip .cell").count() < 700


def test_a_file_of_questions_comes_back_as_json_lines(visit, qa_model, tmp_path):
    page = visit()
    page.get_by_role("tab", name=say("ko", "tab_file"), exact=True).click()
    page.locator("#file-find").click()
    page.get_by_text(say("ko", "no_file")).wait_for()
    asked = [{"id": str(at), **example} for at, example in enumerate(EXAMPLES["question-answering"]["character"])]
    sent = tmp_path / "질문.jsonl"
    sent.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in asked), encoding="utf-8")
    page.locator("#upload input[type=file]").set_input_files(sent)
    page.locator("#upload").get_by_text(".jsonl").first.wait_for()
    page.locator("#file-find").click()
    page.locator("#preview .asked").nth(2).wait_for()
    with page.expect_download() as download:
        page.locator("#download a").first.click()
    lines = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    for line, given in zip(lines, asked, strict=True):
        [best] = qa_model.answer(given["question"], given["text"])
        assert {key: line[key] for key in given} == given
        assert [(span["start"], span["end"]) for span in line["spans"]] == [best[:2]] * bool(best.end)


def test_five_users_at_a_time_get_their_own(qa_address, qa_model):
    from gradio_client.exceptions import AppError

    texts = [f"{number}번째 {KOREAN}" for number in range(5)]

    def use(text: str) -> list:
        client = patient_client(qa_address)
        return [client.predict(QUESTION, text, 3, 0.001, "ko", api_name="/answer") for _ in range(3)]

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(use, texts))
    for text, mine in zip(texts, answers):
        wanted = [span._asdict() for span in qa_model.answer(QUESTION, text, top_k=3, threshold=0.001)]
        for found in mine:
            assert [{**span, "score": 0} for span in found] == [{**span, "score": 0} for span in wanted]
    client = patient_client(qa_address)
    for wrong, message in (
        (("", KOREAN, 1, 0.0), "question is empty"),
        ((QUESTION, None, 1, 0.0), "document is empty"),
        ((QUESTION, KOREAN, "many", 0.0), "top_k must be"),
        ((QUESTION, KOREAN, 1, [0.5]), "from 0 to 1"),
        ((QUESTION, "가" * (DOCUMENT_CHARACTERS + 1), 1, 0.0), "too long: 10,001 characters"),
    ):
        with pytest.raises(AppError, match=message) as caught:
            client.predict(*wrong, "en", api_name="/answer")
        assert "Traceback" not in str(caught.value)
