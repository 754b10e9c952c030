"""The tab for one input: text boxes, a result, and its views as table, JSON and Python code."""

from collections.abc import Callable
from typing import NamedTuple

import gradio as gr
from page import QUIET, Page
from texts import DEFAULT


class TextField(NamedTuple):
    """A text box.

    Args:
        name: Key of its value in an example, and its id.
        label: Key of its label.
        hint: Key of its placeholder.
        lines: Lines of the empty box.
        most: Lines at most.
    """

    name: str
    label: str
    hint: str
    lines: int = 7
    most: int = 14


class SliderField(NamedTuple):
    """A slider whose value changes what is shown, without running the model.

    Args:
        id: Its id.
        label: Key of its label.
        hint: Key of the line under it.
        low, high, value, step: Its range.
    """

    id: str
    label: str
    hint: str
    low: float = 0
    high: float = 1
    value: float = 0
    step: float = 0.01


class ResultTab(NamedTuple):
    """Contents of the tab.

    Args:
        fields: The inputs; the first one is shown for each example.
        sliders: Sliders beside the result.
        button: Key of the button's text.
        examples: Dicts with the values of the fields.
        examples_label: Key of the examples' label.
        find: Values of the fields -> a result, which the page keeps; it may run the model.
        show: `(result, *slider values, language)` -> HTML, HTML of the strip if there is one, table, JSON, Python.
        table: Properties of the table.
        has_strip: Whether there is HTML between inputs and views.
        inside: Builds one more view, see `token_classification.Inside`; None builds none.
    """

    fields: tuple[TextField, ...]
    sliders: tuple[SliderField, ...]
    button: str
    examples: list[dict]
    examples_label: str
    find: Callable
    show: Callable
    table: dict
    has_strip: bool = False
    inside: Callable | None = None


def build_result_tab(page: Page, tab: ResultTab) -> None:
    """Build the tab inside an open `gr.Tab`."""
    first = tab.find(*_values(tab, 0))
    shown = tab.show(first, *(slider.value for slider in tab.sliders), DEFAULT)
    result = gr.State(first)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            inputs = [_text_box(page, field, value) for field, value in zip(tab.fields, _values(tab, 0))]
            with gr.Row():
                clear = page.says(gr.Button(min_width=80, scale=1, elem_id="clear"), value="clear")
                run = page.says(gr.Button(variant="primary", min_width=80, scale=2, elem_id="find"), value=tab.button)
        with gr.Column(scale=7, min_width=320):
            top = _html(shown[0], "result")
            with gr.Row():
                sliders = [_slider(page, slider) for slider in tab.sliders]
    samples = [[example[tab.fields[0].name]] for example in tab.examples]
    offered = gr.Dataset(components=[gr.Textbox(visible=False)], samples=samples, type="index", elem_id="examples")
    page.says(offered, label=tab.examples_label)
    views = [top, *([_html(shown[1], "strip")] if tab.has_strip else [])]
    with gr.Tabs(elem_id="views"):
        with page.says(gr.Tab(id="table"), label="view_table") as table_tab:
            settings = {"type": "array", "interactive": False, "wrap": True, "show_label": False}
            views.append(gr.Dataframe(shown[-3], elem_id="rows", **settings, **tab.table))
        with page.says(gr.Tab(id="json"), label="view_json") as json_tab:
            views.append(page.says(gr.Code(shown[-2], language="json", wrap_lines=True, elem_id="json"), label="json"))
        with page.says(gr.Tab(id="python"), label="view_python") as python_tab:
            code = gr.Code(shown[-1], language="python", wrap_lines=True, elem_id="python")
            views.append(page.says(code, label="python"))
        inside = tab.inside(page, result, (table_tab, json_tab, python_tab)) if tab.inside else None

    def find_and_show(*values) -> tuple:
        *values, language = values
        found = tab.find(*values[: len(inputs)])
        choices = inside.choices(found, None, language) if inside else None
        return found, *([choices] if inside else []), *tab.show(found, *values[len(inputs) :], language)

    finding = {
        "fn": find_and_show,
        "inputs": [*inputs, *sliders, page.language],
        "outputs": [result, *([inside.place] if inside else []), *views],
        "concurrency_limit": None,
        "show_progress": "minimal",
        "show_progress_on": top,
        "api_visibility": "private",
    }
    picked = offered.click(lambda at: _outputs(_values(tab, at)), offered, inputs, **QUIET)
    for event in (run.click, *(text.submit for text in inputs), picked.then):
        found = event(**finding)
        if inside:
            inside.follow(found)
    clear.click(lambda: _outputs([""] * len(inputs)), None, inputs, **QUIET)
    for slider in sliders:
        given = [result, *sliders, page.language]
        slider.change(tab.show, given, views, trigger_mode="always_last", **QUIET)
    page.draws(tab.show, [result, *sliders], views)


def _values(tab: ResultTab, at: int) -> list[str]:
    """An example's values of the fields."""
    return [tab.examples[at].get(field.name, "") for field in tab.fields]


def _outputs(values: list):
    """Values as gradio takes them: one alone is no list."""
    return values if len(values) > 1 else values[0]


def _text_box(page: Page, field: TextField, value: str) -> gr.Textbox:
    box = gr.Textbox(value, lines=field.lines, max_lines=field.most, elem_id=field.name)
    return page.says(box, label=field.label, placeholder=field.hint)


def _slider(page: Page, field: SliderField) -> gr.Slider:
    slider = gr.Slider(field.low, field.high, value=field.value, step=field.step, min_width=200, elem_id=field.id)
    return page.says(slider, label=field.label, info=field.hint)


def _html(value: str, name: str) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, container=True, padding=True, elem_id=name)
