"""Folders of models: damaged ones are refused with a named error, and what loads predicts correct spans."""

import json
import tempfile
import warnings
from functools import cache
from pathlib import Path

import transformers
from fuzz.cases import Target, checked, folder_of
from fuzz.endpoint import TEXT, models
from fuzz.mutations import encoded, json_text, mutated, mutated_bytes, mutated_text, parent, places
from generative_cases import make_generative_model
from hypothesis import strategies as st
from transformers.utils.logging import disable_progress_bar

from kospan.serving.models import check_sources
from kospan.tasks.loading import load_saved

# Code that is written beside every model; locally it is not run.
_NO_PART = (".py", ".md")
SIZES = (0, -1, 2**31, 10**6, 1.5, "16", None, True)


@cache
def saved() -> dict[str, dict[str, bytes]]:
    """The files of a model of each kind."""
    disable_progress_bar()
    found = {}
    everything = models() | {"generative-ner": make_generative_model("bytes", max_new_tokens=8)}
    for name, model in everything.items():
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            files = [path for path in sorted(Path(folder).iterdir()) if path.suffix not in _NO_PART and path.is_file()]
            found[name] = {path.name: path.read_bytes() for path in files}
    return found


@st.composite
def folder_cases(draw) -> dict:
    """A kind of model, and its files that differ; None for a missing one."""
    kind = draw(st.sampled_from(sorted(saved())))
    changed: dict[str, bytes | None] = {}
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(saved()[kind])))
        changed[name] = draw(file_of(name, saved()[kind][name]))
    return {"kind": kind, "files": changed}


@st.composite
def file_of(draw, name: str, data: bytes) -> bytes | None:
    """A damaged file of a model."""
    if draw(st.integers(0, 9)) == 0:
        return None
    if not name.endswith(".json"):
        if draw(st.integers(0, 3)) == 0:
            return data[: draw(st.sampled_from((0, 4, 8, 100, len(data) // 2, len(data) - 1)))]
        at = draw(st.integers(0, min(len(data) - 1, 4000)))
        return data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at + 3 :]
    value = json.loads(data)
    if draw(st.booleans()):
        numbers = [path for path in places(value) if isinstance(parent(value, path)[path[-1]], int)]
        if numbers:
            path = draw(st.sampled_from(numbers))
            parent(value, path)[path[-1]] = draw(st.sampled_from(SIZES))
            return encoded(json.dumps(value))
    if name == "tokenizer.json":
        return draw(mutated_bytes(encoded(draw(mutated_text(json.dumps(value, indent=1), ": ,"))), whole=1))
    return draw(mutated_bytes(encoded(draw(json_text(draw(mutated(value, most=2)))))))


def check_folder(case: dict) -> str:
    """Load a model as commands do, and predict."""
    files = saved()[case["kind"]] | case["files"]
    transformers.logging.set_verbosity_error()

    def run():
        with folder_of({name: data for name, data in files.items() if data is not None}) as folder:
            check_sources({"m": str(folder)}, None)
            model = load_saved(str(folder))
            if hasattr(model, "extract"):
                for span in model.extract(TEXT):
                    assert 0 <= span.start < span.end <= len(TEXT)
            elif hasattr(model, "answer"):
                model.answer("누가?", TEXT)
            else:
                model.classify(TEXT)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return checked(run)


TARGETS = {"model_folders": Target(folder_cases(), check_folder, 2)}
