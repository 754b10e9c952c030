"""A question answering model from the run's folder to those who load it, over a Hub on this machine."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from clean_environment_cases import CLEAN_ENVIRONMENT
from huggingface_hub import ModelCard
from local_hub import LocalHub
from release_cases import command, save_qa_run

from kospan.hub import publish as publishing
from kospan.hub import verify as verifying
from kospan.tasks.question_answering import published as calls
from kospan.tasks.question_answering.spec import SPEC

ROOT = Path(__file__).parents[3]
NAME = "mina/qa_model"
KEPT: dict = {}
CONSUMER = (
    CLEAN_ENVIRONMENT
    + """
from huggingface_hub import snapshot_download
from transformers import AutoModelForQuestionAnswering
name, asked = sys.argv[1], json.loads(sys.argv[2])
def spans(answers):
    return [[each[key] for key in ("start", "end", "score")] for each in answers]
for auto in (AutoModel, AutoModelForQuestionAnswering):
    model = auto.from_pretrained(name, trust_remote_code=True)
    answers = model.answer([one["question"] for one in asked], [one["context"] for one in asked])
    found[auto.__name__] = [[span.start, span.end, span.score] for [span] in answers]
found["pipeline"] = spans(pipeline("question-answering", model=name, trust_remote_code=True, device=-1)(asked))
found["handler"] = spans(endpoint(snapshot_download(name))({"inputs": asked}))
print("FOUND" + json.dumps(found))
"""
)


@pytest.fixture(scope="module", autouse=True)
def closed():
    """Closes the hub that the tests share."""
    yield
    if "hub" in KEPT:
        KEPT["hub"].close()
    KEPT.clear()


@pytest.fixture
def published(make_qa_model, texts, tmp_path_factory):
    """A Hub with a question answering model that push_to_hub.py has pushed, once for all tests."""
    if "hub" not in KEPT:
        home = tmp_path_factory.mktemp("home")
        # The third text needs several windows; the fourth question is longer than what is read of one.
        asked = [
            ("누가 왔나?", texts[0]),
            ("언제?", texts[1]),
            ("어디에?", " ".join(texts * 2)),
            ("왜 그랬나? " * 4, texts[4]),
        ]
        KEPT["run"] = save_qa_run(make_qa_model(encoder_input="units"), home / "qa_model", asked)
        hub = KEPT["hub"] = LocalHub()
        KEPT["push"] = command(
            [ROOT / "push_to_hub.py", KEPT["run"], "--repo_id", NAME, "--predictions"], hub.environment(home), home
        )
    assert KEPT["push"].returncode == 0, KEPT["push"].stderr
    return KEPT["hub"]


def stored() -> list[dict]:
    lines = (KEPT["run"] / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def check_consumer(python: str, local: LocalHub, tmp_path: Path) -> str:
    environment = local.environment(tmp_path / "home", token=None) | {"TRANSFORMERS_VERBOSITY": "error"}
    (tmp_path / "elsewhere").mkdir()
    asked = [{"question": line["question"], "context": line["text"]} for line in stored()]
    done = command(["-c", CONSUMER, NAME, json.dumps(asked)], environment, tmp_path / "elsewhere", python)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    version = found.pop("version")
    assert set(found) == {"AutoModel", "AutoModelForQuestionAnswering", "pipeline", "handler"}
    for way, answers in found.items():
        for line, answer in zip(stored(), answers, strict=True):
            [span] = line["spans"]
            assert answer[:2] == [span["start"], span["end"]], way
            assert answer[2] == pytest.approx(span["score"], abs=1e-5), way
    return version


def test_published_model_predicts_the_stored_spans(published, tmp_path):
    check_consumer(sys.executable, published, tmp_path)


def test_published_model_works_on_transformers_4(published, tmp_path, transformers_4):
    assert check_consumer(transformers_4, published, tmp_path).startswith("4.51")


def test_release_with_its_card_is_one_commit(published, tmp_path):
    there = published.repo(NAME).files()
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "modeling_question_answering.py",
        "handler.py",
    } <= set(there)
    assert {"pipelines.py", "eval_results.json", "recipe.yaml", "predictions.jsonl"} <= set(there)
    config = json.loads(there["config.json"])
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForQuestionAnswering"}
    assert KEPT["push"].stdout.splitlines()[1] == (
        "checked             4 texts: offsets and labels equal, scores to 1e-5"
    )
    (tmp_path / "README.md").write_bytes(there["README.md"])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.pipeline_tag == "question-answering"
    assert {each.metric_args["metric"]: each.metric_value for each in card.data.eval_results} == json.loads(
        there["eval_results.json"]
    )
    assert f'from_pretrained("{NAME}", trust_remote_code=True)' in card.text and "answer(questions" in card.text
    # Without a record of the run the card holds what is known.
    assert "## Errors" not in card.text and "None" not in card.text and "{{" not in card.text


@pytest.fixture
def found(published, tmp_path):
    """Predictions of a fresh process in every way to load the model, made once, and the folder it was asked about."""
    if "found" not in KEPT:
        publishing.prepare(KEPT["run"], tmp_path / "prepared")
        items = [{"text": line["text"], "question": line["question"]} for line in stored()]
        KEPT["found"] = verifying._run_clean(tmp_path / "prepared", SPEC.published, items)
    return json.loads(json.dumps(KEPT["found"]))


def test_every_way_to_load_is_checked(found, monkeypatch):
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: found)
    assert set(found) == {"AutoModel", "AutoModelForQuestionAnswering", "pipeline", "handler.py"}
    assert all(len(answers) == 4 for answers in found.values())
    assert verifying.verify(KEPT["run"], KEPT["run"] / "predictions.jsonl", SPEC) == 4


@pytest.mark.parametrize("way", ["AutoModel", "AutoModelForQuestionAnswering", "pipeline", "handler.py"])
@pytest.mark.parametrize("change", [lambda span: span[:1] + [span[1] + 1] + span[2:], lambda span: span[:3] + [0.5]])
def test_different_spans_of_one_way_to_load_are_refused(way, change, found, monkeypatch):
    found[way][2][1][0] = change(found[way][2][1][0])
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: found)
    with pytest.raises(ValueError, match=f"got other ones through {way} in example 'v-2'"):
        verifying.verify(KEPT["run"], KEPT["run"] / "predictions.jsonl", SPEC)


def test_questions_are_part_of_the_check(published, tmp_path, monkeypatch):
    folder, asked = shutil.copytree(KEPT["run"], tmp_path / "copy"), []
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: asked.extend(items) or {})
    verifying.verify(folder, folder / "predictions.jsonl", SPEC)
    assert asked == [{"text": line["text"], "question": line["question"]} for line in stored()]


def test_no_answer_is_no_span_in_any_way_to_load(make_qa_model, texts):
    model = make_qa_model(allow_no_answer=True)
    items = [{"question": "누가 왔나?", "text": text} for text in [*texts, ""]]
    answers = model.answer([item["question"] for item in items], [item["text"] for item in items])
    assert answers[-1][0].end == 0, "a text without characters has no other answer"
    expected = [[list(span) for span in spans if span.end] for spans in answers]
    assert calls.predict(model, items) == expected and expected[-1] == []
    found = [{"score": span.score, "start": span.start, "end": span.end, "answer": ""} for [span] in answers]
    assert calls.spans(model, found) == expected
    # For one question the pipeline gives its answer alone.
    assert calls.spans(model, found[0]) == expected[:1]
    assert calls.inputs(items)[0] == {"question": "누가 왔나?", "context": texts[0]}
