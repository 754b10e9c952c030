"""The question-answering pipeline: the forms of the stock one, and the answers of `answer`."""

import json
import subprocess
import unicodedata

import pytest
import torch
from time_limits import SECONDS
from transformers import pipeline

from kospan.modeling import KospanQuestionAnsweringPipeline

QUESTION = "회장이 어디서 회의를 열었는가?"
KEYS = ["score", "start", "end", "answer"]


@pytest.fixture
def qa_model(make_qa_model):
    return make_qa_model(encoder_input="units", exact_match_feature=True)


@pytest.fixture
def pipe(qa_model) -> KospanQuestionAnsweringPipeline:
    return KospanQuestionAnsweringPipeline(model=qa_model, device="cpu", task="question-answering")


def same(found, expected) -> None:
    """Equal, with scores to 1e-6: what stands beside a window in a batch changes the last digits."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
        return
    assert list(found) == KEYS and {**found, "score": 0} == {**expected, "score": 0}
    assert found["score"] == pytest.approx(expected["score"], abs=1e-6)


def dicts(text: str, spans: list) -> list[dict]:
    return [
        dict(zip(KEYS, (span.score, span.start, span.end, text[span.start : span.end]), strict=True)) for span in spans
    ]


# --- forms ------------------------------------------------------------------------------------------------------------


class Asked:
    """A stand-in for transformers 4's SquadExample."""

    question_text, context_text = QUESTION, "비가 온다."


def forms(texts: list[str]) -> dict:
    """Name -> `(inputs, keyword arguments)`; every form that the stock pipeline of 4.51 takes."""
    items = [{"question": QUESTION, "context": text} for text in texts]
    return {
        "keywords": ((), items[0]),
        "dict": ((items[0],), {}),
        "list of one": (([items[0]],), {}),
        "list of dicts": ((items,), {}),
        "several dicts": (tuple(items[:2]), {}),
        "two strings": ((QUESTION, texts[0]), {}),
        "lists": ((), {"question": [QUESTION] * 2, "context": texts[:2]}),
        "lists of one": ((), {"question": [QUESTION], "context": texts[:1]}),
        "many questions": ((), {"question": [QUESTION] * 3, "context": texts[0]}),
        "dict, top_k": ((items[0],), {"top_k": 3}),
        "list of one, top_k": (([items[0]],), {"top_k": 3}),
        "list of dicts, top_k": ((items,), {"top_k": 2}),
        "empty list": (([],), {}),
    }


def form_of(found):
    """Lists and keys, without what stands in them."""
    if isinstance(found, dict):
        return sorted(found)
    return [form_of(each) for each in found]


STOCK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch, transformers
from transformers import BertConfig, BertForQuestionAnswering, BertTokenizerFast
from transformers.pipelines import QuestionAnsweringPipeline
forms, folder = json.load(sys.stdin), sys.argv[1]
characters = sorted({character for each in json.dumps(forms, ensure_ascii=False) for character in each})
with open(folder + "/vocab.txt", "w", encoding="utf-8") as file:
    file.write("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *("##" + each for each in characters)]))
tokenizer = BertTokenizerFast(folder + "/vocab.txt", do_lower_case=False)
torch.manual_seed(0)
config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
pipe = QuestionAnsweringPipeline(model=BertForQuestionAnswering(config).eval(), tokenizer=tokenizer)
def form_of(found):
    return sorted(found) if isinstance(found, dict) else [form_of(each) for each in found]
print("FOUND" + json.dumps({name: form_of(pipe(*inputs, **given)) for name, (inputs, given) in forms.items()}))
"""


def test_every_form_gives_what_the_stock_pipeline_gave(pipe, texts, tmp_path, transformers_4):
    asked = forms(texts)
    done = subprocess.run(
        [transformers_4, "-c", STOCK, str(tmp_path)],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    stock = json.loads(done.stdout.rpartition("FOUND")[2])
    assert {name: form_of(pipe(*inputs, **given)) for name, (inputs, given) in asked.items()} == stock


@pytest.mark.parametrize("name", forms(["", ""]))
def test_every_form_gives_the_answers_of_the_model(pipe, qa_model, texts, name):
    inputs, given = forms(texts)[name]
    top_k = given.get("top_k", 1)
    wanted = [dicts(text, qa_model.answer(QUESTION, text, top_k=top_k)) for text in texts]
    wanted = wanted if top_k > 1 else [best for (best,) in wanted]
    expected = {
        "list of dicts": wanted,
        "list of dicts, top_k": wanted,
        "several dicts": wanted[:2],
        "lists": wanted[:2],
        "many questions": [wanted[0]] * 3,
        "empty list": [],
    }.get(name, wanted[0])
    same(pipe(*inputs, **given), expected)


def test_an_example_of_transformers_4_is_taken(pipe):
    same(pipe(Asked()), pipe(question=QUESTION, context="비가 온다."))
    same(pipe([Asked(), Asked()]), [pipe(Asked())] * 2)


def test_one_answer_of_several_stays_a_list(pipe):
    """The stock pipeline would give the dict alone, so the form hung on the text."""
    assert len(pipe(question="비?", context="비", top_k=3)) == 1
    assert pipe(question="비?", context="", top_k=3) == []


def test_nothing_to_read_gives_the_empty_answer(pipe):
    nothing = {"score": 0.0, "start": 0, "end": 0, "answer": ""}
    assert pipe(question="비?", context="") == nothing
    assert pipe(question="비?", context="비", threshold=1.0, max_answer_len=1) != nothing
    assert pipe(question="비?", context="비가 온다", threshold=1.0) == nothing
    assert pipe(question="비?", context="", handle_impossible_answer=True) == {**nothing, "score": 1.0}


class Places(torch.utils.data.Dataset):
    """A data set without an iterator that does not end by an IndexError."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        return self.items[at % len(self.items)]


@pytest.mark.parametrize("form", ["generator", "data set of torch", "data set"])
def test_every_stream_gives_the_same(pipe, texts, form):
    import datasets

    items = [{"question": QUESTION, "context": text} for text in texts]
    given = {
        "generator": (item for item in items),
        "data set of torch": Places(items),
        "data set": datasets.Dataset.from_list(items),
    }[form]
    found = pipe(given, batch_size=2, top_k=2)
    assert not isinstance(found, list) and (form == "generator" or len(found) == len(texts))
    same(list(found), pipe(items, top_k=2))
    (alone,) = pipe(iter(items[:1]))
    same(alone, pipe(items[0]))


def test_a_stream_is_read_no_further_than_needed(pipe, texts):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield {"question": QUESTION, "context": texts[len(taken) % len(texts)]}

    found = pipe(endless(), batch_size=3)
    assert not taken
    same(next(found), pipe(question=QUESTION, context=texts[1]))
    assert len(taken) == 3


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, limits",
    [
        ({"topk": 3}, {"top_k": 3}),
        ({"topk": 3, "top_k": 2}, {"top_k": 2}),
        ({"doc_stride": 3, "top_k": 9}, {"stride": 3, "top_k": 9}),
        ({"max_seq_len": 30, "top_k": 9}, {"max_length": 30, "stride": 8, "top_k": 9}),
        (
            {"max_seq_len": 26, "max_question_len": 8, "doc_stride": 9},
            {"max_length": 26, "max_query_length": 8, "stride": 9},
        ),
        ({"max_answer_len": 2, "top_k": 9}, {"max_answer_length": 2, "top_k": 9}),
        ({"max_question_len": 3, "top_k": 9}, {"max_query_length": 3, "top_k": 9}),
        ({"handle_impossible_answer": True, "top_k": 50}, {"allow_no_answer": True, "top_k": 50}),
        ({"handle_impossible_answer": False, "top_k": 9}, {"top_k": 9}),
        ({"threshold": 0.01, "top_k": 9}, {"threshold": 0.01, "top_k": 9}),
        ({"trim_particles": True, "top_k": 9}, {"trim_particles": True, "top_k": 9}),
        ({"allow_no_answer": True, "max_answer_length": 3}, {"allow_no_answer": True, "max_answer_length": 3}),
        ({"padding": "max_length", "align_to_words": False, "top_k": None, "num_workers": 0}, {}),
    ],
)
def test_settings_reach_the_model(pipe, qa_model, texts, given, limits):
    context = " ".join(texts)
    wanted = dicts(context, qa_model.answer(QUESTION, context, **limits))
    same(pipe(question=QUESTION, context=context, **given), wanted if limits.get("top_k", 1) > 1 else wanted[0])
    # Set once for all calls; a call's own setting wins.
    given = {key: value for key, value in given.items() if key != "num_workers"}
    settled = KospanQuestionAnsweringPipeline(model=qa_model, device="cpu", batch_size=2, **given)
    same(settled(question=QUESTION, context=context), wanted if limits.get("top_k", 1) > 1 else wanted[0])
    assert isinstance(settled(question=QUESTION, context=context, top_k=1), dict)


def test_words_are_whole_where_that_is_asked(pipe, texts):
    context = f"({texts[0]}) {texts[1]}"
    plain = pipe(question=QUESTION, context=context, top_k=20)
    whole = pipe(question=QUESTION, context=context, top_k=20, align_to_words=True)
    assert plain != whole
    for one, other in zip(plain, whole, strict=True):
        assert other["start"] <= one["start"] < one["end"] <= other["end"] and one["score"] == other["score"]
        assert context[other["start"] : other["end"]] == other["answer"]
        widened = context[other["start"] : one["start"]] + context[one["end"] : other["end"]]
        assert not widened or widened.isalnum()
        for left, right in ((other["start"] - 1, other["start"]), (other["end"] - 1, other["end"])):
            assert not (context[left : left + 1].isalnum() and context[right : right + 1].isalnum())
    assert pipe(question=QUESTION, context="", align_to_words=True)["answer"] == ""


def test_batch_size_reaches_the_encoder(pipe, qa_model, texts, monkeypatch):
    seen, forward = [], qa_model.forward
    monkeypatch.setattr(qa_model, "forward", lambda **batch: seen.append(len(batch["input_ids"])) or forward(**batch))
    pipe(question=QUESTION, context=" ".join(texts * 3), batch_size=3)
    assert max(seen) == 3


def test_offsets_hold_in_hard_texts(pipe, texts):
    hard = [
        unicodedata.normalize("NFD", texts[0]),
        "👩‍👩‍👧 서울 🇰🇷🎉 이재용",
        "서\u200b울\ufeff에서",
        " ".join(texts * 4),
    ]
    for text, answers in zip(hard, pipe(question=[QUESTION] * 4, context=hard, top_k=5), strict=True):
        assert answers and all(text[each["start"] : each["end"]] == each["answer"] for each in answers)
        assert json.loads(json.dumps(answers, ensure_ascii=False)) == answers


BAD = {
    "nothing": ((), {}, TypeError, "expected question and context, got no question; pass both"),
    "no context": ((), {"question": "비?"}, TypeError, "expected question and context, got no context"),
    "both": (({"question": "비?", "context": "비"},), {"question": "비?"}, TypeError, "got both; pass one of them"),
    "a text": (("비?",), {}, TypeError, r"a list or a stream of them, got str; pass one of these"),
    "a number": ((3,), {}, TypeError, "a list or a stream of them, got int"),
    "other keys": (({"question": "비?", "text": "비"},), {}, ValueError, "got the keys question, text at index 0"),
    "an item": (([{"question": "비?", "context": "비"}, "비"],), {}, ValueError, "got str at index 1; pass both keys"),
    "null": (({"question": "비?", "context": None},), {}, TypeError, "context to be a str, got NoneType at index 0"),
    "lengths": ((), {"question": ["비?"] * 2, "context": ["비"]}, ValueError, "got 2 questions and 1 texts; pass"),
    "texts": ((), {"question": "비?", "context": 3}, TypeError, "expected context to be a str, got int at index 0"),
    "a list": ((), {"question": "비?", "context": ["비"]}, TypeError, "context to be a str, got list at index 0"),
    "no list": ((), {"question": ["비?"], "context": 3}, ValueError, "got 1 questions and int; pass lists of one"),
    "two names": (
        (),
        {"question": "비?", "context": "비", "stride": 3, "doc_stride": 4},
        ValueError,
        "expected one value for doc_stride, got 3 by its other name too",
    ),
    "empty": ((), {"question": " ", "context": "비"}, ValueError, "a question of one character or more, got ' '"),
    "top_k": ((), {"question": "비?", "context": "비", "top_k": 0}, ValueError, "top_k of 1 or more, got 0"),
    "unknown": ((), {"question": "비?", "context": "비", "topK": 3}, TypeError, "only the settings topk, .* got topK"),
    "words": (
        (),
        {"question": "비?", "context": "비", "align_to_words": 1},
        TypeError,
        "align_to_words to be true or f",
    ),
    "workers": ((), {"question": "비?", "context": "비", "num_workers": 2}, ValueError, "num_workers to be 0, got 2"),
    "max_length": (
        (),
        {"question": "비?", "context": "비", "max_seq_len": 999},
        ValueError,
        "expected max_seq_len to be 64 or less",
    ),
    "own max_length": (
        (),
        {"question": "비?", "context": "비", "max_length": 999},
        ValueError,
        "expected max_length to be 64 or less",
    ),
    "max_answer_len": (
        (),
        {"question": "비?", "context": "비", "max_answer_len": 0},
        ValueError,
        "expected max_answer_len to be a whole number of 1 or more, got 0",
    ),
    "max_question_len": (
        (),
        {"question": "비?", "context": "비", "max_question_len": "9"},
        ValueError,
        "expected max_question_len to be a whole number of 1 or more, got '9'",
    ),
    "handle_impossible_answer": (
        (),
        {"question": "비?", "context": "비", "handle_impossible_answer": 1},
        ValueError,
        "expected handle_impossible_answer to be true or false",
    ),
    "topk": ((), {"question": "비?", "context": "비", "topk": -2}, ValueError, "expected topk of 1 or more, got -2"),
    "doc_stride": (
        (),
        {"question": "비?", "context": "비", "doc_stride": 63},
        ValueError,
        "expected a doc_stride that leaves a window",
    ),
    "stride": (
        (),
        {"question": "비?", "context": "비", "stride": 63},
        ValueError,
        "expected a stride that leaves a window",
    ),
    "batch": ((), {"question": "비?", "context": "비", "batch_size": 0}, ValueError, "batch_size to be 1 or more"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_sense_is_refused(pipe, name):
    inputs, given, error, says = BAD[name]
    with pytest.raises(error, match=says) as caught:
        pipe(*inputs, **given)
    assert "\n" not in str(caught.value)


def test_errors_name_the_settings_of_the_constructor_and_of_streams(qa_model):
    item = {"question": "비?", "context": "비"}
    with pytest.raises(ValueError, match="expected max_seq_len to be 64 or less"):
        qa_model.pipeline(max_seq_len=70)
    with pytest.raises(ValueError, match="expected a doc_stride that leaves a window"):
        qa_model.pipeline(doc_stride=63)(item)
    with pytest.raises(ValueError, match="expected a doc_stride that leaves a window"):
        list(qa_model.pipeline()(iter([item]), doc_stride=63))


# --- saving and loading -----------------------------------------------------------------------------------------------


def test_a_saved_folder_names_and_holds_its_pipeline(pipe, texts, tmp_path):
    pipe.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["custom_pipelines"]["question-answering"]["impl"] == "pipelines.KospanQuestionAnsweringPipeline"
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        pipeline("question-answering", model=str(tmp_path))
    loaded = pipeline("question-answering", model=str(tmp_path), trust_remote_code=True, device=-1, top_k=2)
    same(loaded(question=QUESTION, context=texts[0]), pipe(question=QUESTION, context=texts[0], top_k=2))


def test_another_tokenizer_is_refused(qa_model):
    from kospan.tasks.encoders import character_tokenizer

    with pytest.raises(ValueError, match="expected no tokenizer but the model's own, got "):
        KospanQuestionAnsweringPipeline(model=qa_model, tokenizer=character_tokenizer(["다른 글"]))
