"""The tabs of a question answering model: one question about a document, and a file of questions."""

import gradio as gr
from documents import MOST_ANSWERS, checked_count, checked_document, checked_question, checked_threshold
from file_tab import FileJob, build_file
from page import Page
from question_answering_views import answer_python, answers_table, chosen, marked, previewed, reply, stated, strip
from result_tab import ResultTab, SliderField, TextField, build_result_tab
from served import ServedQuestionAnswering
from texts import DEFAULT, EXAMPLES, InputError
from views import as_json, record, refusal

from kospan.modeling.colors import Color, colours_of

# Answers that are shown at first.
COUNT = 3
TABLE = {
    "datatype": ["number", "str", "str", "str", "str"],
    "column_widths": ["9%", "45%", "12%", "12%", "22%"],
    "max_height": 460,
}

serves = ServedQuestionAnswering


def build(served: ServedQuestionAnswering, page: Page, examples: list[dict] | None = None) -> None:
    """Build both tabs inside the page's tabs, and the endpoint /answer.

    Raises:
        ValueError: If an example is not a question with its text.
    """
    label = served.model.config.id2label[0]
    colour = colours_of([label])[label]
    with page.says(gr.Tab(id="question"), label="tab_question"):
        tab = ResultTab(
            fields=(
                TextField("question", "question", "question_hint", lines=1, most=1),
                TextField("text", "document", "document_hint"),
            ),
            sliders=(
                SliderField("count", "count", "count_hint", 1, MOST_ANSWERS, COUNT, 1),
                SliderField("threshold", "least", "least_hint"),
            ),
            button="answer",
            examples=checked_examples(examples) or EXAMPLES["question-answering"][served.model.config.unit],
            examples_label="question_examples",
            find=lambda question, text: find(served, question, text),
            show=lambda result, count, least, language: show(served, result, int(count), least, colour, language),
            table=TABLE,
            has_strip=True,
        )
        build_result_tab(page, tab)
    with page.says(gr.Tab(id="file"), label="tab_file"):
        build_file(served, page, _file_job(served, colour))
        gr.api(_endpoint(served), api_name="answer")


def checked_examples(examples: list | None) -> list[dict]:
    """The examples of space.json.

    Raises:
        ValueError: If one is not a question with its text.
    """
    for example in examples or []:
        try:
            checked_question(example["question"]), checked_document(example["text"])
        except (TypeError, KeyError, InputError) as error:
            raise ValueError(
                'expected examples such as {"question": "...", "text": "..."} for question answering, got '
                f"{example!r:.80}; correct space.json"
            ) from error
    return list(examples or [])


def find(served: ServedQuestionAnswering, question: str | None, text: str | None) -> dict:
    """A result as the page keeps it: all answers that it may show, or the reason why there is none."""
    try:
        question, text = checked_question(question), checked_document(text)
        [answer] = served.answer([question], [text], MOST_ANSWERS)
        return {"question": question, "text": text, "refused": None, **answer._asdict()}
    except InputError as refused:
        nothing = {"answers": [], "starts": [], "ends": [], "null": 0.0}
        return {"question": "", "text": "", "refused": (refused.key, refused.values), **nothing}


def show(
    served: ServedQuestionAnswering, result: dict, count: int, least: float, colour: Color, language: str
) -> tuple:
    """All views of a result; the model does not run."""
    question, text = result["question"], result["text"]
    answers = chosen(result["answers"], count, least)
    if result["refused"]:
        top = refusal(result["refused"], language)
    else:
        top = reply(text, answers, result["null"], language) + marked(text, answers, colour, language)
    return (
        top,
        strip(text, answers, result["starts"], result["ends"], language),
        answers_table(text, answers, language),
        as_json(text, stated(answers), 0.0, question=question),
        answer_python(served.loading, question, text, count, least),
    )


def _endpoint(served: ServedQuestionAnswering):
    def answer(
        question: str, context: str, top_k: int = 1, threshold: float = 0.0, language: str = DEFAULT
    ) -> list[dict]:
        """The answers to a question, best first: start, end, label, score; one from 0 to 0 means that there is none.

        Error messages are in `language`.
        """
        try:
            asked, text = checked_question(question), checked_document(context)
            count, least = checked_count(top_k), checked_threshold(threshold)
            [found] = served.answer([asked], [text], count, least)
        except InputError as refused:
            raise gr.Error(refused.message(str(language)), print_exception=False) from None
        return record(text, found.answers)["spans"]

    return answer


def _file_job(served: ServedQuestionAnswering, colour: Color) -> FileJob:
    def answers(documents: list[dict]) -> list:
        questions = [document["question"] for document in documents]
        found = served.answer(questions, [document["text"] for document in documents], 1, patient=True)
        return [stated(each.answers) for each in found]

    def preview(document: dict, spans: list, least: float, language: str) -> str:
        return previewed(document["question"], document["text"], chosen(spans, 1, least), colour, language)

    def line(document: dict, spans: list, least: float) -> dict:
        return record(document["text"], spans, least, id=document["id"], question=document["question"])

    return FileJob(
        keys=("question", "text"),
        find=answers,
        line=line,
        preview=preview,
        prefix="questions",
        threshold="least",
        api_name="answer_file",
    )
