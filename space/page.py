"""The frame of the page: strings that follow the language, header, theme; and a tab builder's tools."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr
from served import WAITING, Served
from texts import DEFAULT, LANGUAGES, say
from views import safe

STYLE = Path(__file__).resolve().parent / "style.css"
# Fonts of the visitor's system: none is fetched.
FONTS = ["Pretendard", "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic", "system-ui"]
MONO = ["D2Coding", "ui-monospace", "Menlo", "Consolas", "Noto Sans Mono CJK KR", "monospace"]

# An event that needs no model: nothing is seen of it but what it fills.
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class Page:
    """What a tab builder gets: it says the strings of its components through this, and may ask to be drawn again.

    Args:
        language: The radio with the visitor's language.
    """

    def __init__(self, language: gr.Radio):
        self.language = language
        self._said: list[tuple[gr.blocks.Block, dict[str, tuple[str, dict]]]] = []
        self._drawn: list[tuple[Callable, list, list]] = []

    def says(self, component, **keys):
        """A component whose properties follow the language.

        Args:
            component: The Gradio component.
            keys: Property -> key in `TEXTS`, or `(key, values)`.

        Returns: The component.
        """
        full = {name: key if isinstance(key, tuple) else (key, {}) for name, key in keys.items()}
        self._said.append((component, full))
        for name, (key, values) in full.items():
            setattr(component, name, say(DEFAULT, key, **values))
        return component

    def draws(self, function: Callable, inputs: list, outputs: list) -> None:
        """Has `function(*inputs, language)` fill `outputs` again whenever the language changes."""
        self._drawn.append((function, inputs, outputs))

    def connect(self) -> None:
        """Lets the language radio do all of it, in one go. To be called once everything is built."""
        inputs = [each for _, needed, _ in self._drawn for each in needed]
        said, drawn = [each for each, _ in self._said], [each for *_, filled in self._drawn for each in filled]
        outputs = list(dict.fromkeys(said + drawn))

        def speak(language: str, *values) -> list:
            given = iter(values)
            new = {
                component: gr.update(**{name: say(language, key, **inner) for name, (key, inner) in keys.items()})
                for component, keys in self._said
            }
            for function, needed, filled in self._drawn:
                drawn = function(*[next(given) for _ in needed], language)
                for component, value in zip(filled, drawn if isinstance(drawn, tuple) else (drawn,)):
                    # What is both said and drawn gets both.
                    value = value if _is_update(value) else gr.update(value=value)
                    new[component] = {**new.get(component, {}), **value}
            return [new[component] for component in outputs]

        self.language.change(
            speak,
            [self.language, *inputs],
            outputs,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="always_last",
        )


def _is_update(value) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update"


def header(name: str, served: Served, language: str) -> str:
    """The page's head: what it does, and with which model."""
    facts = "".join(f"<span>{safe(say(language, key, **values))}</span>" for key, values in served.facts)
    return (
        f'<div class="head"><h1>{safe(say(language, served.title))}</h1><p>{safe(say(language, served.lead))}</p>'
        f'<p class="facts"><span>{safe(say(language, "model"))} <b>{safe(name)}</b></span>{facts}</p></div>'
    )


def build_page(served: Served, build_tabs: Callable, examples: list | None = None) -> gr.Blocks:
    """The whole page.

    Args:
        served: The model.
        build_tabs: Called with `(served, page, examples)` inside the page's tabs; builds those of the model's task.
        examples: What there is to click; None takes what suits the model.
    """
    shown = Path(served.name).name if Path(served.name).exists() else served.name
    with gr.Blocks(title="kospan", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        with gr.Row(elem_id="top"):
            head = gr.HTML(
                header(shown, served, DEFAULT),
                apply_default_css=False,
                elem_id="head",
                scale=1,
                min_width=300,
            )
            language = gr.Radio(
                [(name, key) for key, name in LANGUAGES.items()],
                value=DEFAULT,
                show_label=False,
                container=False,
                elem_id="language",
                min_width=190,
                scale=0,
            )
        page = Page(language)
        page.draws(lambda spoken: header(shown, served, spoken), [], [head])
        with gr.Tabs(elem_id="tasks"):
            build_tabs(served, page, examples)
        page.connect()
        blocks.load(_asked, None, language, queue=False, show_progress="hidden", api_visibility="private")
    return blocks


def _asked(request: gr.Request):
    """The language of `?lang=en`."""
    asked = str(request.query_params.get("lang", "")).lower()[:2] if request else ""
    return asked if asked in LANGUAGES else gr.skip()


def theme() -> gr.Theme:
    """Gradio's own look in calm colours, with fonts of the visitor's system."""
    return gr.themes.Soft(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=MONO, radius_size="md"
    ).set(
        body_background_fill="#f6f7fb",
        block_shadow="0 1px 2px rgb(15 23 42 / 0.06)",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
        block_label_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
    )


def launch(blocks: gr.Blocks, port: int, share: bool = False, waiting: int = WAITING, wait: bool = True) -> None:
    """Serves the page.

    Args:
        blocks: The page.
        port: Port of the server; None for any free one.
        share: Whether to open a public link.
        waiting: Calls that the model's line holds; gradio's own queue holds a few times as many.
        wait: Until the process is ended; False goes on in a thread.
    """
    # Our own line refuses in the visitor's language; gradio's queue stands before it as a wall against floods.
    blocks.queue(max_size=4 * waiting, default_concurrency_limit=None)
    blocks.launch(
        server_port=port,
        share=share,
        theme=theme(),
        css_paths=STYLE,
        footer_links=["api"],
        max_threads=2 * waiting,
        max_file_size="5mb",
        ssr_mode=False,
        show_error=False,
        prevent_thread_lock=not wait,
        # gradio looks at its own page, and gives up where a busy machine has not drawn it within three seconds.
        _frontend=False,
    )
