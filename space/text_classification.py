"""The tabs of a classifier: one text or pair of texts, and a file of them."""

import gradio as gr
from documents import checked_text, checked_threshold
from file_tab import FileJob, build_file
from page import QUIET, Page
from served import ServedTextClassification
from text_classification_texts import TEXTS_TO_CLASSIFY
from text_classification_views import classify_python, parts_of, previewed, scores_table, verdict
from texts import DEFAULT, InputError
from views import as_json, notice, record

serves = ServedTextClassification


def build(served: ServedTextClassification, page: Page, examples: list[dict] | None = None) -> None:
    """Builds both tabs inside the page's tabs, and the endpoint /classify."""
    examples = examples or TEXTS_TO_CLASSIFY[served.model.config.unit]
    with page.says(gr.Tab(id="text"), label="tab_classify"):
        _build_text(served, page, examples)
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served))
        gr.api(_endpoint(served), api_name="classify")


def asked(served: ServedTextClassification, text: str | None, pair: str | None) -> tuple[str, str | None]:
    """Text and text_pair as the model may read them.

    Raises:
        InputError: If one is too long, or the second missing.
    """
    text = checked_text(text)
    if not served.pairs:
        return text, None
    pair = checked_text(pair)
    if not pair.strip():
        raise InputError("second_empty")
    if not served.fits(text, pair):
        raise InputError("first_long" if served.second_windowed else "second_long")
    return text, pair


def find(served: ServedTextClassification, text: str | None, pair: str | None) -> dict:
    """A result as the page keeps it: text, text_pair, scores and parts, or the reason why there are none."""
    try:
        text, pair = asked(served, text, pair)
        scores, parts = served.inspect(text, pair)
        return {"text": text, "pair": pair, "scores": scores, "parts": parts, "refused": None}
    except InputError as refused:
        return {"text": "", "pair": "", "scores": {}, "parts": [], "refused": (refused.key, refused.values)}


def _endpoint(served: ServedTextClassification):
    def classify(text: str, text_pair: str = "", threshold: float = 0.0, language: str = DEFAULT) -> list[dict]:
        """The label of a text: start, end, label, score; nothing where it is less probable than `threshold`.

        A model that reads pairs takes the second text as `text_pair`. Refusals come in `language`.
        """
        try:
            checked, pair = asked(served, text, text_pair)
            least = checked_threshold(threshold)
            [spans] = served.classify([checked], None if pair is None else [pair])
        except InputError as refused:
            raise gr.Error(refused.message(str(language)), print_exception=False) from None
        return record(checked, spans, float("-inf") if served.values else least)["spans"]

    return classify


def _file_job(served: ServedTextClassification) -> FileJob:
    def labels(documents: list[dict]) -> list:
        for document in documents if served.pairs else ():
            if not served.fits(document["text"], document["text_pair"]):
                raise InputError("document_long", id=document["id"])
        pairs = [document["text_pair"] for document in documents] if served.pairs else None
        return served.classify([document["text"] for document in documents], pairs, patient=True)

    def line(document: dict, spans: list, threshold: float) -> dict:
        pair = {"text_pair": document["text_pair"]} if served.pairs else {}
        return record(document["text"], _kept(spans, threshold), float("-inf"), id=document["id"], **pair)

    def _kept(spans: list, threshold: float) -> list:
        return spans if served.values else [span for span in spans if span[3] >= threshold]

    return FileJob(
        keys=("text", "text_pair") if served.pairs else ("text",),
        find=labels,
        line=line,
        preview=lambda document, spans, threshold, language: previewed(
            document, _kept(spans, threshold), served.values, language
        ),
        says={
            "find": "classify_find",
            "limits": "classify_limits",
            "threshold": "least",
            "progress": "classify_progress",
            "done": "classify_done",
        },
        api_name="classify_file",
    )


def _build_text(served: ServedTextClassification, page: Page, examples: list[dict]) -> None:
    pairs, values = served.pairs, served.values
    first = find(served, examples[0]["text"], examples[0].get("text_pair"))

    def shown(result: dict, language: str) -> tuple:
        """Everything that a result is shown as, without the model."""
        if result["refused"]:
            key, refused = result["refused"]
            return notice(InputError(key, **refused).message(language)), scores_table({}, values, language), "", ""
        text, scores = result["text"], result["scores"]
        label, best = next(iter(scores.items()))
        spans = [(0, len(text), label, best)]
        pair = {"text_pair": result["pair"]} if pairs else {}
        return (
            verdict(scores, values, language) + parts_of(result["parts"], values, language, served.second_windowed),
            scores_table(scores, values, language),
            as_json(text, spans, float("-inf"), **pair),
            classify_python(served.loading, text, result["pair"]),
        )

    start = shown(first, DEFAULT)
    result = gr.State(first)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            text = page.says(
                gr.Textbox(examples[0]["text"], lines=4 if pairs else 7, max_lines=14, elem_id="text"),
                label="first_text" if pairs else "text",
                placeholder="text_hint",
            )
            second = page.says(
                gr.Textbox(examples[0].get("text_pair", ""), lines=3, max_lines=8, visible=pairs, elem_id="second"),
                label="second_text",
                placeholder="second_text_hint",
            )
            with gr.Row():
                clear = page.says(gr.Button(min_width=80, scale=1, elem_id="clear"), value="clear")
                run = page.says(gr.Button(variant="primary", min_width=80, scale=2, elem_id="find"), value="classify")
        with gr.Column(scale=7, min_width=320):
            top = gr.HTML(start[0], apply_default_css=False, container=True, padding=True, elem_id="result")
    offered = page.says(
        gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[each["text"]] for each in examples],
            type="index",
            elem_id="examples",
        ),
        label="classify_examples",
    )
    with gr.Tabs(elem_id="views"):
        with page.says(gr.Tab(id="table"), label="view_table"):
            rows = gr.Dataframe(
                start[1],
                datatype=["str", "str"],
                type="array",
                interactive=False,
                wrap=True,
                show_label=False,
                max_height=420,
                elem_id="rows",
            )
        with page.says(gr.Tab(id="json"), label="view_json"):
            as_text = page.says(gr.Code(start[2], language="json", wrap_lines=True, elem_id="json"), label="json")
        with page.says(gr.Tab(id="python"), label="view_python"):
            code = page.says(gr.Code(start[3], language="python", wrap_lines=True, elem_id="python"), label="python")

    views = [top, rows, as_text, code]

    def find_and_show(text: str, pair: str, language: str) -> tuple:
        found = find(served, text, pair)
        return found, *shown(found, language)

    finding = {
        "fn": find_and_show,
        "inputs": [text, second, page.language],
        "outputs": [result, *views],
        "concurrency_limit": None,
        "show_progress": "minimal",
        "show_progress_on": top,
        "api_visibility": "private",
    }
    run.click(**finding)
    text.submit(**finding)
    second.submit(**finding)

    def pick(at: int) -> tuple[str, str]:
        return examples[at]["text"], examples[at].get("text_pair", "")

    offered.click(pick, offered, [text, second], **QUIET).then(**finding)
    clear.click(lambda: ("", ""), None, [text, second], **QUIET)
    page.draws(shown, [result], views)
