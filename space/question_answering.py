"""The tabs of a reader: one question to a text, and a file of questions."""

import gradio as gr
from documents import MOST_ANSWERS, checked_count, checked_document, checked_question, checked_threshold
from file_tab import FileJob, build_file
from page import QUIET, Page
from question_answering_texts import QUESTIONS
from question_answering_views import answer_python, answers_table, chosen, marked, previewed, reply, strip, told
from served import ServedQuestionAnswering
from texts import DEFAULT, InputError
from views import as_json, notice, record

from kospan.modeling.colors import colours_of

# The page opens with so many answers.
COUNT = 3

serves = ServedQuestionAnswering


def build(served: ServedQuestionAnswering, page: Page, examples: list[dict] | None = None) -> None:
    """Builds both tabs inside the page's tabs, and the endpoint /answer.

    Raises: ValueError where an example is not a question with its text.
    """
    examples = checked_examples(examples) or QUESTIONS[served.model.config.unit]
    with page.says(gr.Tab(id="question"), label="tab_question"):
        _build_question(served, page, examples)
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served))
        gr.api(_endpoint(served), api_name="answer")


def checked_examples(examples: list | None) -> list[dict]:
    """The examples that space.json names. Raises: ValueError where one is not a question with its text."""
    for example in examples or []:
        try:
            checked_question(example["question"]), checked_document(example["text"])
        except (TypeError, KeyError, InputError) as error:
            raise ValueError(
                f'expected examples such as {{"question": "...", "text": "..."}} for a reader, got {example!r:.80}; '
                "mend space.json"
            ) from error
    return list(examples or [])


def find(served: ServedQuestionAnswering, question: str | None, text: str | None) -> dict:
    """A result as the page keeps it: all the answers that it may show, or the reason why there is none."""
    try:
        question, text = checked_question(question), checked_document(text)
        [read] = served.answer([question], [text], MOST_ANSWERS)
        return {"question": question, "text": text, "refused": None, **read._asdict()}
    except InputError as refused:
        nothing = {"answers": [], "starts": [], "ends": [], "null": 0.0}
        return {"question": "", "text": "", "refused": (refused.key, refused.values), **nothing}


def _endpoint(served: ServedQuestionAnswering):
    def answer(
        question: str, context: str, top_k: int = 1, threshold: float = 0.0, language: str = DEFAULT
    ) -> list[dict]:
        """Answer a question: spans, best first; one from 0 to 0 means that there is none. Errors are in `language`."""
        try:
            asked, text = checked_question(question), checked_document(context)
            count, least = checked_count(top_k), checked_threshold(threshold)
            [read] = served.answer([asked], [text], count, least)
        except InputError as refused:
            raise gr.Error(refused.message(str(language)), print_exception=False) from None
        return record(text, read.answers)["spans"]

    return answer


# --- one question -----------------------------------------------------------------------------------------------------


def _build_question(served: ServedQuestionAnswering, page: Page, examples: list[dict]) -> None:
    first = find(served, examples[0]["question"], examples[0]["text"])
    label = served.model.config.id2label[0]
    colour = colours_of([label])[label]

    def shown(result: dict, count: int, least: float, language: str) -> tuple:
        """Everything that a result is shown as, without the model."""
        question, text = result["question"], result["text"]
        answers = chosen(result["answers"], int(count), least)
        if result["refused"]:
            key, values = result["refused"]
            top = notice(InputError(key, **values).message(language))
        else:
            top = reply(text, answers, result["null"], language) + marked(text, answers, colour, language)
        return (
            top,
            strip(text, answers, result["starts"], result["ends"], language),
            answers_table(text, answers, language),
            as_json(text, told(answers), 0.0, question=question),
            answer_python(served.loading, question, text, int(count), least),
        )

    start = shown(first, COUNT, 0.0, DEFAULT)
    result = gr.State(first)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            question = page.says(
                gr.Textbox(examples[0]["question"], lines=1, max_lines=1, elem_id="question"),
                label="question",
                placeholder="question_hint",
            )
            text = page.says(
                gr.Textbox(examples[0]["text"], lines=7, max_lines=14, elem_id="text"),
                label="document",
                placeholder="document_hint",
            )
            with gr.Row():
                clear = page.says(gr.Button(min_width=80, scale=1, elem_id="clear"), value="clear")
                run = page.says(gr.Button(variant="primary", min_width=80, scale=2, elem_id="find"), value="answer")
        with gr.Column(scale=7, min_width=320):
            top = gr.HTML(start[0], apply_default_css=False, container=True, padding=True, elem_id="result")
            with gr.Row():
                count = page.says(
                    gr.Slider(1, MOST_ANSWERS, value=COUNT, step=1, min_width=200, elem_id="count"),
                    label="count",
                    info="count_hint",
                )
                least = page.says(
                    gr.Slider(0, 1, value=0, step=0.01, min_width=200, elem_id="threshold"),
                    label="least",
                    info="least_hint",
                )
    offered = page.says(
        gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[each["question"]] for each in examples],
            type="index",
            elem_id="examples",
        ),
        label="question_examples",
    )
    under = gr.HTML(start[1], apply_default_css=False, container=True, padding=True, elem_id="strip")
    with gr.Tabs(elem_id="views"):
        with page.says(gr.Tab(id="table"), label="view_table"):
            rows = gr.Dataframe(
                start[2],
                datatype=["number", "str", "str", "str", "str"],
                type="array",
                interactive=False,
                wrap=True,
                show_label=False,
                column_widths=["9%", "45%", "12%", "12%", "22%"],
                max_height=460,
                elem_id="rows",
            )
        with page.says(gr.Tab(id="json"), label="view_json"):
            as_text = page.says(gr.Code(start[3], language="json", wrap_lines=True, elem_id="json"), label="json")
        with page.says(gr.Tab(id="python"), label="view_python"):
            code = page.says(gr.Code(start[4], language="python", wrap_lines=True, elem_id="python"), label="python")

    views = [top, under, rows, as_text, code]

    def find_and_show(question: str, text: str, count: int, least: float, language: str) -> tuple:
        found = find(served, question, text)
        return found, *shown(found, count, least, language)

    finding = {
        "fn": find_and_show,
        "inputs": [question, text, count, least, page.language],
        "outputs": [result, *views],
        "concurrency_limit": None,
        "show_progress": "minimal",
        "show_progress_on": top,
        "api_visibility": "private",
    }
    run.click(**finding)
    question.submit(**finding)
    text.submit(**finding)

    def pick(at: int) -> tuple[str, str]:
        return examples[at]["question"], examples[at]["text"]

    offered.click(pick, offered, [question, text], **QUIET).then(**finding)
    clear.click(lambda: ("", ""), None, [question, text], **QUIET)
    showing = {"fn": shown, "inputs": [result, count, least, page.language], "outputs": views}
    for slider in (count, least):
        slider.change(**showing, trigger_mode="always_last", **QUIET)
    page.draws(shown, [result, count, least], views)


# --- a file of questions ----------------------------------------------------------------------------------------------


def _file_job(served: ServedQuestionAnswering) -> FileJob:
    label = served.model.config.id2label[0]
    colour = colours_of([label])[label]

    def answers(documents: list[dict]) -> list:
        asked = [document["question"] for document in documents]
        found = served.answer(asked, [document["text"] for document in documents], 1, patient=True)
        return [told(read.answers) for read in found]

    def preview(document: dict, spans: list, least: float, language: str) -> str:
        return previewed(document["question"], document["text"], chosen(spans, 1, least), colour, language)

    def line(document: dict, spans: list, least: float) -> dict:
        return record(document["text"], spans, least, id=document["id"], question=document["question"])

    return FileJob(
        keys=("question", "text"),
        find=answers,
        line=line,
        preview=preview,
        says={
            "find": "questions_find",
            "limits": "questions_limits",
            "threshold": "least",
            "progress": "questions_progress",
            "done": "questions_done",
        },
        api_name="answer_file",
    )
