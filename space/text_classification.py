"""The tabs of a text classifier: one text or pair of texts, and a file of them."""

import gradio as gr
from documents import checked_text, checked_threshold
from file_tab import FileJob, build_file
from page import Page
from result_tab import ResultTab, TextField, build_result_tab
from served import ServedTextClassification
from text_classification_views import classify_python, parts_of, previewed, scores_table, verdict
from texts import DEFAULT, EXAMPLES, InputError
from views import as_json, record, refusal

ALL = float("-inf")  # a threshold that keeps everything
TABLE = {"datatype": ["str", "str"], "max_height": 420}

serves = ServedTextClassification


def build(served: ServedTextClassification, page: Page, examples: list[dict] | None = None) -> None:
    """Build both tabs inside the page's tabs, and the endpoint /classify."""
    fields = (TextField("text", "text", "text_hint"),)
    if served.pairs:
        second = TextField("text_pair", "second_text", "second_text_hint", lines=3, most=8)
        fields = (TextField("text", "first_text", "text_hint", lines=4), second)
    with page.says(gr.Tab(id="text"), label="tab_text"):
        tab = ResultTab(
            fields=fields,
            sliders=(),
            button="classify",
            examples=examples or EXAMPLES["text-classification"][served.model.config.unit],
            examples_label="classify_examples",
            find=lambda text, pair=None: find(served, text, pair),
            show=lambda result, language: show(served, result, language),
            table=TABLE,
        )
        build_result_tab(page, tab)
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served))
        gr.api(_endpoint(served), api_name="classify")


def checked(served: ServedTextClassification, text: str | None, pair: str | None) -> tuple[str, str | None]:
    """Text and text_pair for the model.

    Raises:
        InputError: If one is too long, or the second one is missing.
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
        text, pair = checked(served, text, pair)
        scores, parts = served.inspect(text, pair)
        return {"text": text, "pair": pair, "scores": scores, "parts": parts, "refused": None}
    except InputError as refused:
        return {"text": "", "pair": "", "scores": {}, "parts": [], "refused": (refused.key, refused.values)}


def show(served: ServedTextClassification, result: dict, language: str) -> tuple:
    """All views of a result; the model does not run."""
    values = served.values
    if result["refused"]:
        return refusal(result["refused"], language), scores_table({}, values, language), "", ""
    text, scores = result["text"], result["scores"]
    label, best = next(iter(scores.items()))
    pair = {"text_pair": result["pair"]} if served.pairs else {}
    return (
        verdict(scores, values, language) + parts_of(result["parts"], values, language, served.second_windowed),
        scores_table(scores, values, language),
        as_json(text, [(0, len(text), label, best)], ALL, **pair),
        classify_python(served.loading, text, result["pair"]),
    )


def _endpoint(served: ServedTextClassification):
    def classify(text: str, text_pair: str = "", threshold: float = 0.0, language: str = DEFAULT) -> list[dict]:
        """The label of a text: start, end, label, score; nothing if it is less probable than `threshold`.

        A model of pairs takes the second text as `text_pair`. Error messages are in `language`.
        """
        try:
            first, pair = checked(served, text, text_pair)
            least = checked_threshold(threshold)
            [spans] = served.classify([first], None if pair is None else [pair])
        except InputError as refused:
            raise gr.Error(refused.message(str(language)), print_exception=False) from None
        return record(first, spans, ALL if served.values else least)["spans"]

    return classify


def _file_job(served: ServedTextClassification) -> FileJob:
    def labels(documents: list[dict]) -> list:
        for document in documents if served.pairs else ():
            if not served.fits(document["text"], document["text_pair"]):
                raise InputError("document_long", id=document["id"])
        pairs = [document["text_pair"] for document in documents] if served.pairs else None
        return served.classify([document["text"] for document in documents], pairs, patient=True)

    def kept(spans: list, threshold: float) -> list:
        return spans if served.values else [span for span in spans if span[3] >= threshold]

    def line(document: dict, spans: list, threshold: float) -> dict:
        pair = {"text_pair": document["text_pair"]} if served.pairs else {}
        return record(document["text"], kept(spans, threshold), ALL, id=document["id"], **pair)

    def preview(document: dict, spans: list, threshold: float, language: str) -> str:
        return previewed(document, kept(spans, threshold), served.values, language)

    return FileJob(
        keys=("text", "text_pair") if served.pairs else ("text",),
        find=labels,
        line=line,
        preview=preview,
        prefix="classify",
        threshold="least",
        api_name="classify_file",
    )
