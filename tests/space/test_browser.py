"""A visitor: headless Chromium in front of a published copy of the Space, and several users at a time."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from documents import DOCUMENT_CHARACTERS
from space_cases import HOSTILE, KOREAN, patient_client
from texts import EXAMPLES, label_name, say
from time_limits import SECONDS
from views import as_json


@pytest.fixture
def visit(open_page, address):
    """Opens the published copy."""
    return lambda query="": open_page(address, query)


def marks(page) -> list[str]:
    """The coloured spans as `text|kind`, as the page shows them."""
    return page.eval_on_selector_all(
        "#result mark",
        "all => all.map(one => one.cloneNode(true)).map(one => { const kind = one.querySelector('.kind'); "
        "kind.remove(); return one.textContent + '|' + kind.textContent })",
    )


def expected(ner_model, text: str, threshold: float = 0.0, language: str = "ko") -> list[str]:
    spans = ner_model.extract(text, threshold=threshold)
    return [f"{text[span.start : span.end]}|{label_name(span.label, language)}" for span in spans]


def shows(page, wanted: list[str]) -> None:
    """Waits until the page shows these spans."""
    page.wait_for_function(
        "wanted => { const all = [...document.querySelectorAll('#result mark')]; return all.length === wanted.length "
        "&& all.every((one, at) => one.textContent === wanted[at]) }",
        arg=["".join(each.rpartition("|")[::2]) for each in wanted],
    )


def find(page, text: str) -> None:
    page.locator("#text textarea").fill(text)
    page.locator("#find").click()


def test_it_opens_with_an_example_found(visit, ner_model, tmp_path):
    page = visit()
    first = EXAMPLES["token-classification"]["character"][0]["text"]
    assert page.locator("#text textarea").input_value() == first
    assert marks(page) == expected(ner_model, first) and marks(page)
    assert page.locator("h1").inner_text() == say("ko", "token_classification_title")
    page.screenshot(path=tmp_path / "opens.png", full_page=True)


def test_a_text_its_confidences_table_and_code(visit, ner_model, ner_folder, tmp_path):
    page, spans = visit(), ner_model.extract(KOREAN)
    find(page, KOREAN)
    shows(page, expected(ner_model, KOREAN))
    assert page.locator("#result .marked-text").evaluate("one => getComputedStyle(one).whiteSpace") == "pre-wrap"
    # The confidence can be seen while the pointer is there, and only then.
    tip = "one => getComputedStyle(one, '::after').visibility + getComputedStyle(one, '::after').content"
    first = page.locator("#result mark").first
    assert first.evaluate(tip).startswith("hidden")
    first.hover()
    page.wait_for_function(f"({tip})(document.querySelector('#result mark')).startsWith('visible')")
    assert f"{100 * spans[0].score:.1f}%" in first.evaluate(tip)

    cells = [cell.strip() for cell in page.locator("#rows [role=gridcell]").all_inner_texts()[:5]]
    start, end, label, score = spans[0]
    assert cells == [str(start), str(end), label_name(label, "ko"), KOREAN[start:end], f"{100 * score:.1f}%"]
    page.get_by_role("tab", name="JSON").click()
    # The editor draws only the lines that fit.
    shown = page.locator("#json .cm-content").inner_text()
    assert as_json(KOREAN, [tuple(span) for span in spans], 0.0).startswith(shown) and shown.count("label") > 3
    page.get_by_role("tab", name="Python").click()
    code = page.locator("#python .cm-content").inner_text()
    assert repr(KOREAN) in code and str(ner_folder) in code
    page.screenshot(path=tmp_path / "text.png", full_page=True)


def test_the_threshold_filters_and_comes_back(visit, ner_model):
    page, threshold = visit(), 0.3
    find(page, KOREAN)
    everything, some = expected(ner_model, KOREAN), expected(ner_model, KOREAN, threshold)
    shows(page, everything)
    assert 0 < len(some) < len(everything)
    box = page.locator("#threshold input[type=number]")
    box.fill(str(threshold))
    box.press("Enter")
    shows(page, some)
    assert say("ko", "hidden", count=len(everything) - len(some)) in page.locator("#result").inner_text()
    page.locator("#threshold input[type=range]").fill("0")
    shows(page, everything)


def test_a_click_on_an_example_finds_at_once(visit, ner_model):
    page, example = visit(), EXAMPLES["token-classification"]["character"][2]["text"]
    page.locator("#examples button", has_text=example).click()
    shows(page, expected(ner_model, example))
    assert page.locator("#text textarea").input_value() == example


def test_a_file_comes_back_as_json_lines(visit, ner_model, tmp_path):
    page = visit()
    page.get_by_role("tab", name=say("ko", "tab_file"), exact=True).click()
    documents = [KOREAN, HOSTILE, *(example["text"] for example in EXAMPLES["token-classification"]["character"])]
    page.locator("#file-find").click()
    page.get_by_text(say("ko", "no_file")).wait_for()
    sent = tmp_path / "보낼 글.txt"
    sent.write_text("\n".join(documents), encoding="utf-8")
    page.locator("#upload input[type=file]").set_input_files(sent)
    page.locator("#upload").get_by_text(".txt").first.wait_for()
    page.locator("#file-find").click()
    page.locator("#preview mark").first.wait_for()
    with page.expect_download() as download:
        page.locator("#download a").first.click()
    lines = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == documents and [line["id"] for line in lines] == list("1234567")
    for line in lines:
        found = ner_model.extract(line["text"])
        assert [(span["start"], span["end"], span["label"]) for span in line["spans"]] == [span[:3] for span in found]
    assert page.evaluate("window.pwned") is None
    page.screenshot(path=tmp_path / "file.png", full_page=True)
    # A wrong one afterwards is refused, and the old result is gone.
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"text": "가"}\n{"text": 1}\n', encoding="utf-8")
    page.locator("#upload button[aria-label]").first.click()
    page.locator("#upload input[type=file]").set_input_files(wrong)
    page.locator("#upload").get_by_text(".jsonl").first.wait_for()
    page.locator("#file-find").click()
    page.get_by_text(say("ko", "line_text", line=2, name="text", form='{"text": "..."}')).wait_for()
    assert not page.locator("#download").is_visible()


def test_the_language_changes_everything_and_back(visit, ner_model):
    page = visit("?lang=en")
    page.get_by_role("heading", name=say("en", "token_classification_title")).wait_for()
    shows(page, expected(ner_model, EXAMPLES["token-classification"]["character"][0]["text"], language="en"))
    find(page, "가" * (DOCUMENT_CHARACTERS + 1))
    page.get_by_text(say("en", "too_long", got=DOCUMENT_CHARACTERS + 1, most=DOCUMENT_CHARACTERS)).wait_for()
    page.locator("#language").get_by_text("한국어").click()
    page.get_by_text(say("ko", "too_long", got=DOCUMENT_CHARACTERS + 1, most=DOCUMENT_CHARACTERS)).wait_for()
    page.locator("#find", has_text=say("ko", "find")).wait_for()
    page.get_by_role("tab", name=say("ko", "view_inside")).wait_for()
    find(page, KOREAN)
    shows(page, expected(ner_model, KOREAN))
    page.locator("#language").get_by_text("English").click()
    shows(page, expected(ner_model, KOREAN, language="en"))
    # Not a word of the other language is left outside of the text itself.
    page.locator("#text textarea").fill("")
    page.wait_for_function(
        "() => { const copy = document.body.cloneNode(true); copy.querySelectorAll('.marked-text, #examples, "
        "#language, textarea, script, style, #json, #python, #place, #rows [role=gridcell], #rows .sizing-body')"
        ".forEach(one => one.remove()); return !/[가-힣]/.test(copy.textContent) }"
    )


def test_markup_stays_text_in_every_view(visit, ner_model, tmp_path):
    page = visit()
    find(page, HOSTILE)
    shows(page, expected(ner_model, HOSTILE))
    page.locator("#rows [role=gridcell]").first.wait_for()
    plain = page.locator("#result .marked-text").evaluate(
        "one => { const copy = one.cloneNode(true); copy.querySelectorAll('.kind').forEach(kind => kind.remove()); "
        "return copy.textContent }"
    )
    assert plain == HOSTILE
    for name in ("view_json", "view_python", "view_inside", "view_table"):
        page.get_by_role("tab", name=say("ko", name), exact=True).click()
    page.get_by_role("tab", name=say("ko", "view_inside"), exact=True).click()
    page.locator("#heat table").wait_for()
    page.locator("#place input").click()
    for tag in ("img", "script", "b:not(.facts b):not(.chip b)"):
        assert page.locator(f"#result {tag}, #rows {tag}, #heat {tag}, #gaze {tag}, #place {tag}").count() == 0
    assert page.evaluate("window.pwned") is None
    page.screenshot(path=tmp_path / "markup.png", full_page=True)


def test_markup_inside_of_a_span_stays_text_in_table_and_choices(open_page, scripted):
    page = open_page(scripted[0])
    find(page, HOSTILE)
    shows(page, [f"{HOSTILE}|PS 사람"])
    page.locator("#rows [role=gridcell]", has_text="onerror").wait_for()
    assert page.locator("#rows [role=gridcell]").nth(3).inner_text().strip() == HOSTILE
    page.get_by_role("tab", name=say("ko", "view_inside"), exact=True).click()
    page.locator("#heat table").wait_for()
    page.locator("#place input").click()
    page.get_by_role("option").first.wait_for()
    assert page.get_by_role("option").first.inner_text().strip("✓ \n").startswith("<script>")
    for tag in ("img", "script", "a", "b:not(.facts b):not(.chip b)"):
        assert (
            page.locator(", ".join(f"#{view} {tag}" for view in ("result", "rows", "heat", "gaze", "place"))).count()
            == 0
        )
    assert page.evaluate("window.pwned") is None


def test_a_failing_model_and_a_full_line_are_reported_politely(open_page, scripted):
    address, model = scripted
    page, other = open_page(address), open_page(address, "?lang=en")
    find(page, "실패")
    page.get_by_text(say("ko", "failed")).wait_for()
    assert "secret" not in page.content()
    other.get_by_role("heading", name=say("en", "token_classification_title")).wait_for()
    find(page, "기다려")
    assert model.started.wait(SECONDS)
    find(other, "서울")
    other.get_by_text(say("en", "busy")).wait_for()
    model.go_on.set()
    shows(page, ["기다려|PS 사람"])
    find(other, "서울")
    shows(other, ["서울|PS person"])


def test_looking_inside_follows_the_choice_and_the_text(visit, ner_model, tmp_path):
    page = visit()
    page.get_by_role("tab", name=say("ko", "view_inside")).click()
    page.locator("#heat table").wait_for()
    find(page, KOREAN)
    shows(page, expected(ner_model, KOREAN))
    sentence = KOREAN[: KOREAN.index(".") + 1]
    wanted = [character if character != " " else "␣" for character in sentence]
    heads = "[...document.querySelectorAll('#heat thead th')].slice(1).map(one => one.textContent)"
    page.wait_for_function(f"wanted => JSON.stringify({heads}) === JSON.stringify(wanted)", arg=wanted)
    view = ner_model.inspect(sentence).windows[0]
    first = ner_model.extract(KOREAN)[0]
    looking = [at for at, (start, end) in enumerate(view.offsets) if start < first.end and end > first.start]
    shares = "[...document.querySelectorAll('#gaze .subword')].map(one => one.title)"

    def titles(layers) -> list[str]:
        mean = sum(layer.mean(0) for layer in layers) / len(layers)
        return [f"{100 * weight:.1f}%" for weight in mean[looking].mean(0).tolist()]

    same_shares = f"wanted => JSON.stringify({shares}) === JSON.stringify(wanted)"
    page.wait_for_function(same_shares, arg=titles(view.attentions))
    page.locator("#layer input").click()
    page.get_by_role("option", name="2").click()
    page.wait_for_function(same_shares, arg=titles(view.attentions[1:]))
    # The second sentence's first entity brings the second sentence.
    second = next(span for span in ner_model.extract(KOREAN) if span.start > len(sentence))
    page.locator("#place input").click()
    page.get_by_role("option", name=f"{second.start}–{second.end}").click()
    rest = [character if character != " " else "␣" for character in KOREAN[len(sentence) + 1 :]]
    page.wait_for_function(f"wanted => JSON.stringify({heads}) === JSON.stringify(wanted)", arg=rest)
    page.screenshot(path=tmp_path / "inside.png", full_page=True)


@pytest.mark.parametrize(
    "text", ["😀" * 262_144, "<div onclick=alert(1)>" * 4600], ids=["1 MB of emoji", "100 kB HTML"]
)
def test_too_much_is_refused_and_the_page_goes_on(visit, ner_model, text):
    page = visit()
    find(page, text)
    page.get_by_text(say("ko", "too_long", got=len(text), most=DOCUMENT_CHARACTERS)).wait_for()
    find(page, KOREAN)
    shows(page, expected(ner_model, KOREAN))


def test_five_users_at_a_time_get_their_own(address, ner_model):

    texts = [f"{number}번째 {KOREAN}" for number in range(5)]

    def use(text: str) -> list:
        client = patient_client(address)
        return [client.predict(text, 0.1, "ko", api_name="/extract") for _ in range(3)]

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(use, texts))
    for text, mine in zip(texts, answers):
        found = [(span.start, span.end, span.label) for span in ner_model.extract(text, threshold=0.1)]
        for spans in mine:
            assert [(span["start"], span["end"], span["label"]) for span in spans] == found


def test_the_endpoint_answers_any_input_without_a_trace(address):
    from gradio_client.exceptions import AppError

    client = patient_client(address)
    with pytest.raises(AppError, match="too long: 10,001 characters"):
        client.predict("가" * (DOCUMENT_CHARACTERS + 1), 0.0, "en", api_name="/extract")
    for strange in ((None, 0.0, "ko"), ({"가": [1]}, 0.0, "ko"), ("가", 0, "xx"), ("가", 1, ["ko"])):
        assert isinstance(client.predict(*strange, api_name="/extract"), list)
    for wrong in ("many", 5, None, [0.5], -0.1):
        with pytest.raises(AppError, match="from 0 to 1") as caught:
            client.predict(KOREAN, wrong, "en", api_name="/extract")
        assert "Traceback" not in str(caught.value)
