"""Cards of classifiers and generative models from hand-written records."""

import json

import pytest
import yaml
from card_cases import card_of, section
from huggingface_hub import metadata_load

from kospan.data.registry import DATASETS

TRAINING = {
    "device": "CPU",
    "precision": "float32",
    "processes": 1,
    "batch": 8,
    "parameters": {"all": 1000, "trained": 10},
    "documents": 40,
    "windows": 41,
    "windowed": 1,
    "steps": 5,
    "epochs": 1.0,
    "seconds": 12.0,
    "best_step": None,
    "history": [],
    "versions": {"kospan": "0.1.0"},
    "commit": None,
}
SPEED = {"seconds": 1.0, "texts_per_second": 9.0, "characters_per_second": 99.0, "device": "CPU"}


def scores(value: float, **counts) -> dict:
    """A row in which every metric has the same value."""
    names = ("f1", "precision", "recall", "accuracy", "macro_f1", "pearson", "spearman", "mae")
    return {name: value for name in names} | {f"{name} interval": [value - 0.1, value + 0.1] for name in names} | counts


def classes_record() -> dict:
    """A record with a weak class, one with few texts and one with none."""
    counts = {"정치": (40, 0.3), "경제": (12, 0.9), "사회": (0, 0.0)}
    rows = [scores(value, group=name, gold=count, predicted=1) for name, (count, value) in counts.items()]
    return {
        "overall": scores(0.75),
        "baseline": scores(0.8),
        "labels": {name: {"training": 10, "validation": count} for name, (count, _) in counts.items()},
        "groups": {"class": rows, "text length": [scores(0.5, group="1-20", documents=52)]},
        "errors": {"correct": 39, "other class": 13, "no class said": 0},
        "confusion": [[30, 10, 0, 0], [3, 9, 0, 0], [0, 0, 0, 0]],
    }


def values_record() -> dict:
    """A record of values that are worse than the mean."""
    return {
        "overall": scores(0.5),
        "baseline": scores(0.4),
        "groups": {"text length": [scores(0.5, group="1-20", documents=52)]},
        "errors": {"below 0.5 sd": 40, "above": 12},
    }


def entities_record() -> dict:
    """A record of a generative model with a type that the dictionary finds better."""
    rows = [scores(0.5, group="PS", gold=40, predicted=40), scores(0.9, group="LC", gold=35, predicted=30)]
    baseline = [row | {"f1": 0.7} for row in rows]
    surfaces = [("seen with this type", 40, 0.9), ("unseen", 35, 0.4)]
    return {
        "overall": scores(0.75, gold=75, predicted=70),
        "baseline": {"overall": scores(0.7), "types": baseline},
        "labels": {name: {"training": 10, "validation": 40} for name in ("PS", "LC")},
        "types": rows,
        "lengths": rows,
        "surfaces": [dict(zip(("group", "gold", "recall"), row)) for row in surfaces],
        "errors": {"correct": 50, "missed": 25},
    }


def config_of(problem: str, pairs: bool) -> dict:
    names = {"0": "value"} if problem == "regression" else {"0": "정치", "1": "경제", "2": "사회"}
    return {
        "model_type": "kospan-sequence-classification",
        "problem_type": problem,
        "pairs": pairs,
        "id2label": names,
        "encoder_config": {"num_hidden_layers": 2},
        "pooling": "mean",
        "windowed_field": "text",
        "max_length": 64,
        "stride": 8,
        "custom_pipelines": {"text-classification": {}},
    }


GENERATIVE = {
    "model_type": "kospan-generative-ner",
    "labels": ["PS", "LC"],
    "unit": "character",
    "examples": [],
    "constrained_decoding": True,
    "max_new_tokens": 40,
    "date": "2026-01-31",
}


@pytest.fixture
def card(tmp_path):
    """Write the files of a run and return its card."""

    def build(config: dict, evaluation: dict, examples: list[dict], **recipe) -> str:
        record = {
            "training": TRAINING,
            "evaluation": evaluation | {"documents": 52, "hangul": 1.0, "speed": SPEED},
            "names": {"dataset": None, "encoder": None},
            "adjusted": {"dropped": 2, "too_long": 1},
            "examples": examples,
        }
        results = {f"eval_{name}": value for name, value in evaluation["overall"].items() if isinstance(value, float)}
        name = "kospan.json" if config["model_type"] == "kospan-generative-ner" else "config.json"
        for file, content in ((name, config), ("training_record.json", record), ("eval_results.json", results)):
            (tmp_path / file).write_text(json.dumps(content), encoding="utf-8")
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"train_file": "a.jsonl", **recipe}), encoding="utf-8")
        text = card_of(tmp_path, "mina/model")
        english, korean = section(text, "Limits and biases"), section(text, "한국어 요약")
        assert english.count("\n- ") == korean.count("\n- ") > 4
        assert "None" not in text.replace("top_k=None", "") and "{{" not in text and "\n\n\n" not in text
        return text

    return build


@pytest.mark.parametrize("pairs", [False, True])
def test_card_of_classes(card, tmp_path, pairs):
    examples = [{"text": "가", "text_pair": "나", "spans": [[0, 1, "경제", 0.75]]}]
    text = card(config_of("single_label_classification", pairs), classes_record(), examples, dataset="klue_ynat")
    assert "| **macro F1** | 0.7500 | 0.6500 – 0.8500 | 0.8000 |" in section(text, "Scores")
    assert "| 정치 | 0.3000 | 0.3000 | 0.3000 | 0.2000 – 0.4000 | 40 |" in text and "| 사회 | " in text
    errors = section(text, "Errors")
    assert "| other class | another class was predicted | 13 | 100.0% |" in errors and "no class said" not in errors
    assert "Most often confused: 정치 taken for 경제 (10), 경제 taken for 정치 (3)." in errors
    limits = section(text, "Limits and biases")
    assert "accuracy of 0.7500: 정치 (F1 0.3000)." in limits and "to judge: 경제 (12)." in limits
    assert "for lack of texts: 사회." in limits and "not shown to be better than predicting" in limits
    assert "**정확도는 0.7500**(95% 신뢰구간 0.6500–0.8500)" in section(text, "한국어 요약")
    assert ("text_pairs = [" in text) == ("two texts" in text or "`text_pair`" in text) == pairs
    assert "```text\n경제 0.75\n```" in text and "2 gold spans that overlapped" in text
    assert "| `정치` | politics | 정치 | 10 | 40 |" in section(text, "Labels")
    assert metadata_load(tmp_path / "README.md")["pipeline_tag"] == "text-classification"


def test_card_of_values(card):
    examples = [{"text": "가", "text_pair": "나", "spans": [[0, 1, "value", 3.25]]}]
    text = card(config_of("regression", True), values_record(), examples, dataset="klue_sts")
    meaning = DATASETS["klue_sts"].meanings["value"][0]
    assert f"gives pairs of Korean texts a real value ({meaning})." in text
    assert "| **mean absolute error** | 0.5000 | 0.4000 – 0.6000 | 0.4000 |" in text
    assert (
        "**피어슨 상관은 0.5000**(95% 신뢰구간 0.4000–0.6000), 스피어만 상관은 0.5000, 평균 절대 오차는 0.5000입니다."
        in text
    )
    assert "| below 0.5 sd | 40 |" in text and "Labels" not in text and "value 3.25" in text
    assert "better than predicting the training data's mean value" in text


def test_the_layers_of_an_encoder_are_counted_whatever_its_config_calls_them(card):
    config = config_of("single_label_classification", False)
    for encoder in ({"num_hidden_layers": 2}, {"model_type": "distilbert", "n_layers": 2, "dim": 8, "n_heads": 2}):
        text = card(config | {"encoder_config": encoder}, classes_record(), [], dataset="klue_ynat")
        assert "(2 layers)" in section(text, "Procedure")


def test_card_of_a_generative_model(card, tmp_path):
    examples = [{"text": "이재용은 서울에 갔다.", "spans": [[0, 3, "PS", 0.9]]}]
    text = card(GENERATIVE, entities_record(), examples, encoder="kim/tiny", task="generative-ner")
    limits = section(text, "Limits and biases")
    assert "overall F1 of 0.7500: PS (F1 0.5000)." in limits and "higher F1 for PS (0.5000 against 0.7000)" in limits
    assert "Of 35 entities whose surface is not in the training data it finds 40.0%; of 40 known ones 90.0%." in limits
    assert "always 2026-01-31" in limits and "a reply ends after 40 subwords" in limits.lower()
    assert "1 replies were longer" in section(text, "Data") and "```text\n이재용 PS 0 3\n```" in text
    assert "The model is the pretrained language model `kim/tiny`" in section(text, "Procedure")
    assert "pipeline(" not in text and metadata_load(tmp_path / "README.md")["pipeline_tag"] == "text-generation"
