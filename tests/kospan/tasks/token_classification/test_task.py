"""The tagging task: what is trained on, and that evaluation gives a model what its users do."""

import json
import unicodedata

import pytest

from kospan.cli import main
from kospan.data.corpus import Corpus, read_examples
from kospan.data.jsonl import read_jsonl
from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import tags_to_spans
from kospan.recipe import load_recipe
from kospan.run import build_trainer, train
from kospan.tasks.encoders import encoder_parts
from kospan.tasks.token_classification.confidence import SpanConfidence
from kospan.tasks.token_classification.task import TokenClassificationTask

# Tokens that a raw text would not be split into, so that words and text give different units.
COLUMNS = """\
U.S B-LC
. O
Kim-Lee's B-PS
( O
it's O
3% O

Oslo B-LC
's O
mayor O
J B-PS
. I-PS
Berg I-PS
"no" O

"""
TINY = {
    "dataset": "conll",
    "encoder_options": {"num_hidden_layers": 0, "hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2},
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "max_steps": 2,
    "use_cpu": True,
    "save_strategy": "no",
    "eval_strategy": "no",
    "load_best_model_at_end": False,
}


@pytest.fixture
def columns(tmp_path) -> str:
    path = tmp_path / "all.conll"
    path.write_text(COLUMNS * 4, encoding="utf-8")
    return str(path)


@pytest.fixture
def make_task(make_token_classifier):
    def build(examples: list[Example], **settings) -> TokenClassificationTask:
        corpus = Corpus(("LC", "PS"), {"train": examples, "validation": examples}, 0)
        return TokenClassificationTask(
            corpus, make_token_classifier(labels=["LC", "PS"], unit="word", encoder_input="units", **settings)
        )

    return build


@pytest.mark.parametrize("splitting", ["white_space", "punctuation"])
def test_tokens_of_a_file_are_the_units_that_are_trained_on(make_task, columns, splitting):
    examples = read_examples("conll", columns)
    task = make_task(examples, word_splitting=splitting)
    assert task.misaligned == 0
    for example, feature in zip(examples, task.train_features(examples), strict=True):
        tags = [task.model.config.tags[tag] for tag in feature["labels"]]
        assert len(tags) == len(example.words)
        tokens = [(example.words[first], label) for first, last, label in tags_to_spans(tags)]
        assert tokens == [("U.S", "LC"), ("Kim-Lee's", "PS")] or tokens == [("Oslo", "LC"), ("J", "PS")]
    assert task.misaligned == 0


def test_tokens_give_the_features_that_their_joined_text_gave(make_task, columns):
    """Before a document could be a list of words, a file's tokens were joined and parted again at the spaces."""
    examples = read_examples("conll", columns)
    joined = [Example(each.id, each.text, each.spans) for each in examples]
    now = make_task(examples, word_splitting="punctuation", word_shape_feature=True).train_features(examples)
    then = make_task(joined, word_splitting="white_space", word_shape_feature=True).train_features(joined)
    assert now == then and len(now) == 8


def test_evaluation_gives_the_model_words_and_texts_as_they_are(make_task, columns):
    examples = read_examples("conll", columns)[:2]
    task = make_task(examples, word_splitting="punctuation")
    raw = [Example("raw", each.text, each.spans) for each in examples]
    found = task.predict([*examples, *raw])
    assert found[:2] == task.model.extract([list(each.words) for each in examples])
    assert found[2:] == task.model.extract([each.text for each in examples])
    windows = list(task.windows(examples))
    assert [each["input_ids"] for each in windows] == [each["input_ids"] for each in task.train_features(examples)]
    claims = task.spec.confidence(task, examples)
    assert [[span[:3] for span in spans] for spans in claims.predicted(1.0)] == [
        [span[:3] for span in spans] for spans in found[:2]
    ]


def test_claims_begin_and_end_where_extracted_spans_do(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units", labels=["LC"])
    examples = [Example(str(at), f" {text}\\n ", ()) for at, text in enumerate(texts)] + [Example("b", " \\n", ())]
    claims = SpanConfidence(model, examples)
    found = model.extract([each.text for each in examples])
    said = claims.predicted(1.0)
    assert [[span[:3] for span in spans] for spans in said] == [[span[:3] for span in spans] for spans in found]
    assert any(found) and len(claims.claims("spans", "posterior", 1.0).labels) == sum(map(len, found))
    gold = [Example(each.id, each.text, tuple(spans)) for each, spans in zip(examples, found)]
    assert SpanConfidence(model, gold).claims("spans", "posterior", 1.0).right.all()


def test_trimmed_gold_spans_are_reported_once(tmp_path, capsys):
    lines = [
        json.dumps({"id": str(at), "text": " Oslo it", "spans": [{"start": 0, "end": 6, "label": "LC"}]}) + "\n"
        for at in range(9)
    ]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    folder, data = str(tmp_path / "out"), str(tmp_path / "a.jsonl")
    train(load_recipe(None, {**TINY, "dataset": "jsonl", "train_file": data, "output_dir": folder}))
    out = capsys.readouterr().out
    line = "trimmed spans       9 gold spans in the train part began or ended with white space, which was removed"
    assert out.count("trimmed spans") == out.count(line) == 1 and "widened" not in out
    assert "9 gold spans that began or ended with white space were trimmed" in (tmp_path / "out/README.md").read_text(
        encoding="utf-8"
    )
    assert main(["evaluate", folder, "--data", data]) == 0
    assert f"trimmed spans       9 gold spans in {data} began or ended" in capsys.readouterr().out


def test_a_new_model_splits_raw_text_at_punctuation_and_says_so(columns, tmp_path):
    folder = tmp_path / "out"
    trainer = build_trainer(load_recipe(None, {**TINY, "train_file": columns, "output_dir": str(folder)}))
    assert trainer.model.config.word_splitting == "punctuation"
    aligner = trainer.model.aligner
    raw, listed = aligner.documents(["Oslo's mayor.", ["Oslo's", "mayor."]])
    assert (len(raw.units), len(listed.units)) == (4, 2)


def test_what_a_run_predicts_of_tokens_is_predicted_again(columns, tmp_path, capsys):
    """From the run's own file, from the columns, and by evaluation, on tokens that a raw text has not."""
    folder = tmp_path / "out"
    train(load_recipe(None, {**TINY, "train_file": columns, "validation_file": columns, "output_dir": str(folder)}))
    stored = read_jsonl(folder / "predictions.jsonl")
    assert [each.words for each in stored] == [each.words for each in read_examples("conll", columns)]
    again = tmp_path / "again.jsonl"
    for source in ([str(folder / "predictions.jsonl")], [columns, "--dataset", "conll"]):
        assert main(["predict", str(folder), *source, "--output", str(again)]) == 0
        for one, other in zip(stored, read_jsonl(again), strict=True):
            assert one == Example(one.id, one.text, one.spans, words=one.words)
            assert (one.text, one.words) == (other.text, other.words)
            assert [span[:3] for span in one.spans] == [span[:3] for span in other.spans]
    results = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    metrics = tmp_path / "metrics.json"
    assert main(["evaluate", str(folder), "--dataset", "conll", "--data", columns, "--output", str(metrics)]) == 0
    evaluated = json.loads(metrics.read_text(encoding="utf-8"))
    assert {key: evaluated[key] for key in ("eval_f1", "eval_flat_f1")} == {
        key: pytest.approx(results[key]) for key in ("eval_f1", "eval_flat_f1")
    }


def test_spans_of_words_begin_and_end_where_words_do(make_task, columns):
    examples = read_examples("conll", columns)
    task = make_task(examples, word_splitting="punctuation")
    for example, spans in zip(examples, task.predict(examples)):
        units = task.model.aligner.documents([example.document])[0].units
        for span in spans:
            [(first, last, _)] = unit_spans(units, [span[:3]])
            assert (units[first][0], units[last - 1][1]) == span[:2]
            assert isinstance(span, Span)


def test_a_vocabulary_from_scratch_is_counted_on_the_input_of_the_tokenizer():
    texts = ["부산에\u3000갔다", unicodedata.normalize("NFD", "부산\n서울"), "광주"]
    _, tokenizer = encoder_parts(load_recipe(None, {**TINY, "encoder": "scratch"}), texts)
    subwords = set(tokenizer.get_vocab())
    assert set("부산에갔다서울광주 ") <= subwords and not subwords & {"\u3000", "\n", "\u1107"}
    _, tokenizer = encoder_parts(load_recipe(None, {**TINY, "encoder": "scratch", "normalization": "none"}), texts)
    assert {"\u1107", "부", " "} <= set(tokenizer.get_vocab())
