"""Model cards of question answering against the files of a run."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from card_cases import card_of, change, check_snippets, section
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results

from kospan.calibrate import calibrate
from kospan.data.jsonl import write_jsonl
from kospan.data.registry import DATASETS
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import train
from kospan.tasks.question_answering.card import CARD

NAMES, PLACES = ["김민수", "이재용", "박서연", "최가온"], ["서울", "부산", "대구", "광주"]
TINY = {
    "task": "question-answering",
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {
        "num_hidden_layers": 0,
        "hidden_size": 16,
        "embedding_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    },
    "encoder_input": "units",
    "exact_match_feature": True,
    "max_length": 56,
    "stride": 16,
    "max_query_length": 24,
    "max_answer_length": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "num_train_epochs": 4,
    "per_device_train_batch_size": 8,
    "use_cpu": True,
    "calibration_split": "0.25",
}
FILES = ("config.json", "recipe.yaml", "eval_results.json", "training_record.json", "calibration.json")


def questions(split: str, count: int) -> list[Example]:
    """Questions of two kinds; some gold answers are wrong, so that no model gets all right."""
    rows = []
    for at in range(count):
        person, place = NAMES[at % 4], PLACES[(at // 4 + at) % 4]
        text = f"{person} 기자가 {place}에서 전했다." + " 비가 온다." * (at % 5)
        begin = 8 if at % 5 != 3 else 11
        answer, question = (
            (Span(0, 3, "answer"), "누가 전했나?") if at % 2 else (Span(begin, begin + 2, "answer"), "어디인가?")
        )
        rows.append(Example(f"{split}-{at}", text, (answer,), question, "secret-source" if at % 3 else "other-source"))
    return rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny run, with its card."""
    folder = tmp_path_factory.mktemp("secret-project")
    for split, count in (("train", 48), ("validation", 10)):
        write_jsonl(folder / f"{split}.jsonl", questions(split, count))
    files = {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}
    train(load_recipe(None, {**TINY, **files, "output_dir": str(folder / "out")}))
    return folder / "out"


@pytest.fixture
def folder(finished, tmp_path):
    """Copies of the files that a card is rendered from."""
    for name in FILES:
        shutil.copyfile(finished / name, tmp_path / name)
    return tmp_path


def record_of(folder: Path) -> dict:
    return json.loads((folder / "training_record.json").read_text(encoding="utf-8"))


def test_metadata_holds_every_metric(finished):
    stored = json.loads((finished / "eval_results.json").read_text(encoding="utf-8"))
    assert {"eval_exact_match", "eval_f1", "eval_calibration_ece"} <= set(stored)
    card = ModelCard.load(finished / "README.md")
    assert {each.metric_args["metric"]: each.metric_value for each in card.data.eval_results} == stored
    metadata = metadata_load(finished / "README.md")
    assert model_index_to_eval_results(metadata["model-index"])[1] == card.data.eval_results
    for each in card.data.eval_results:
        assert each.task_type == "question-answering" and each.metric_args["rules"] == "KorQuAD 1.0"
    kinds = {each.metric_args["metric"]: each.metric_type for each in card.data.eval_results}
    assert (kinds["eval_exact_match"], kinds["eval_f1"]) == ("exact_match", "f1")
    assert metadata["pipeline_tag"] == "question-answering" and metadata["metrics"] == ["exact_match", "f1"]
    assert "extractive-question-answering" in metadata["tags"] and "named-entity-recognition" not in metadata["tags"]


def test_snippets_print_the_output_of_the_card(finished, tmp_path):
    first, second = check_snippets(finished, tmp_path)
    assert first.count("\n") == 6 and second.count("\n") == 1


@pytest.mark.parametrize("dataset", ["korquad", "klue_mrc", "squad", "squad_v2"])
def test_language_licence_rules_and_source_of_each_data_set(folder, dataset):
    about = DATASETS[dataset]
    change(folder / "recipe.yaml", dataset=dataset)
    card = card_of(folder, "mina/reader")
    metadata = metadata_load(folder / "README.md")
    assert (metadata["language"], metadata["license"]) == (about.language, about.licence)
    assert "datasets" not in metadata and about.hub not in card
    assert metadata["widget"] == [
        {"text": each["question"], "context": each["text"]} for each in CARD.examples(dataset, about.language)
    ]
    assert ("use of the training data is restricted" in card) == about.restricted == (dataset == "korquad")
    names = {"korquad": "Lim", "klue_mrc": "Sungjoon Park", "squad": "Jian Zhang", "squad_v2": "Robin Jia"}
    assert [name in section(card, "Citation") for name in names.values()] == [each == dataset for each in names]
    title = {"korquad": "KorQuAD 1.0", "klue_mrc": "KLUE-MRC", "squad": "SQuAD 1.1", "squad_v2": "SQuAD 2.0"}[dataset]
    assert f"by the official rules of {title}" in section(card, "Scores")
    assert ("words that both have" in section(card, "Scores")) == dataset.startswith("squad")
    assert {each.metric_args["rules"] for each in ModelCard.load(folder / "README.md").data.eval_results} == {title}


def test_scores_with_intervals_baseline_groups_and_errors(folder):
    record = record_of(folder)
    evaluation = record["evaluation"]
    evaluation["overall"] |= {"exact_match interval": [0.0123, 0.9871]}
    evaluation["baseline"] |= {"exact_match": 0.0765}
    words = {row["group"]: row for row in evaluation["groups"]["question word"]}
    assert set(words) == {"누구", "어디"} and "source" not in evaluation["groups"]
    words["누구"] |= {"exact_match": 0.2345, "exact_match interval": [0.1111, 0.3333], "questions": 1234}
    evaluation["errors"] |= {"exact": 3, "too long": 5, "too short": 2, "overlaps": 0, "elsewhere": 0}
    evaluation["particles"], evaluation["hangul"] = 4, 1.0
    change(folder / "training_record.json", **record)
    part = section(card_of(folder), "Scores")
    overall = evaluation["overall"]
    assert f"| **exact match** | {overall['exact_match']:.4f} | 0.0123 – 0.9871 | 0.0765 |" in part
    low, high = overall["f1 interval"]
    assert f"| **F1** | {overall['f1']:.4f} | {low:.4f} – {high:.4f} |" in part
    assert "| 누구 (who) | 1,234 | 0.2345 | 0.1111 – 0.3333 |" in part
    assert "By length of the first gold answer" in part and "| 1-2 | " in part and "| seen in training | " in part
    errors = section((folder / "README.md").read_text(encoding="utf-8"), "Errors")
    assert "| too long | holds a gold answer and more | 5 | 71.4% |" in errors and "no answer said" not in errors
    assert "Of the 7 that are not exact 4 (57.1%) differ from a gold answer by nothing but a Korean particle" in errors


def test_rouge_and_questions_without_an_answer_if_measured(folder):
    record = record_of(folder)
    for row in (record["evaluation"]["overall"], record["evaluation"]["baseline"]):
        row |= {"rouge_w": 0.3456, "rouge_w interval": [0.2, 0.4]}
    record["evaluation"]["errors"]["answer where there is none"] = 2
    change(folder / "training_record.json", **record)
    more = {"rouge_w": 0.3456, "exact_match_unanswerable": 0.625, "f1_answerable": 0.5432}
    more |= {"exact_match_answerable": 0.5, "support_unanswerable": 8.0}
    change(folder / "eval_results.json", **{f"eval_{name}": value for name, value in more.items()})
    change(folder / "config.json", allow_no_answer=True)
    card = card_of(folder)
    scores = section(card, "Scores")
    assert "| **ROUGE-W** | 0.3456 | 0.2000 – 0.4000 | 0.3456 |" in scores and "8 of which have no answer" in scores
    assert "| F1 of questions with an answer | mean over questions | 0.5432 |" in scores
    assert "| answer where there is none | " in section(card, "Errors")
    assert "right for 62.5% of the questions without one" in section(card, "Limits and biases")
    assert "답이 없는 질문의 62.5%" in card and "also say that the text holds no answer" in card
    assert 'or "(no answer)"' in section(card, "Use")


def test_models_of_an_unknown_type_are_refused(folder):
    change(folder / "config.json", model_type="kospan-poet")
    with pytest.raises(
        ValueError, match=r"expected a model of type kospan-[a-z-]+ to write a card about, got 'kospan-poet'; only"
    ):
        card_of(folder)


def test_files_of_two_runs_are_refused(folder):
    change(folder / "eval_results.json", eval_exact_match=0.1234)
    with pytest.raises(ValueError, match=r"of one run, got exact match \d\.\d+ and 0\.123400; copy both from the same"):
        card_of(folder)


def test_limits_follow_settings_and_scores_in_both_languages(folder):
    card = card_of(folder)
    english, korean = section(card, "Limits and biases"), section(card, "한국어 요약")
    assert english.count("\n- ") == korean.count("\n- ") > 6
    assert "longer than 8 characters, or than 16 subwords" in english and "longer than 24 subwords is cut" in english
    assert "does not recognise questions without an answer" in english and "one seed" in english
    assert "5 with 누구 (who), 5 with 어디 (where)" in english and "누구(5개), 어디(5개)" in korean
    record = record_of(folder)
    evaluation = record["evaluation"]
    overall = evaluation["overall"]["exact_match"] = 0.6
    change(folder / "eval_results.json", eval_exact_match=0.6)
    for row, high in zip(evaluation["groups"]["question word"], (0.59, 0.61), strict=True):
        row |= {"questions": 40, "exact_match": 0.5, "exact_match interval": [0.4, high]}
    evaluation["groups"]["answer"] = [
        {"group": "seen in training", "questions": 50, "exact_match": 0.75},
        {"group": "not seen in training", "questions": 60, "exact_match": 0.25},
    ]
    for row in evaluation["groups"]["answer"]:
        row |= {"f1": 0.5, "f1 interval": [0.4, 0.6], "exact_match interval": [0.1, 0.9]}
    evaluation["baseline"]["f1"] = 0.9999
    change(folder / "training_record.json", **record)
    card = card_of(folder)
    english, korean = section(card, "Limits and biases"), section(card, "한국어 요약")
    assert f"exact match of {overall:.4f} – 누구 (who): 0.5000." in english and "누구 0.5000." in korean
    assert "Of 60 questions whose answer was none in the training data 25.0% are answered exactly, of 50" in english
    assert "60개에서 25.0%" in korean and "higher F1 (0.9999 against" in english and "< 0.9999" in korean
    change(folder / "config.json", trim_particles=True, allow_no_answer=True)
    english = section(card_of(folder), "Limits and biases")
    assert "particle at an answer's end is cut off" in english and "was not tested" in english


@pytest.mark.parametrize(
    "settings, name, value, author",
    [
        ({"rdrop_alpha": 0.5}, "R-Drop", "the distributions of starts and of ends", "Liang"),
        ({"multi_sample_dropout": 5}, "Multi-sample dropout", "projection to start and end scores, one loss", "Inoue"),
        ({"fgm_epsilon": 0.5}, "FGM", "epsilon 0.5", "Miyato"),
        ({"encoder": "monologg/koelectra-small-v3-discriminator"}, None, "the pretrained encoder", "Kevin Clark"),
    ],
)
def test_only_used_techniques_and_their_sources_are_named(folder, settings, name, value, author):
    before = card_of(folder)
    assert name is None or f"**{name}**" not in before
    assert value not in section(before, "Procedure") and author not in section(before, "Citation")
    assert "**Match feature**" in before and "Danqi Chen" in before and "Jacob Devlin" in before
    assert "Lafferty" not in before and "tag" not in section(before, "Procedure")
    change(folder / "recipe.yaml", **settings)
    change(folder / "config.json", exact_match_feature=False)
    after = card_of(folder)
    assert name is None or f"**{name}**" in after
    assert value in section(after, "Procedure") and author in section(after, "Citation")
    assert "**Match feature**" not in after and "Danqi Chen" not in after


def test_whole_card(finished):
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert "None" not in card and "{{" not in card and "\n\n\n" not in card and "## Labels" not in card
    assert not re.search("entit|개체|sentence", card)
    results = json.loads((finished / "eval_results.json").read_text(encoding="utf-8"))
    korean = section(card, "한국어 요약")
    assert all(f"{results[f'eval_{name}']:.4f}" in korean for name in ("exact_match", "f1"))
    assert "exact match" in section(card, "Learning curve") and "questions per second" in section(card, "Speed")
    assert re.search(r"Trained on \d+ questions", section(card, "Data"))
    for name in ("training_record.json", "README.md"):
        text = (finished / name).read_text(encoding="utf-8")
        assert not any(word in text for word in ("secret-source", "secret-project", *NAMES)), name
    stored = record_of(finished)["examples"]
    assert [(each["question"], each["text"]) for each in stored] == [
        (each["question"], each["text"]) for each in CARD.examples("korquad", "ko")
    ]
    assert all(len(each["spans"]) == 3 for each in stored)


def test_a_threshold_chosen_later_appears_everywhere(finished, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(finished, folder)
    # Texts other than those of the reported scores.
    rows = questions("other", 40)
    rows = [
        replace(each, text=f"{each.text} {at}") for start in range(4) for at, each in list(enumerate(rows))[start::4]
    ]
    before = record_of(folder)["examples"]
    chosen = calibrate(folder, rows, precision=0.95)["threshold"]
    assert 0 < chosen["value"] < 1 and chosen["fitted"]["precision"] >= 0.95
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["threshold"] == chosen["value"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    kept = chosen["reported"]
    assert f"With `threshold={chosen['value']:g}`, chosen so that at least 95.0%" in section(card, "Calibration")
    assert f"{kept['kept']} of the {kept['all']} answers" in section(card, "Calibration")
    assert all(
        f"below {chosen['value']:g} are left out" in section(card, part) for part in ("Limits and biases", "Use")
    )
    # The outputs of the snippets are renewed.
    assert record_of(folder)["examples"] != before
    assert all(span[3] >= chosen["value"] for each in record_of(folder)["examples"] for span in each["spans"])
