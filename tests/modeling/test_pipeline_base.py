"""Common behaviour of all pipelines: how the model and transformers build them, and which forms of inputs they take."""

import json

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import transformers
from generative_cases import make_generative_model
from transformers import AutoConfig, AutoModel, pipeline

from kospan.modeling import (
    KospanForTokenClassification,
    KospanQuestionAnsweringPipeline,
    KospanTextClassificationPipeline,
    KospanTokenClassificationPipeline,
)
from kospan.modeling.configuration_kospan import PipelineTasks
from kospan.modeling.pipelines import PIPELINES

QUESTION = "회장이 어디서 회의를 열었는가?"
IN_MEMORY = {
    "tuple": tuple,
    "array": np.array,
    "Series": lambda texts: pd.Series(texts, index=range(7, 7 + len(texts))),
    "Arrow array": pa.array,
    "chunks": lambda texts: pa.chunked_array([texts[:2], texts[2:]]),
    "words of a kind of str": lambda texts: [np.str_(text) for text in texts],
}
STREAMS = {
    "generator": lambda texts: (text for text in texts),
    "Arrow scalars": lambda texts: iter(pa.array(texts)),
    "column": lambda texts: datasets.Dataset.from_dict({"text": texts})["text"],
    "Arrow column": lambda texts: iter(datasets.Dataset.from_dict({"text": texts}).with_format("arrow")["text"]),
}


# Kind of model -> the fixture that makes one.
MAKERS = {
    "ner_model": "make_token_classifier",
    "qa_model": "make_qa_model",
    "classifier": "make_text_classifier",
}


@pytest.fixture(params=[*MAKERS, "generator"])
def model(request):
    if request.param == "generator":
        return make_generative_model()
    return request.getfixturevalue(MAKERS[request.param])()


def asked(model, texts: list[str]) -> list:
    """The texts as the model's pipeline takes them."""
    reads = model.config.model_type == "kospan-question-answering"
    return [{"question": QUESTION, "context": text} for text in texts] if reads else texts


# --- built by the model -----------------------------------------------------------------------------------------------


def test_a_model_has_the_pipeline_of_its_task(model, texts):
    pipe = model.pipeline()
    kinds = {
        "kospan-token-classification": KospanTokenClassificationPipeline,
        "kospan-generative-ner": KospanTokenClassificationPipeline,
        "kospan-question-answering": KospanQuestionAnsweringPipeline,
        "kospan-sequence-classification": KospanTextClassificationPipeline,
    }
    assert type(pipe) is kinds[model.config.model_type] and pipe.model is model
    assert pipe.task == pipe.task_name and PIPELINES[pipe.task] is type(pipe)
    found = pipe(asked(model, texts[:2]))
    assert len(found) == 2 and json.loads(json.dumps(found)) == found
    # Settings for all calls: nothing is as probable as that.
    for each in model.pipeline(threshold=1.0, batch_size=1)(asked(model, texts[:2])):
        assert not each or (each.get("label"), each.get("answer")) in ((None, None), (None, ""))


def test_a_pipeline_leaves_the_model_where_it_is(make_token_classifier, monkeypatch):
    model = make_token_classifier()
    monkeypatch.setattr(model, "to", lambda *_: pytest.fail("moved"))
    assert model.pipeline().device == torch.device("cpu")
    # A model that accelerate has placed gets no device argument, which transformers would refuse.
    monkeypatch.setattr(model, "hf_device_map", {"": "cpu"}, raising=False)
    assert model.pipeline().device == torch.device("cpu")


def test_pipeline_of_a_generative_model(texts):
    generator = make_generative_model(unit="word")
    found = generator.pipeline()(texts)
    spans = generator.extract(texts)
    assert [[(one["entity_group"], one["start"], one["end"], one["score"]) for one in each] for each in found] == [
        [(span.label, span.start, span.end, span.score) for span in each] for each in spans
    ]
    assert any(spans)
    # It has no tags of units, and its own labels.
    assert generator.pipeline(aggregation_strategy="none")(texts) == found
    assert all(one["entity_group"] == "PS" for each in generator.pipeline(ignore_labels=["LC"])(texts) for one in each)
    with pytest.raises(ValueError, match="expected ignore_labels to hold labels of LC, PS, got 'OG'"):
        generator.pipeline(ignore_labels=["OG"])


# --- built by transformers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_a_folder_needs_no_task_and_knows_its_other_names(request, tmp_path, texts, name):
    model = request.getfixturevalue(MAKERS[name])()
    model.save_pretrained(tmp_path)
    task = model._pipeline_class.task_name
    expected = model.pipeline()(asked(model, texts))
    others = {"token-classification": ["ner"], "text-classification": ["sentiment-analysis"]}.get(task, [])
    for given in (None, task, *others):
        loaded = pipeline(given, model=str(tmp_path), trust_remote_code=True, device=-1)
        assert type(loaded).__name__ == type(model.pipeline()).__name__
        assert loaded(asked(model, texts)) == expected
        with pytest.raises(ValueError, match="trust_remote_code=True"):
            pipeline(given, model=str(tmp_path))
    config = AutoConfig.from_pretrained(tmp_path)
    assert json.loads(config.to_json_string())["custom_pipelines"].keys() == {task}
    AutoModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "config.json").read_text(encoding="utf-8"))
    assert saved["custom_pipelines"].keys() == {task}


def test_tasks_of_a_config_have_one_entry_and_two_names():
    tasks = PipelineTasks({"token-classification": 1})
    assert "ner" in tasks and tasks["ner"] == 1 and list(tasks) == ["token-classification"] and len(tasks) == 1
    assert "sentiment-analysis" not in tasks and "text-classification" not in tasks
    for missing in ("sentiment-analysis", "fill-mask"):
        with pytest.raises(KeyError, match=missing):
            tasks[missing]
    assert json.dumps(tasks) == '{"token-classification": 1}'


@pytest.mark.parametrize("types", [False, True], ids=["without token types", "with token types"])
def test_stock_pipeline_for_a_loaded_model_names_ours(make_token_classifier, texts, types):
    ner_model = make_token_classifier()
    ner_model.tokenizer.model_input_names = [
        "input_ids",
        "attention_mask",
        *(["token_type_ids"] if types else []),
    ]
    stock = pipeline("ner", model=ner_model, tokenizer=ner_model.tokenizer, device=-1)
    assert not isinstance(stock, KospanTokenClassificationPipeline)
    with pytest.raises(ValueError, match=r"transformers' pipeline\(.*model\.extract\(text\) or model\.pipeline\(\)"):
        stock(texts[0])


def test_error_for_a_loaded_question_answering_model_names_its_pipeline(make_qa_model):
    qa_model = make_qa_model()
    with pytest.raises(KeyError, match=r"For a loaded kospan model call `model\.pipeline\(\)`; for its folder pass"):
        pipeline("question-answering", model=qa_model, tokenizer=qa_model.tokenizer)
    advice = transformers.pipelines.REMOVED_TASKS["question-answering"]
    assert advice.count("model.pipeline()") == 1 and "chat model" in advice
    # Version 4 has a pipeline for the task, which gets as far as the model.
    with pytest.raises(ValueError, match=r"as from transformers' pipeline\(.* or model\.pipeline\(\)"):
        qa_model(**qa_model.tokenizer("비?", "비가 온다.", return_tensors="pt"))


def test_stock_pipeline_for_a_loaded_generative_model_is_refused(texts):
    generator = make_generative_model()
    with pytest.raises(TypeError, match=r"for model\.extract\(texts\) or model\.pipeline\(\)\(texts\), got a call"):
        generator(input_ids=torch.tensor([[1]]))


# --- forms of inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", IN_MEMORY)
def test_what_is_in_memory_gives_a_list(model, texts, form):
    pipe = model.pipeline()
    if isinstance(pipe, KospanQuestionAnsweringPipeline):
        contexts, expected = IN_MEMORY[form](texts), pipe(asked(model, texts))
        assert pipe(question=IN_MEMORY[form]([QUESTION] * len(texts)), context=contexts) == expected
        assert pipe(question=np.array([QUESTION] * len(texts)), context=contexts) == expected
        assert pipe({"question": [QUESTION] * len(texts), "context": contexts, "id": 3}) == expected
        one = np.str_(texts[0])
        assert pipe(question=IN_MEMORY[form](texts), context=one) == pipe(question=texts, context=texts[0])
    else:
        assert pipe(IN_MEMORY[form](texts)) == pipe(texts)
        assert pipe(np.str_(texts[0])) == pipe(pa.scalar(texts[0])) == pipe(texts[0])


@pytest.mark.parametrize("form", STREAMS)
def test_a_stream_gives_an_iterator(model, texts, form):
    pipe = model.pipeline()
    if isinstance(pipe, KospanQuestionAnsweringPipeline):
        items = ({"question": np.str_(QUESTION), "context": text, "id": at} for at, text in enumerate(texts))
        found = pipe(items, batch_size=len(texts))
    else:
        found = pipe(STREAMS[form](texts), batch_size=len(texts))
    assert not isinstance(found, list)
    assert list(found) == pipe(asked(model, texts), batch_size=len(texts))


def test_rows_of_a_data_set_may_hold_more(make_text_classifier, make_qa_model, texts):
    rows = datasets.Dataset.from_dict({"text": texts, "label": [0] * len(texts), "id": texts})
    classes = make_text_classifier().pipeline()
    assert list(classes(rows)) == list(classes(list(rows))) == classes(texts)
    pairs = datasets.Dataset.from_dict({"question": [QUESTION] * len(texts), "context": texts, "answers": texts})
    answers = make_qa_model().pipeline()
    assert list(answers(pairs, top_k=2)) == answers(asked(answers.model, texts), top_k=2)


def test_what_is_neither_is_refused(model):
    pipe = model.pipeline()
    for inputs in (3, None, b"abc", bytearray(b"a"), {"a", "b"}, pd.DataFrame({"text": ["a"]}), np.array(3)):
        with pytest.raises(TypeError, match=r"expected inputs to be .*, got .*; pass one of these"):
            pipe(inputs)


def test_pipeline_takes_settings_for_all_calls(make_token_classifier, texts):
    ner_model: KospanForTokenClassification = make_token_classifier()
    label = ner_model.pipeline()(texts[0])[0]["entity_group"]
    pipe = ner_model.pipeline(ignore_labels=[label], batch_size=1)
    assert all(one["entity_group"] != label for one in pipe(texts[0]))
    assert pipe(texts[0], ignore_labels=[]) == ner_model.pipeline(batch_size=1)(texts[0])
