"""The endpoint's handler: what it serves, what it refuses, and that a server can encode all that it says."""

import importlib.util
import json
import math
from threading import Barrier, Thread

import pytest
import torch
import transformers
from time_limits import SECONDS

from kospan.modeling import handler as handler_module
from kospan.modeling.handler import LIMITS, MAX_CHARACTERS, MAX_CHARACTERS_IN_ALL, MAX_TEXTS, EndpointHandler


@pytest.fixture
def folder(make_token_classifier, tmp_path):
    make_token_classifier(encoder_input="units", lstm_hidden_size=8, max_length=32, stride=4).save_pretrained(
        tmp_path / "model"
    )
    return tmp_path / "model"


@pytest.fixture
def handler(folder) -> EndpointHandler:
    return EndpointHandler(str(folder))


def test_a_text_gives_a_list_and_a_list_gives_lists(handler, texts):
    one = handler({"inputs": texts[0]})
    assert one and all(list(entity) == ["entity_group", "score", "word", "start", "end"] for entity in one)
    for entity in one:
        assert entity["word"] == texts[0][entity["start"] : entity["end"]]
        assert [type(value) for value in entity.values()] == [str, float, str, int, int]
    several = handler({"inputs": texts})
    assert len(several) == len(texts) and all(isinstance(entities, list) for entities in several)
    assert [entity["word"] for entity in several[0]] == [entity["word"] for entity in one]
    assert handler({"inputs": ""}) == [] and handler({"inputs": [""]}) == [[]]
    for answer in (one, several):
        assert json.loads(json.dumps(answer, ensure_ascii=False, allow_nan=False)) == answer


def test_the_answer_is_what_the_hub_client_reads(handler, texts):
    from huggingface_hub import TokenClassificationOutputElement

    answer = handler({"inputs": texts[0], "parameters": None, "options": {"wait_for_model": True}})
    read = TokenClassificationOutputElement.parse_obj_as_list(json.dumps(answer).encode())
    assert [(one.entity_group, one.word, one.start, one.end) for one in read] == [
        (one["entity_group"], one["word"], one["start"], one["end"]) for one in answer
    ]


def test_parameters_reach_the_model(handler, texts, monkeypatch):
    everything = handler({"inputs": texts[0]})
    threshold = sorted(entity["score"] for entity in everything)[len(everything) // 2]
    kept = handler({"inputs": texts[0], "parameters": {"threshold": threshold, "batch_size": 1}})
    assert kept == [entity for entity in everything if entity["score"] >= threshold] and len(kept) < len(everything)
    assert handler({"inputs": texts[0], "parameters": {"threshold": None}}) == everything
    seen, forward = [], handler.model.forward
    monkeypatch.setattr(
        handler.model, "forward", lambda **batch: seen.append(len(batch["input_ids"])) or forward(**batch)
    )
    handler({"inputs": texts, "parameters": {"batch_size": 2}})
    assert max(seen) == 2


def test_a_loose_file_finds_its_own_folder(folder, texts):
    """Load the handler as the endpoint's server does; without a path the folder is the one of the file."""
    spec = importlib.util.spec_from_file_location("handler.EndpointHandler", folder / "handler.py")
    loose = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loose)
    assert loose.EndpointHandler()({"inputs": texts[0]}) == EndpointHandler(str(folder))({"inputs": texts[0]})


def test_weights_in_half_are_served_in_float32(make_token_classifier, tmp_path, texts):
    model = make_token_classifier(encoder_input="units")
    model.to(torch.float16).save_pretrained(tmp_path / "half")
    served = EndpointHandler(str(tmp_path / "half"))
    assert {parameter.dtype for parameter in served.model.parameters()} == {torch.float32}
    assert not served.model.training
    assert served.model.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    wide = model.float().to(served.model.device).extract(texts[0])
    assert [entity["score"] for entity in served({"inputs": texts[0]})] == pytest.approx(
        [span.score for span in wide], abs=1e-6
    )


def test_a_folder_without_a_tokenizer_is_refused_at_the_start(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=r"expected a tokenizer beside the model in .*, found none; copy its files"):
        EndpointHandler(str(folder))


def test_a_document_of_100_kb_is_read_to_its_end(handler, texts):
    sentence = texts[1] + " "
    text = sentence * (100_000 // len(sentence.encode()) + 1)
    assert len(text.encode()) >= 100_000
    answer = handler({"inputs": text})
    assert answer[-1]["end"] > len(text) - len(sentence)
    assert all(math.isfinite(entity["score"]) for entity in answer)
    # Far from both ends every sentence is like every other.
    middle = len(text) // 2 // len(sentence) * len(sentence)
    found = [entity["word"] for entity in answer if middle <= entity["start"] < middle + 20 * len(sentence)]
    assert len(found) >= 20 and len(set(found)) <= len(found) / 4


# --- what is refused --------------------------------------------------------------------------------------------------

NAN = float("nan")
BAD = {
    "no object": (["a"], 'expected a JSON object with "inputs", got a list'),
    "a text alone": ("a", 'expected a JSON object with "inputs", got a text'),
    "bytes": (b"{}", 'expected a JSON object with "inputs", got bytes'),
    "nothing": (None, 'expected a JSON object with "inputs", got null'),
    "no inputs": ({}, 'expected "inputs" in the request, got none; send {"inputs": "your text"}'),
    "inputs misspelt": ({"input": "a"}, "expected the request to hold only inputs, parameters, options, got 'input'"),
    "inputs null": ({"inputs": None}, 'expected "inputs" in the request, got none; send {"inputs": "your text"}'),
    "inputs a number": ({"inputs": 3}, "expected inputs to be a str, a list of str or a stream of str, got int"),
    "inputs true": ({"inputs": True}, "expected inputs to be a str, a list of str or a stream of str, got bool"),
    "inputs an object": ({"inputs": {"text": "a"}}, "a str, a list of str or a stream of str, got dict"),
    "inputs bytes": ({"inputs": b"a"}, "expected inputs to be a str, a list of str or a stream of str, got bytes"),
    "inputs empty": ({"inputs": []}, 'expected inputs with one item or a list of them, got an empty list; send "your'),
    "inputs a stream": ({"inputs": iter(["a"])}, "expected inputs with one item or a list of them, got list_iterator"),
    "inputs nested": ({"inputs": ["a", {"b": 1}]}, "expected every item of inputs to be a str, got dict at index 1"),
    "an item null": ({"inputs": [None]}, "expected every item of inputs to be a str, got NoneType at index 0"),
    "an item bytes": ({"inputs": [b"a"]}, "expected every item of inputs to be a str, got bytes at index 0"),
    "half a pair": ({"inputs": "a\udc00"}, "got half of a surrogate pair, '\\udc00', as character 1 at index 0"),
    "parameters a list": ({"inputs": "a", "parameters": [1]}, "expected parameters to be a JSON object, got a list"),
    "parameters a text": ({"inputs": "a", "parameters": "x"}, "expected parameters to be a JSON object, got a text"),
    "unknown parameter": (
        {"inputs": "a", "parameters": {"treshold": 0.5}},
        "expected only the settings threshold, decode, overlapping, operating_point, batch_size, ignore_labels",
    ),
    "threshold high": ({"inputs": "a", "parameters": {"threshold": 1.1}}, "a number from 0 to 1, got 1.1"),
    "threshold low": ({"inputs": "a", "parameters": {"threshold": -0.1}}, "a number from 0 to 1, got -0.1"),
    "threshold NaN": ({"inputs": "a", "parameters": {"threshold": NAN}}, "a number from 0 to 1, got nan"),
    "threshold infinite": ({"inputs": "a", "parameters": {"threshold": math.inf}}, "a number from 0 to 1, got inf"),
    "threshold a text": ({"inputs": "a", "parameters": {"threshold": "0.5"}}, "a number from 0 to 1, got '0.5'"),
    "threshold true": ({"inputs": "a", "parameters": {"threshold": True}}, "a number from 0 to 1, got True"),
    "batch size 0": ({"inputs": "a", "parameters": {"batch_size": 0}}, "expected batch_size to be 1 or more"),
    "batch size half": ({"inputs": "a", "parameters": {"batch_size": 0.5}}, "a whole number of windows, got 0.5"),
    "batch size true": ({"inputs": "a", "parameters": {"batch_size": True}}, "a whole number of windows, got True"),
    "batch size huge": (
        {"inputs": "a", "parameters": {"batch_size": 10**9}},
        f"expected batch_size to be {LIMITS['batch_size']} or less, got 1000000000",
    ),
    "too many texts": (
        {"inputs": ["a"] * (MAX_TEXTS + 1)},
        f"expected at most {MAX_TEXTS} texts in a request, got {MAX_TEXTS + 1:,}; send them in several requests",
    ),
    "a text too long": (
        {"inputs": ["b", "a" * (MAX_CHARACTERS + 1)]},
        f"expected texts of at most {MAX_CHARACTERS:,} characters, got {MAX_CHARACTERS + 1:,} at index 1; split it",
    ),
    "too much in all": (
        {"inputs": ["a" * MAX_CHARACTERS] * (MAX_CHARACTERS_IN_ALL // MAX_CHARACTERS) + ["b"]},
        f"expected at most {MAX_CHARACTERS_IN_ALL:,} characters in a request, got {MAX_CHARACTERS_IN_ALL + 1:,}",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_payload_is_refused_in_one_sentence(handler, texts, name):
    payload, says = BAD[name]
    before = handler({"inputs": texts[0]})
    with pytest.raises(ValueError) as caught:
        handler(payload)
    message = str(caught.value)
    assert says in message and "\n" not in message and len(message) < 300
    # What the server sends back has to be encoded too.
    assert message.encode("utf-8")
    assert handler({"inputs": texts[0]}) == before


def test_limits_are_reached_before_the_model_is(handler, monkeypatch):
    monkeypatch.setattr(handler.pipeline, "model", None)
    for name in ("too many texts", "a text too long", "too much in all", "batch size huge"):
        with pytest.raises(ValueError, match="expected"):
            handler(BAD[name][0])


def test_what_just_fits_is_not_refused(handler):
    most = ["a"] * (MAX_TEXTS - 1) + ["b" * (MAX_CHARACTERS - MAX_TEXTS)]
    assert handler_module._items(handler.pipeline, most) == (most, False)
    assert handler_module._items(handler.pipeline, "a" * MAX_CHARACTERS) == (["a" * MAX_CHARACTERS], True)
    full = {"batch_size": LIMITS["batch_size"], "threshold": 1}
    assert handler_module.read_payload({"inputs": "a", "parameters": full}) == ("a", full)
    assert isinstance(handler({"inputs": "비가 온다.", "parameters": full}), list)


# --- again and again --------------------------------------------------------------------------------------------------


def test_equal_requests_get_equal_answers_in_turn_and_at_once(handler, texts):
    requests = [{"inputs": texts}, {"inputs": texts[0]}, {"inputs": " ".join(texts * 3)}, {"inputs": texts[1:3]}]
    expected = [handler(request) for request in requests]
    assert [handler(request) for request in requests] == expected
    answers, gate = [None] * 4, Barrier(4)

    def ask(at: int) -> None:
        gate.wait(SECONDS)
        answers[at] = [handler(request) for request in (requests[at:] + requests[:at]) * 3]

    threads = [Thread(target=ask, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    for at in range(4):
        assert answers[at] == (expected[at:] + expected[:at]) * 3


# --- questions --------------------------------------------------------------------------------------------------------

QUESTION = "회장이 어디서 회의를 열었는가?"


@pytest.fixture
def reading(make_qa_model, tmp_path) -> EndpointHandler:
    make_qa_model(encoder_input="units", exact_match_feature=True).save_pretrained(tmp_path / "qa_model")
    return EndpointHandler(str(tmp_path / "qa_model"))


def test_a_question_gives_an_answer_and_a_list_gives_a_list(reading, texts):
    item = {"question": QUESTION, "context": texts[0]}
    one = reading({"inputs": item})
    assert list(one) == ["score", "start", "end", "answer"]
    assert [type(value) for value in one.values()] == [float, int, int, str]
    assert one["answer"] == texts[0][one["start"] : one["end"]]
    assert reading({"inputs": [item]}) == [one]
    best = reading({"inputs": item, "parameters": {"top_k": 3}})
    assert len(best) == 3 and best[0] == one
    several = reading({"inputs": [item, {"question": QUESTION, "context": ""}], "parameters": {"top_k": 2}})
    assert several == [best[:2], []]
    nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
    assert reading({"inputs": {"question": QUESTION, "context": ""}}) == nothing
    assert reading({"inputs": item, "parameters": {"threshold": 1}}) == nothing
    for answer in (one, best, several):
        assert json.loads(json.dumps(answer, ensure_ascii=False, allow_nan=False)) == answer


def test_it_answers_as_the_model_does(reading, texts):
    model = reading.model
    items = [{"question": QUESTION, "context": text} for text in texts]
    found = reading({"inputs": items, "parameters": {"top_k": 2, "batch_size": 1}})
    for text, answers in zip(texts, found, strict=True):
        spans = model.answer(QUESTION, text, top_k=2, batch_size=1)
        assert [(each["start"], each["end"]) for each in answers] == [span[:2] for span in spans]
        assert [each["score"] for each in answers] == [span.score for span in spans]


@pytest.mark.parametrize(
    "parameters, limits",
    [
        ({"allow_no_answer": True}, {"allow_no_answer": True}),
        ({"handle_impossible_answer": True}, {"allow_no_answer": True}),
        ({"max_answer_len": 2}, {"max_answer_length": 2}),
        ({"max_answer_length": 2, "max_answer_len": 2}, {"max_answer_length": 2}),
        ({"doc_stride": 3, "max_seq_len": 40}, {"stride": 3, "max_length": 40}),
        (
            {"stride": 3, "max_length": 40, "max_question_len": 9},
            {"stride": 3, "max_length": 40, "max_query_length": 9},
        ),
        ({"trim_particles": True, "threshold": None}, {"trim_particles": True}),
    ],
)
def test_parameters_go_by_both_names(reading, texts, parameters, limits):
    item = {"question": QUESTION, "context": texts[0]}
    found = reading({"inputs": item, "parameters": {**parameters, "top_k": 50}})
    spans = reading.model.answer(QUESTION, texts[0], top_k=50, **limits)
    assert [(each["start"], each["end"], each["score"]) for each in found] == [
        (*span[:2], span.score) for span in spans
    ]


def test_the_answer_to_a_question_is_what_the_hub_client_reads(reading, texts):
    from huggingface_hub import QuestionAnsweringOutputElement

    answer = reading({"inputs": {"question": QUESTION, "context": texts[0]}, "parameters": {"top_k": 1}})
    read = QuestionAnsweringOutputElement.parse_obj(json.dumps(answer).encode())
    assert (read.answer, read.start, read.end, read.score) == tuple(
        answer[key] for key in ("answer", "start", "end", "score")
    )


GOOD = {"question": "비?", "context": "비가 온다."}
BAD_QUESTIONS = {
    "a text": ("비가 온다.", 'expected inputs to be {"question": ..., "context": ...}, a list or a stream of them'),
    "no context": ({"question": "비?"}, 'expected {"question": ..., "context": ...}, got the keys question at index 0'),
    "null": (None, 'got none; send {"inputs": {"question": "your question", "context": "your text"}}'),
    "an empty list": ([], 'got an empty list; send {"question": "your question", "context": "your text"}'),
    "no questions": ({"question": [], "context": []}, "got an empty list; send"),
    "lengths": ({"question": ["비?", "눈?"], "context": ["비"]}, "got 2 questions and 1 texts; pass lists of one"),
    "an item is a text": ([GOOD, "비"], 'expected {"question": ..., "context": ...}, got str at index 1'),
    "a number": ({"question": 3, "context": "비"}, "expected question to be a str, got int at index 0"),
    "a list for one": ({"question": "비?", "context": ["비"]}, "expected context to be a str, got list at index 0"),
    "empty": ({"question": " ", "context": "비"}, "expected a question of one character or more, got ' ' at index 0"),
    "half a pair": ({"question": "비?", "context": "\udc00"}, "half of a surrogate pair, '\\udc00'"),
    "too many": ([GOOD] * (MAX_TEXTS + 1), f"expected at most {MAX_TEXTS} texts in a request, got {MAX_TEXTS + 1}"),
    "too long": ({"question": "비?", "context": "a" * MAX_CHARACTERS}, f"got {MAX_CHARACTERS + 2:,} at index 0; split"),
}
BAD_PARAMETERS = {
    "unknown": ({"doc_strid": 3}, "align_to_words and padding, got doc_strid; leave it out"),
    "an overlap too long": (
        {"doc_stride": 48},
        "expected a doc_stride that leaves a window of 48 positions something new",
    ),
    "its other name": ({"stride": 48}, "expected a stride that leaves a window of 48 positions something new"),
    "a window too long": ({"max_seq_len": 10_000}, "expected max_seq_len to be "),
    "no answer length": ({"max_answer_len": 0}, "expected max_answer_len to be a whole number of 1 or more, got 0"),
    "words a number": ({"align_to_words": 1}, "expected align_to_words to be true or false, got 1"),
    "top_k huge": ({"top_k": 101}, "expected top_k to be 100 or less, got 101; leave it out"),
    "top_k 0": ({"top_k": 0}, "expected top_k of 1 or more, got 0"),
    "answers huge": ({"max_answer_len": 10**9}, "expected max_answer_len to be 1000 or less, got 1000000000"),
    "two values": (
        {"max_answer_length": 3, "max_answer_len": 4},
        "expected one value for max_answer_len, got 3 by its",
    ),
    "null a number": ({"allow_no_answer": 1}, "expected allow_no_answer to be true or false, got 1"),
    "threshold a text": ({"threshold": "0.5"}, "a number from 0 to 1, got '0.5'"),
}


@pytest.mark.parametrize("name", [*BAD_QUESTIONS, *BAD_PARAMETERS])
def test_a_bad_question_is_refused_in_one_sentence(reading, name):
    inputs, says = BAD_QUESTIONS.get(name) or (GOOD, BAD_PARAMETERS[name][1])
    parameters = BAD_PARAMETERS[name][0] if name in BAD_PARAMETERS else {}
    with pytest.raises(ValueError) as caught:
        reading({"inputs": inputs, "parameters": parameters})
    message = str(caught.value)
    assert says in message and "\n" not in message and len(message) < 300 and message.encode("utf-8")


def test_a_text_is_not_read_too_many_times(reading, monkeypatch):
    """Windows that leave one position of new text would read a long text as often as they are long."""
    seen, forward = [], reading.model.forward
    monkeypatch.setattr(reading.model, "forward", lambda **batch: seen.append(1) or forward(**batch))
    body = {"inputs": {"question": "비?", "context": "비" * 90_000}, "parameters": {"doc_stride": 41}}
    with pytest.raises(ValueError, match=r"at most 4,000,000 positions in all, got 4,\d{3},\d{3}; make doc_str"):
        reading(body)
    assert not seen
    body["inputs"]["context"] = "비가 온다."
    assert reading(body)["answer"] in "비가 온다."


def test_what_the_model_itself_asks_for_is_never_refused(reading, monkeypatch):
    monkeypatch.setattr(handler_module, "MAX_POSITIONS", 10)
    assert reading({"inputs": GOOD})["answer"]
    with pytest.raises(ValueError, match="expected windows with at most 10 positions"):
        reading({"inputs": {**GOOD, "context": "비가 온다. " * 20}, "parameters": {"doc_stride": 16}})
    with pytest.raises(ValueError, match="make stride or max_question_len smaller, or max_length larger"):
        parameters = {"stride": 16, "max_length": 48}
        reading({"inputs": {**GOOD, "context": "비가 온다. " * 20}, "parameters": parameters})


def test_a_model_of_another_kind_is_refused(folder, monkeypatch):
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", lambda *_, **__: torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"expected a model of kospan in .*, got Linear; take handler.py from"):
        EndpointHandler(str(folder))


def test_words_of_a_list_are_one_document(make_token_classifier, tmp_path):
    model = make_token_classifier(unit="word", encoder_input="units", word_splitting="punctuation")
    model.save_pretrained(tmp_path / "model")
    handler = EndpointHandler(tmp_path / "model")
    words = ["이재용이", "(서울.", "부산에서", "3%"]
    expected = [span[:2] for span in model.extract([words])[0]]
    assert expected and expected != [span[:2] for span in model.extract(" ".join(words))]
    [listed] = handler({"inputs": [words]})
    [split] = handler({"inputs": words, "parameters": {"is_split_into_words": True}})
    assert listed == split and [(each["start"], each["end"]) for each in listed] == expected
    assert len(handler({"inputs": words})) == 4, "four texts"
    with pytest.raises(ValueError, match="expected a list of words, or a list of such lists"):
        handler({"inputs": "이재용", "parameters": {"is_split_into_words": True}})
