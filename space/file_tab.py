"""The tab for a file of documents, for any task."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from documents import DOCUMENT_CHARACTERS, FILE_BYTES, FILE_LINES, QUESTION_CHARACTERS, form, portions, read_documents
from page import Page
from served import Served
from texts import DEFAULT, InputError, say
from views import Spans, notice, refusal

# Documents of a file that are shown.
PREVIEWED = 5


class FileJob(NamedTuple):
    """Processing of a file's documents.

    Args:
        keys: Keys of a document, see `documents.read_documents`.
        find: Documents -> the spans of each; waits for the model.
        line: `(document, spans, threshold)` -> the written record.
        preview: `(document, spans, threshold, language)` -> HTML.
        prefix: Prefix of the keys of its strings: `_find`, `_limits`, `_progress`, `_done`.
        threshold: Key of the slider's label.
        api_name: Its endpoint.
    """

    keys: tuple[str, ...]
    find: Callable[[list[dict]], list[Spans]]
    line: Callable[[dict, Spans, float], dict]
    preview: Callable[[dict, Spans, float, str], str]
    prefix: str
    threshold: str
    api_name: str


def build_file(served: Served, page: Page, job: FileJob) -> None:
    """Build the tab: upload, download as JSON Lines, and a preview of the first documents."""
    limits = {
        "megabytes": f"{FILE_BYTES / 1e6:g}",
        "lines": FILE_LINES,
        "characters": DOCUMENT_CHARACTERS,
        "question": QUESTION_CHARACTERS,
        "form": form(job.keys),
    }

    def limited(language: str) -> str:
        return notice(say(language, f"{job.prefix}_limits", **limits), "quiet")

    def shown(summary: dict | None, language: str) -> str:
        """The summary of the file, and its first documents."""
        if summary is None:
            return notice(say(language, "file_waiting"), "quiet")
        if summary["refused"]:
            return refusal(summary["refused"], language)
        counts = say(language, f"{job.prefix}_done", documents=summary["documents"], spans=summary["spans"])
        return notice(counts, "quiet") + "".join(
            job.preview(document, spans, summary["threshold"], language) for document, spans in summary["first"]
        )

    def find_all(path: str | None, threshold: float, language: str, progress=gr.Progress()):  # noqa: B008
        """The file's documents with their spans as a file to download, and a preview."""
        if not served.files.acquire(blocking=False):
            summary = {"refused": ("busy", {})}
            yield gr.update(value=None, visible=False), summary, shown(summary, language)
            return
        try:
            documents = read_documents(path, job.keys)
            found: list = []
            for portion in portions(documents):
                found += job.find(portion)
                done = say(language, f"{job.prefix}_progress", done=len(found), total=len(documents))
                progress((len(found), len(documents)), desc=done)
            lines = [job.line(document, spans, threshold) for document, spans in zip(documents, found)]
            summary = {
                "refused": None,
                "threshold": threshold,
                "documents": len(documents),
                "spans": sum(len(line["spans"]) for line in lines),
                "first": list(zip(documents[:PREVIEWED], found)),
            }
            # Gradio copies the file before it continues after the yield.
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "spans.jsonl"
                written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                target.write_text(written, encoding="utf-8", newline="\n")
                yield gr.update(value=str(target), visible=True), summary, shown(summary, language)
        except InputError as refused:
            summary = {"refused": (refused.key, refused.values)}
            yield gr.update(value=None, visible=False), summary, shown(summary, language)
        finally:
            served.files.release()

    kept = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            file = page.says(gr.File(type="filepath", height=150, elem_id="upload"), label="file")
            threshold = page.says(gr.Slider(0, 1, value=0, step=0.01, elem_id="file-threshold"), label=job.threshold)
            run = page.says(gr.Button(variant="primary", elem_id="file-find"), value=f"{job.prefix}_find")
            note = gr.HTML(limited(DEFAULT), apply_default_css=False)
        with gr.Column(scale=7, min_width=320):
            result = page.says(gr.File(interactive=False, visible=False, elem_id="download"), label="result_file")
            top = gr.HTML(
                shown(None, DEFAULT),
                apply_default_css=False,
                container=True,
                elem_id="preview",
            )
    run.click(
        find_all,
        [file, threshold, page.language],
        [result, kept, top],
        concurrency_limit=None,
        show_progress="full",
        show_progress_on=top,
        api_name=job.api_name,
    )
    page.draws(shown, [kept], [top])
    page.draws(limited, [], [note])
