"""Readers of data sets and of texts to predict: a file that is almost valid gives correct examples or a named error."""

import warnings

from fuzz.cases import Target, checked, folder_of
from fuzz.mutations import encoded, json_text, mutated, mutated_bytes, mutated_text
from fuzz.seeds import DATASETS, JSONL, TEXTS, TSV
from hypothesis import strategies as st

from kospan.data.corpus import load_corpus, read_split
from kospan.data.jsonl import from_record, record
from kospan.data.raw_texts import load_raw_corpus, parse_sources
from kospan.data.records import ReadOptions
from kospan.data.texts import read_texts
from kospan.example import Example

# Keys of other formats, to which keys are renamed.
KEYS = (
    *("text", "spans", "start", "end", "label", "labels", "entities", "ents", "annotations", "answers", "answer", "id"),
    *("question", "context", "is_impossible", "answer_start", "text_pair", "words", "tokens", "tags", "data", "score"),
    *("start_offset", "end_offset", "type", "source", "value", "meta", "paragraphs", "qas", "_task_hash", "options"),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "quoting": st.sampled_from(("minimal", "none")),
        "token_column": st.sampled_from(("0", "1", "-1", "FORM", "5", "x")),
        "tag_column": st.sampled_from(("0", "1", "-1", "MISC", "-9")),
        "skip_invalid": st.just(True),
    },
)
_COLUMNS, _TABLES = ("token_column", "tag_column"), ("quoting",)
_TAKEN = {
    **dict.fromkeys(("conll", "conll_iob1", "conll2003_documents"), _COLUMNS),
    **dict.fromkeys(("labelled", "korsts", "korean_hate_speech", "ko_fake_news"), _TABLES),
}


@st.composite
def file_data(draw, content) -> bytes:
    """The bytes of a file whose content is almost valid; see `fuzz.seeds`."""
    if isinstance(content, str):
        data = encoded(draw(mutated_text(content, separators="\t ,:;")))
    elif isinstance(content, list):
        lines = draw(mutated(content, KEYS))
        lines = lines if isinstance(lines, list) else [lines]
        data = encoded("".join(draw(json_text(line)) + "\n" for line in lines))
    else:
        data = encoded(draw(json_text(draw(mutated(content, KEYS)), indent=True)))
    return draw(mutated_bytes(data))


@st.composite
def reader_cases(draw) -> dict:
    """A data set, a file of it and options of reading."""
    dataset = draw(st.sampled_from(sorted(DATASETS)))
    name, content = draw(st.sampled_from(DATASETS[dataset]))
    options = draw(OPTIONS)
    options = {key: value for key, value in options.items() if key == "skip_invalid" or key in _TAKEN.get(dataset, ())}
    mode = {
        "overlaps": draw(st.sampled_from(("error", "longest"))),
        "annotated": draw(st.integers(0, 3)) > 0,
        "whole_texts": draw(st.integers(0, 3)) == 0,
    }
    return {"dataset": dataset, "name": name, "data": draw(file_data(content)), "options": options, **mode}


def check_example(example: Example) -> None:
    """Check that an example has correct spans, can be written, and is the same when it is read again."""
    example.id.encode(), example.text.encode()
    for span in example.spans or ():
        whole = not example.text and span.start == span.end == 0
        assert whole or 0 <= span.start < span.end <= len(example.text), span
        assert type(span.start) is type(span.end) is int and span.label and span.label == span.label.strip(), span
    line = record(example)
    again = from_record(line | {"spans": line.get("spans", [])} if example.spans is not None else line)
    assert again.text == example.text and again.id == example.id
    assert (again.spans is None) == (example.spans is None)
    assert sorted(span[:3] for span in again.spans or ()) == sorted(span[:3] for span in example.spans or ())


def check_reader(case: dict) -> str:
    """Read a file as training and evaluation do."""

    def run():
        with folder_of({case["name"]: case["data"]}) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path, options = str(folder / case["name"]), ReadOptions(**case["options"])
            split = read_split(
                *(case["dataset"], path, case["overlaps"], options),
                whole_texts=case["whole_texts"],
                annotated=case["annotated"],
            )
            assert split.examples and len({example.id for example in split.examples}) == len(split.examples)
            for example in split.examples:
                assert case["annotated"] or example.spans is None
                check_example(example)
            if case["annotated"]:
                corpus = load_corpus(case["dataset"], path, path, overlaps="longest", options=options)
                known = {span.label for examples in corpus.splits.values() for each in examples for span in each.spans}
                assert known <= {*corpus.labels}

    return checked(run)


@st.composite
def text_cases(draw) -> dict:
    """A file of texts to predict, or of raw texts for pretraining."""
    content = draw(st.sampled_from((TEXTS, JSONL[:3], [{"text": "가"}, {"text": "나"}], TSV)))
    name = draw(st.sampled_from(("a.txt", "a.jsonl", "a.json", "a.csv", "a", "a.txt.gz", "a.jsonl.xz", "a.JL")))
    return {"name": name, "data": draw(file_data(content)), "raw": draw(st.booleans())}


def check_texts(case: dict) -> str:
    """Read texts to predict, or raw texts."""

    def run():
        with folder_of({case["name"]: case["data"]}) as folder:
            path = str(folder / case["name"])
            if case["raw"]:
                corpus = load_raw_corpus(parse_sources({"x": path}))
                for split in corpus.splits.values():
                    "".join(split).encode()
                return
            for example in read_texts(path):
                assert example.spans is None
                check_example(example)

    return checked(run)


TARGETS = {
    "readers": Target(reader_cases(), check_reader, 20),
    "texts": Target(text_cases(), check_texts, 4),
}
