"""A study of generative models: the report holds scores of replies beside those of spans."""

from pathlib import Path

import numpy as np
import pytest
from ablation_cases import finish_by_hand, write_study
from generative_training_cases import examples

from kospan.ablation.page import write_report
from kospan.ablation.plan import Run, load_study
from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.evaluation.span_counts import counts_per_type
from kospan.files import found_json_object
from kospan.tasks.generative_ner.metrics import REPLY_METRICS

RECIPE = Path(__file__).parents[3] / "recipes" / "sample_generative_ner.yaml"
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
SETTINGS = {
    "dataset": "jsonl",
    "encoder_options": SIZES,
    "learning_rate": 0.02,
    "max_steps": 80,
    "per_device_train_batch_size": 4,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
    "use_cpu": True,
}


def test_a_study_of_generative_models_is_run_and_reported(tmp_path, capsys):
    for split in ("train", "validation"):
        write_jsonl(tmp_path / f"{split}.jsonl", examples(6))
    files = {f"{split}_file": str(tmp_path / f"{split}.jsonl") for split in ("train", "validation")}
    path = write_study(
        tmp_path,
        recipe=str(RECIPE),
        settings=SETTINGS | files,
        variants={"plain": {}, "shown": {"few_shot": 1}},
        seeds=[7],
        metric="f1",
    )
    [experiment] = load_study(path)
    metrics = dict.fromkeys(REPLY_METRICS, 0.0) | {"exact_reply": 0.25}
    gold = [[0, 1, len(example.spans)] for example in examples(6)]
    finish_by_hand(experiment, Run("plain", 7), gold, ids=[example.id for example in examples(6)], **metrics)
    assert main(["ablate", str(path)]) == 0
    assert "shown-7" in capsys.readouterr().out
    done = tmp_path / "out" / "shown-7"
    found = found_json_object(done / "run.json")["metrics"]
    assert found.keys() > set(REPLY_METRICS) and found["f1"] > 0 and found["unparsed"] == 0
    predicted = [each.spans for each in read_jsonl(done / "predictions.jsonl")]
    right, said, gold = np.array(found_json_object(done / "counts.json")["counts"]).sum(axis=(0, 1))
    assert (right, said, gold) == tuple(counts_per_type(examples(6), predicted, ["LC", "PS"]).sum(axis=(0, 1)))
    assert found["f1"] == pytest.approx(2 * right / (said + gold))
    page = write_report(experiment, tmp_path / "report", samples=50).read_text(encoding="utf-8")
    assert "| `shown` | few_shot 1 | 7 |" in page and "on 6 validation documents" in page
    for words in (
        "`exact_reply`: share of replies that equal the expected one",
        "`unparsed`:",
        "`dropped`:",
        "`unmatched`:",
    ):
        assert words in page
    assert "0.2500" in page and f"{found['exact_reply']:.4f}" in page
