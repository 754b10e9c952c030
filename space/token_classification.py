"""The tabs of a tagger: one text, and a file of texts."""

import gradio as gr
from documents import checked_text, checked_threshold
from file_tab import FileJob, build_file
from page import QUIET, Page
from served import ServedTokenClassification
from texts import DEFAULT, EXAMPLES, InputError, say
from views import (
    SENTENCE_CHARACTERS,
    as_json,
    as_python,
    attention,
    highlighted,
    marginals,
    notice,
    places,
    record,
    surroundings,
    table,
)

from kospan.modeling.colors import colours_of

# Of a document of a file so much is shown.
PREVIEWED_CHARACTERS = 1000

serves = ServedTokenClassification


def build(served: ServedTokenClassification, page: Page, examples: list[str] | None = None) -> None:
    """Builds both tabs inside the page's tabs, and the endpoint /extract."""
    examples = examples or EXAMPLES[served.model.config.unit]
    colours = colours_of(served.labels)
    with page.says(gr.Tab(id="text"), label="tab_text"):
        _build_text(served, page, examples, colours)
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served, colours))
        gr.api(_endpoint(served), api_name="extract")


def find(served: ServedTokenClassification, text: str | None) -> dict:
    """A result as the page keeps it: the text and all its spans, or the reason why there is none."""
    try:
        text = checked_text(text)
        return {"text": text, "spans": served.extract([text])[0] if text.strip() else [], "refused": None}
    except InputError as refused:
        return {"text": "", "spans": [], "refused": (refused.key, refused.values)}


def _endpoint(served: ServedTokenClassification):
    def extract(text: str, threshold: float = 0.0, language: str = DEFAULT) -> list[dict]:
        """The spans of a text: start, end, label, score; refusals come in `language`."""
        try:
            checked = checked_text(text)
            least = checked_threshold(threshold)
            spans = served.extract([checked])[0] if checked.strip() else []
        except InputError as refused:
            raise gr.Error(refused.message(str(language)), print_exception=False) from None
        return record(checked, spans, least)["spans"]

    return extract


def _file_job(served: ServedTokenClassification, colours: dict) -> FileJob:
    def preview(document: dict, spans: list, threshold: float, language: str) -> str:
        inside = [span for span in spans if span[1] <= PREVIEWED_CHARACTERS]
        return highlighted(document["text"][:PREVIEWED_CHARACTERS], inside, threshold, colours, language)

    return FileJob(
        keys=("text",),
        find=lambda documents: served.extract([document["text"] for document in documents], patient=True),
        line=lambda document, spans, threshold: record(document["text"], spans, threshold, id=document["id"]),
        preview=preview,
        says={
            "find": "file_find",
            "limits": "file_limits",
            "threshold": "threshold",
            "progress": "file_progress",
            "done": "file_done",
        },
        api_name="extract_file",
    )


# --- one text ---------------------------------------------------------------------------------------------------------


def _build_text(served: ServedTokenClassification, page: Page, examples: list[str], colours: dict) -> None:
    first = find(served, examples[0])

    def shown(result: dict, threshold: float, language: str) -> tuple:
        """Everything that a result is shown as, without the model."""
        text, spans = result["text"], result["spans"]
        if result["refused"]:
            key, values = result["refused"]
            top = notice(InputError(key, **values).message(language))
        elif not text.strip():
            top = notice(say(language, "nothing"), "quiet")
        else:
            top = highlighted(text, spans, threshold, colours, language)
        return (
            top,
            table(text, spans, threshold, language),
            as_json(text, spans, threshold),
            as_python(served.loading, text, threshold),
        )

    def choices(result: dict, place: str | None, language: str) -> dict:
        found = places(result["text"], result["spans"], language)
        kept = [value for _, value in found if value == place] or [value for _, value in found[:1]]
        return gr.update(choices=found, value=kept[0] if kept else None)

    def look(result: dict, place: str | None, layer: int, is_open: bool, language: str) -> tuple:
        """The two views of the model's inner values; only where somebody sees them."""
        if not is_open:
            return gr.skip(), gr.skip()
        start, end = _place(place, result)
        if start == end:
            return notice(say(language, "inside_empty"), "quiet"), ""
        first, last, was_cut = surroundings(result["text"], start, end)
        sentence = result["text"][first:last]
        chosen = max(0, start - first), min(len(sentence), end - first)
        try:
            seen = served.inspect(sentence)
        except InputError as refused:
            return notice(refused.message(language)), ""
        note = say(language, "inside_note")
        if was_cut:
            note += " " + say(language, "inside_cut", limit=SENTENCE_CHARACTERS)
        # Without spans a whole sentence is chosen: nothing in it is to be framed.
        framed = chosen if result["spans"] else (0, 0)
        return (
            notice(note, "quiet") + marginals(seen, colours, language, framed),
            attention(seen, chosen, int(layer or 0), language, bool(result["spans"])),
        )

    page_language, start = page.language, shown(first, 0.0, DEFAULT)
    result = gr.State(first)
    is_open = gr.State(False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            text = page.says(
                gr.Textbox(examples[0], lines=7, max_lines=14, elem_id="text"), label="text", placeholder="text_hint"
            )
            with gr.Row():
                clear = page.says(gr.Button(min_width=80, scale=1, elem_id="clear"), value="clear")
                run = page.says(gr.Button(variant="primary", min_width=80, scale=2, elem_id="find"), value="find")
        with gr.Column(scale=7, min_width=320):
            top = gr.HTML(start[0], apply_default_css=False, container=True, padding=True, elem_id="result")
            threshold = page.says(
                gr.Slider(0, 1, value=0, step=0.01, elem_id="threshold"), label="threshold", info="threshold_hint"
            )
    offered = page.says(
        gr.Dataset(components=[gr.Textbox(visible=False)], samples=[[each] for each in examples], elem_id="examples"),
        label="examples",
    )
    with gr.Tabs(elem_id="views"):
        with page.says(gr.Tab(id="table"), label="view_table") as table_tab:
            rows = gr.Dataframe(
                start[1],
                datatype=["number", "number", "str", "str", "str"],
                type="array",
                interactive=False,
                wrap=True,
                show_label=False,
                column_widths=["10%", "10%", "18%", "47%", "15%"],
                max_height=420,
                elem_id="rows",
            )
        with page.says(gr.Tab(id="json"), label="view_json") as json_tab:
            as_text = page.says(gr.Code(start[2], language="json", wrap_lines=True, elem_id="json"), label="json")
        with page.says(gr.Tab(id="python"), label="view_python") as python_tab:
            code = page.says(gr.Code(start[3], language="python", wrap_lines=True, elem_id="python"), label="python")
        with page.says(gr.Tab(id="inside", visible=served.looks_inside), label="view_inside") as inside_tab:
            layers = served.layers
            with gr.Row():
                options = places(first["text"], first["spans"], DEFAULT)
                place = page.says(
                    gr.Dropdown(options, value=options[0][1] if options else None, scale=4, elem_id="place"),
                    label="entity",
                )
                layer = page.says(
                    gr.Dropdown(_layers(layers, DEFAULT), value=0, scale=1, visible=layers > 1, elem_id="layer"),
                    label="layer",
                )
            heat = gr.HTML(apply_default_css=False, container=True, padding=True, elem_id="heat")
            gaze = gr.HTML(apply_default_css=False, container=True, padding=True, elem_id="gaze")

    views = [top, rows, as_text, code]
    looking = {"fn": look, "inputs": [result, place, layer, is_open, page_language], "outputs": [heat, gaze]}
    seeing = {"show_progress": "minimal", "api_visibility": "private", "concurrency_limit": None}

    def find_and_show(text: str, threshold: float, language: str) -> tuple:
        found = find(served, text)
        return found, choices(found, None, language), *shown(found, threshold, language)

    finding = {
        "fn": find_and_show,
        "inputs": [text, threshold, page_language],
        "outputs": [result, place, *views],
        "concurrency_limit": None,
        "show_progress": "minimal",
        "show_progress_on": top,
        "api_visibility": "private",
    }
    run.click(**finding).then(**looking, **seeing)
    text.submit(**finding).then(**looking, **seeing)
    offered.click(lambda sample: sample[0], offered, text, **QUIET).then(**finding).then(**looking, **seeing)
    clear.click(lambda: "", None, text, **QUIET)
    threshold.change(shown, [result, threshold, page_language], views, trigger_mode="always_last", **QUIET)
    for tab in (table_tab, json_tab, python_tab):
        tab.select(lambda: False, None, is_open, **QUIET)
    inside_tab.select(lambda: True, None, is_open, **QUIET).then(**looking, **seeing)
    place.input(**looking, **seeing)
    layer.input(**looking, **seeing)
    page.draws(shown, [result, threshold], views)
    page.draws(choices, [result, place], [place])
    page.draws(lambda language: gr.update(choices=_layers(layers, language)), [], [layer])
    page.draws(look, [result, place, layer, is_open], [heat, gaze])


def _layers(count: int, language: str) -> list[tuple[str, int]]:
    return [(say(language, "mean"), 0)] + [(str(number), number) for number in range(1, count + 1)]


def _place(place: str | None, result: dict) -> tuple[int, int]:
    """What the dropdown holds as offsets; the first span where it holds another text's."""
    length = len(result["text"])
    try:
        start, end = (int(value) for value in str(place).split("-"))
        if 0 <= start < end <= length:
            return start, end
    except ValueError:
        pass
    found = places(result["text"], result["spans"], DEFAULT)
    return _place(found[0][1], result) if found else (0, 0)
