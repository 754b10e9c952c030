"""The tab of a tagger for a file of texts."""

import json
import tempfile
from pathlib import Path

import gradio as gr
from documents import DOCUMENT_CHARACTERS, FILE_BYTES, FILE_LINES, portions, read_documents
from page import Page
from served import Served
from texts import DEFAULT, Refused, say
from views import highlighted, notice, record

# Of a file so many documents are shown, and so much of each.
PREVIEWED, PREVIEWED_CHARACTERS = 5, 1000


def build_file(served: Served, page: Page, colours: dict) -> None:
    """A file in, JSON Lines out, with a look at the first documents."""
    limits = {"megabytes": f"{FILE_BYTES / 1e6:g}", "lines": FILE_LINES, "characters": DOCUMENT_CHARACTERS}

    def shown(summary: dict | None, language: str) -> str:
        """What is said about the file, and its first documents."""
        if summary is None:
            return notice(say(language, "file_waiting"), "quiet")
        if summary["refused"]:
            key, values = summary["refused"]
            return notice(Refused(key, **values).message(language))
        counts = notice(say(language, "file_done", documents=summary["documents"], spans=summary["spans"]), "quiet")
        return counts + "".join(
            highlighted(text, spans, summary["threshold"], colours, language) for text, spans in summary["first"]
        )

    def find_all(path: str | None, threshold: float, language: str, progress=gr.Progress()):  # noqa: B008
        """The file's documents with their spans as a file to download, and the first few to look at."""
        if not served.files.acquire(blocking=False):
            summary = {"refused": ("busy", {})}
            yield gr.update(value=None, visible=False), summary, shown(summary, language)
            return
        try:
            documents = read_documents(path)
            found: list = []
            for portion in portions(documents):
                found += served.extract([document["text"] for document in portion], patient=True)
                done = say(language, "file_progress", done=len(found), total=len(documents))
                progress((len(found), len(documents)), desc=done)
            lines = [
                json.dumps(record(document["text"], spans, threshold, id=document["id"]), ensure_ascii=False) + "\n"
                for document, spans in zip(documents, found)
            ]
            summary = {
                "refused": None,
                "threshold": threshold,
                "documents": len(documents),
                "spans": sum(score >= threshold for spans in found for *_, score in spans),
                "first": [
                    (
                        document["text"][:PREVIEWED_CHARACTERS],
                        [span for span in spans if span[1] <= PREVIEWED_CHARACTERS],
                    )
                    for document, spans in zip(documents[:PREVIEWED], found)
                ],
            }
            # Gradio takes a copy before it asks for what comes after the yield.
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / "spans.jsonl"
                target.write_text("".join(lines), encoding="utf-8", newline="\n")
                yield gr.update(value=str(target), visible=True), summary, shown(summary, language)
        except Refused as refused:
            summary = {"refused": (refused.key, refused.values)}
            yield gr.update(value=None, visible=False), summary, shown(summary, language)
        finally:
            served.files.release()

    kept = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            file = page.says(gr.File(type="filepath", height=150, elem_id="upload"), label="file")
            threshold = page.says(gr.Slider(0, 1, value=0, step=0.01, elem_id="file-threshold"), label="threshold")
            run = page.says(gr.Button(variant="primary", elem_id="file-find"), value="file_find")
            note = gr.HTML(notice(say(DEFAULT, "file_limits", **limits), "quiet"), apply_default_css=False)
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
        api_name="extract_file",
    )
    page.draws(shown, [kept], [top])
    page.draws(lambda language: notice(say(language, "file_limits", **limits), "quiet"), [], [note])
