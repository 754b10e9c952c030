"""A saved folder, loaded in a fresh process with torch and transformers alone, in another directory, gives equal
spans."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clean_environment_cases import CLEAN_ENVIRONMENT
from ngram_cases import NGRAM_SETTINGS, with_ngrams
from time_limits import SECONDS
from transformers import BigBirdConfig

CONSUMER = (
    CLEAN_ENVIRONMENT
    + """
from transformers import AutoModelForTokenClassification
folder, texts, resaved = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
NAMES = ("pipelines.py", "handler.py", "requirements.txt")
def spans(model):
    return [[list(span) for span in spans] for spans in model.extract(texts)]
def entities(lists):
    keys = ("start", "end", "entity_group", "score")
    for text, one in zip(texts, lists):
        assert all(entity["word"] == text[entity["start"] : entity["end"]] for entity in one)
    return [[[entity[key] for key in keys] for entity in one] for one in lists]
def served(path):
    answer = endpoint(path)({"inputs": texts})
    json.dumps(answer, allow_nan=False)
    return entities(answer)
for auto in (AutoModel, AutoModelForTokenClassification):
    model = auto.from_pretrained(folder, trust_remote_code=True)
    found[auto.__name__] = spans(model)
    found["tokenizer"] = model.tokenizer is not None
    views = model.inspect(texts[0]).windows
    found["layers"] = len(views[0].attentions)
# What was read while loading is enough to save all again.
for name in NAMES:
    os.rename(os.path.join(folder, name), os.path.join(folder, name + ".away"))
model.save_pretrained(resaved)
for name in NAMES:
    os.rename(os.path.join(folder, name + ".away"), os.path.join(folder, name))
    with open(os.path.join(folder, name), "rb") as one, open(os.path.join(resaved, name), "rb") as other:
        assert one.read() == other.read(), name
again = AutoModel.from_pretrained(resaved, trust_remote_code=True)
found["again"] = spans(again)
for where, name in (("", folder), (" again", resaved), (" of the Hub", "someone/model")):
    for task in ("token-classification", "ner", None):
        pipe = pipeline(task, model=name, trust_remote_code=True, device=-1)
        assert type(pipe).__name__ == "KospanTokenClassificationPipeline"
        assert type(pipe).__module__.startswith("transformers_modules.")
        found[f"{task}{where}"] = entities(pipe(texts))
        found[f"own {task}{where}"] = entities(pipe.model.pipeline()(texts))
        try:
            pipeline(task, model=name)
        except ValueError as error:
            assert "trust_remote_code=True" in str(error), error
        else:
            raise AssertionError("loaded without trust")
    repr(pipe.model.config)
    if where != " of the Hub":
        found["handler" + where] = served(name)
# The third generation, by the pipeline and out of a repository.
pipe.save_pretrained(resaved + "-hub")
with open(os.path.join(resaved + "-hub", "config.json"), encoding="utf-8") as file:
    config = json.load(file)
assert "--" not in json.dumps([config["auto_map"], config["custom_pipelines"]]), config
found["handler of the Hub"] = served(resaved + "-hub")
print("FOUND" + json.dumps(found))
"""
)
READER = (
    CLEAN_ENVIRONMENT
    + """
from transformers import AutoModelForQuestionAnswering
folder, texts, resaved = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
questions, texts = texts[: len(texts) // 2], texts[len(texts) // 2 :]
items = [{"question": question, "context": text} for question, text in zip(questions, texts)]
def spans(model):
    return [[list(span) for span in spans] for spans in model.answer(questions, texts, top_k=2)]
def listed(lists):
    for text, one in zip(texts, lists):
        assert all(each["answer"] == text[each["start"] : each["end"]] for each in one)
    return [[[each["start"], each["end"], "answer", each["score"]] for each in one] for one in lists]
def served(path):
    return listed(endpoint(path)({"inputs": items, "parameters": {"top_k": 2}}))
for auto in (AutoModel, AutoModelForQuestionAnswering):
    model = auto.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith("transformers_modules."), type(model)
    found[auto.__name__] = spans(model)
model.save_pretrained(resaved)
found["again"] = spans(AutoModel.from_pretrained(resaved, trust_remote_code=True))
for where, name in (("", folder), (" again", resaved), (" of the Hub", "someone/model")):
    task = None if where == " again" else "question-answering"
    pipe = pipeline(task, model=name, trust_remote_code=True, device=-1, top_k=2)
    assert pipe.model.pipeline(top_k=2)(items) == pipe(items)
    assert type(pipe).__name__ == "KospanQuestionAnsweringPipeline"
    assert type(pipe).__module__.startswith("transformers_modules.")
    found["pipeline" + where] = listed(pipe(items))
    assert pipe(**items[0], top_k=1) == pipe(items[0])[0]
    try:
        pipeline("question-answering", model=name)
    except ValueError as error:
        assert "trust_remote_code=True" in str(error), error
    else:
        raise AssertionError("loaded without trust")
pipe.save_pretrained(resaved + "-hub")
for where, name in (("", folder), (" again", resaved), (" of the Hub", resaved + "-hub")):
    found["handler" + where] = served(name)
print("FOUND" + json.dumps(found))
"""
)
CLASSIFIER = (
    CLEAN_ENVIRONMENT
    + """
from transformers import AutoModelForSequenceClassification
folder, texts, resaved = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
pairs, texts = texts[: len(texts) // 2], texts[len(texts) // 2 :]
items = [{"text": text, "text_pair": pair} for pair, text in zip(pairs, texts)]
def spans(model):
    return [[list(span)] for span in model.classify(texts, pairs)]
def listed(answers):
    return [[[0, len(text), each["label"], each["score"]]] for text, each in zip(texts, answers)]
def served(path):
    return listed([best for best, *_ in endpoint(path)({"inputs": items})])
for auto in (AutoModel, AutoModelForSequenceClassification):
    model = auto.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith("transformers_modules."), type(model)
    found[auto.__name__] = spans(model)
model.save_pretrained(resaved)
found["again"] = spans(AutoModel.from_pretrained(resaved, trust_remote_code=True))
for where, name in (("", folder), (" again", resaved), (" of the Hub", "someone/model")):
    task = {"": "text-classification", " again": None}.get(where, "sentiment-analysis")
    pipe = pipeline(task, model=name, trust_remote_code=True, device=-1)
    assert pipe.model.pipeline()(items) == pipe(items)
    assert type(pipe).__name__ == "KospanTextClassificationPipeline"
    assert type(pipe).__module__.startswith("transformers_modules.")
    found["pipeline" + where] = listed(pipe(items))
    assert pipe(items[0])["label"] == pipe(items)[0]["label"] and len(pipe(items[0], top_k=None)) == 3
pipe.save_pretrained(resaved + "-hub")
for where, name in (("", folder), (" again", resaved), (" of the Hub", resaved + "-hub")):
    found["handler" + where] = served(name)
print("FOUND" + json.dumps(found))
"""
)
EVERY_OF_CLASSIFICATION = (
    "AutoModel",
    "AutoModelForSequenceClassification",
    "again",
    "pipeline",
    "pipeline again",
)
EVERY_OF_CLASSIFICATION += ("pipeline of the Hub", "handler", "handler again", "handler of the Hub")
EVERY_OF_QA = ("AutoModel", "AutoModelForQuestionAnswering", "again", "pipeline", "pipeline again")
EVERY_OF_QA += ("pipeline of the Hub", "handler", "handler again", "handler of the Hub")
EVERY = ("AutoModel", "AutoModelForTokenClassification", "again", "token-classification", "ner")
EVERY += ("token-classification again", "ner again", "token-classification of the Hub", "ner of the Hub")
EVERY += ("handler", "handler again", "handler of the Hub", "None", "None again", "None of the Hub")
EVERY += ("own token-classification", "own ner again", "own None of the Hub")


def consume(python: str, folder: Path, tmp_path: Path, texts: list[str], script: str = CONSUMER) -> dict:
    """Results of a process without kospan, with an empty cache, in another directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_MODULES_CACHE")}
    environment |= {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    environment["HF_HUB_CACHE"] = str(tmp_path / "hub")
    # As a repository is stored in the Hub's cache.
    repository, commit = tmp_path / "hub" / "models--someone--model", "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    command = [python, "-c", script, str(folder), json.dumps(texts), str(tmp_path / "resaved")]
    done = subprocess.run(
        command,
        cwd=elsewhere,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("FOUND")[2])


def tiny_big_bird(tokenizer, _) -> BigBirdConfig:
    """Sparse above 28 positions."""
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return BigBirdConfig(
        **size, vocab_size=len(tokenizer), max_position_embeddings=64, block_size=4, num_random_blocks=1
    )


@pytest.fixture(params=["crf over units", "linear over subwords", "positional", "sparse encoder"])
def saved(request, make_token_classifier, monkeypatch, tmp_path, texts):
    if request.param == "sparse encoder":
        # The first text is read in full attention, as inspect() needs it, the longer ones are not.
        monkeypatch.setitem(make_token_classifier.__globals__, "tiny_electra", tiny_big_bird)
    settings = {
        "crf over units": {
            "head": "crf",
            "encoder_input": "units",
            "lstm_hidden_size": 8,
            "scheme": "BIOES",
            **NGRAM_SETTINGS,
        },
        "sparse encoder": {"head": "crf", "encoder_input": "units", "max_length": 40},
        "linear over subwords": {"head": "linear", "encoder_input": "subwords", "max_length": 16, "stride": 4},
        "positional": {"head": "positional", "head_options": {"gate": "share"}, "encoder_input": "units"},
    }[request.param]
    model = make_token_classifier(**settings)
    if model.config.ngram_count:
        with_ngrams(model)
    model.prepare()
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model", [[list(span) for span in spans] for spans in model.extract(texts)]


def same(found: list, expected: list) -> None:
    for ours, theirs in zip(expected, found, strict=True):
        assert [span[:3] for span in ours] == [span[:3] for span in theirs]
        assert [span[3] for span in theirs] == pytest.approx([span[3] for span in ours], abs=1e-5)


def check(found: dict, expected: list, names: tuple[str, ...] = EVERY) -> None:
    assert any(expected), "a model that finds nothing would prove nothing"
    for name in names:
        same(found[name], expected)
    assert names != EVERY or (found["tokenizer"] and found["layers"] == 1)


def test_loads_anywhere_on_this_version(saved, tmp_path, texts):
    folder, expected = saved
    check(consume(sys.executable, folder, tmp_path, texts), expected)


def test_loads_anywhere_on_transformers_4(saved, tmp_path, texts, transformers_4):
    folder, expected = saved
    found = consume(transformers_4, folder, tmp_path, texts)
    assert found["version"].startswith("4.51")
    check(found, expected)


@pytest.mark.parametrize("version", ["this version", "transformers 4"])
def test_question_answering_loads_anywhere(request, make_qa_model, tmp_path, texts, version):
    python = sys.executable if version == "this version" else request.getfixturevalue("transformers_4")
    qa_model = make_qa_model(
        encoder_input="units", exact_match_feature=True, lstm_hidden_size=8, trim_particles=True, threshold=0.001
    )
    qa_model.save_pretrained(tmp_path / "model")
    questions = ["회장이 어디서 회의를 열었는가?", "누가 부산을 찾았나?", "몇 명이 모였나?", "무엇이 오는가?", "누구?"]
    texts = [*texts[:-1], " ".join(texts)]
    expected = [[list(span) for span in spans] for spans in qa_model.answer(questions, texts, top_k=2)]
    found = consume(python, tmp_path / "model", tmp_path, [*questions, *texts], READER)
    assert version == "this version" or found["version"].startswith("4.51")
    check(found, expected, EVERY_OF_QA)


@pytest.mark.parametrize("version", ["this version", "transformers 4"])
def test_text_classification_loads_anywhere(request, make_text_classifier, tmp_path, texts, version):
    python = sys.executable if version == "this version" else request.getfixturevalue("transformers_4")
    classifier = make_text_classifier(encoder_input="units", pairs=True, pooling="mean", calibration_temperature=1.5)
    classifier.save_pretrained(tmp_path / "model")
    pairs, texts = [text[:20] for text in reversed(texts)], [*texts[:-2], " ".join(texts), ""]
    expected = [[list(span)] for span in classifier.classify(texts, pairs)]
    found = consume(python, tmp_path / "model", tmp_path, [*pairs, *texts], CLASSIFIER)
    assert version == "this version" or found["version"].startswith("4.51")
    check(found, expected, EVERY_OF_CLASSIFICATION)
