"""The tabs of a token classifier: one text, and a file of texts."""

import gradio as gr
from documents import checked_text, checked_threshold
from file_tab import FileJob, build_file
from page import QUIET, Page
from result_tab import ResultTab, SliderField, TextField, build_result_tab
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
    refusal,
    safe,
    surroundings,
    table,
)

from kospan.modeling.colors import colours_of

# Characters of a document of a file that are shown.
PREVIEWED_CHARACTERS = 1000
TABLE = {
    "datatype": ["number", "number", "str", "str", "str"],
    "column_widths": ["10%", "10%", "18%", "47%", "15%"],
    "max_height": 420,
}

# Ids of the marginals and the attention.
INSIDE_VIEWS = ("heat", "gaze")

serves = ServedTokenClassification


def build(served: ServedTokenClassification, page: Page, examples: list[str] | None = None) -> None:
    """Build both tabs inside the page's tabs, and the endpoint /extract."""
    examples = [{"text": text} for text in examples or ()] or EXAMPLES["token-classification"][served.model.config.unit]
    colours = colours_of(served.labels)
    inside = (
        (lambda page, result, others: Inside(served, page, result, others, colours)) if served.has_inspect else None
    )
    with page.says(gr.Tab(id="text"), label="tab_text"):
        tab = ResultTab(
            fields=(TextField("text", "text", "text_hint"),),
            sliders=(SliderField("threshold", "threshold", "threshold_hint"),),
            button="find",
            examples=examples,
            examples_label="examples",
            find=lambda text: find(served, text),
            show=lambda result, threshold, language: show(served, result, threshold, colours, language),
            table=TABLE,
            inside=inside,
        )
        build_result_tab(page, tab)
        points = getattr(served.model.config, "operating_points", None) or {}
        if points:
            shown = gr.HTML(guarantees(points, DEFAULT), apply_default_css=False, elem_id="guarantees")
            page.draws(lambda language: guarantees(points, language), [], [shown])
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served, colours))
        gr.api(_endpoint(served), api_name="extract")


def guarantees(points: dict[str, dict], language: str) -> str:
    """The guarantee of each operating point of the model, with the call that returns its spans."""
    lines = [
        f"<p>{safe(point['guarantee']['wording'][language])} "
        f"<code>{safe(f'model.extract(text, operating_point={name!r})')}</code></p>"
        for name, point in points.items()
    ]
    return f'<div class="quiet">{"".join(lines)}</div>'


def find(served: ServedTokenClassification, text: str | None) -> dict:
    """A result as the page keeps it: the text and all its spans, or the reason why there is none."""
    try:
        text = checked_text(text)
        return {"text": text, "spans": served.extract([text])[0] if text.strip() else [], "refused": None}
    except InputError as refused:
        return {"text": "", "spans": [], "refused": (refused.key, refused.values)}


def show(served: ServedTokenClassification, result: dict, threshold: float, colours: dict, language: str) -> tuple:
    """All views of a result; the model does not run."""
    text, spans = result["text"], result["spans"]
    if result["refused"]:
        top = refusal(result["refused"], language)
    elif not text.strip():
        top = notice(say(language, "nothing"), "quiet")
    else:
        top = highlighted(text, spans, threshold, colours, language)
    rows, code = table(text, spans, threshold, language), as_python(served.loading, text, threshold)
    return top, rows, as_json(text, spans, threshold), code


def _endpoint(served: ServedTokenClassification):
    def extract(text: str, threshold: float = 0.0, language: str = DEFAULT) -> list[dict]:
        """The spans of a text: start, end, label, score; error messages are in `language`."""
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
        prefix="file",
        threshold="threshold",
        api_name="extract_file",
    )


class Inside:
    """The view of the model's inner values: tag marginals and attention for one entity.

    Args:
        served: The model.
        page: The page.
        result: The state that holds the result.
        others: The other views' tabs.
        colours: Label -> colour.
    """

    def __init__(self, served: ServedTokenClassification, page: Page, result: gr.State, others: tuple, colours: dict):
        self.served, self.colours = served, colours
        layers = served.layers
        options = places(result.value["text"], result.value["spans"], DEFAULT)
        with page.says(gr.Tab(id="inside"), label="view_inside") as tab:
            is_open = gr.State(False)
            with gr.Row():
                place = gr.Dropdown(options, value=options[0][1] if options else None, scale=4, elem_id="place")
                self.place = page.says(place, label="entity")
                layer = gr.Dropdown(_layers(layers, DEFAULT), value=0, scale=1, visible=layers > 1, elem_id="layer")
                page.says(layer, label="layer")
            views = [
                gr.HTML(apply_default_css=False, container=True, padding=True, elem_id=name) for name in INSIDE_VIEWS
            ]
        inputs = [result, self.place, layer, is_open]
        self._drawing = {
            "fn": self.draw,
            "inputs": [*inputs, page.language],
            "outputs": views,
            "show_progress": "minimal",
            "api_visibility": "private",
            "concurrency_limit": None,
        }
        for other in others:
            other.select(lambda: False, None, is_open, **QUIET)
        self.follow(tab.select(lambda: True, None, is_open, **QUIET))
        self.place.input(**self._drawing)
        layer.input(**self._drawing)
        page.draws(self.choices, [result, self.place], [self.place])
        page.draws(lambda language: gr.update(choices=_layers(layers, language)), [], [layer])
        page.draws(self.draw, inputs, views)

    def follow(self, event) -> None:
        """Draw again after an event."""
        event.then(**self._drawing)

    def choices(self, result: dict, place: str | None, language: str) -> dict:
        """The entities of a result to choose from; the chosen one stays if it is still there."""
        found = places(result["text"], result["spans"], language)
        kept = [value for _, value in found if value == place] or [value for _, value in found[:1]]
        return gr.update(choices=found, value=kept[0] if kept else None)

    def draw(self, result: dict, place: str | None, layer: int, is_open: bool, language: str) -> tuple:
        """Marginals and attention; only if the view is open."""
        if not is_open:
            return gr.skip(), gr.skip()
        start, end = _offsets(place, result)
        if start == end:
            return notice(say(language, "inside_empty"), "quiet"), ""
        first, last, was_cut = surroundings(result["text"], start, end)
        sentence = result["text"][first:last]
        chosen = max(0, start - first), min(len(sentence), end - first)
        try:
            inspection = self.served.inspect(sentence)
        except InputError as refused:
            return notice(refused.message(language)), ""
        note = say(language, "inside_note")
        if was_cut:
            note += " " + say(language, "inside_cut", limit=SENTENCE_CHARACTERS)
        # Without spans a whole sentence is chosen: nothing in it is framed.
        framed = chosen if result["spans"] else (0, 0)
        return (
            notice(note, "quiet") + marginals(inspection, self.colours, language, framed),
            attention(inspection, chosen, int(layer or 0), language, bool(result["spans"])),
        )


def _layers(count: int, language: str) -> list[tuple[str, int]]:
    return [(say(language, "mean"), 0)] + [(str(number), number) for number in range(1, count + 1)]


def _offsets(place: str | None, result: dict) -> tuple[int, int]:
    """The dropdown's value as offsets; the first span if it belongs to another text."""
    length = len(result["text"])
    try:
        start, end = (int(value) for value in str(place).split("-"))
        if 0 <= start < end <= length:
            return start, end
    except ValueError:
        pass
    found = places(result["text"], result["spans"], DEFAULT)
    return _offsets(found[0][1], result) if found else (0, 0)
